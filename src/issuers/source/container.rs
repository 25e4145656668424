//! The container credentials endpoint: of ECS, of EKS's agent, or of any server with this protocol.

use super::{Obtained, Request, Source, endpoint};
use crate::aws::region::Home;
use crate::http::{Call, Way};
use futures::future::BoxFuture;
use refreshable_api::ContainerSource;
use refreshable_rules::issuer::IssueError;
use secrecy::ExposeSecret as _;

impl Source for ContainerSource {
    fn name(&self) -> &'static str {
        "container"
    }

    fn secrets(&self) -> Vec<&str> {
        self.authorization_token_secret_ref.iter().map(|r| r.name.as_str()).collect()
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        format!("url/{namespace}/{}", self.full_uri)
    }

    fn endpoint(&self) -> Option<String> {
        Some(endpoint::authority(&self.full_uri))
    }

    fn calls(&self) -> u32 {
        1
    }

    fn home(&self) -> Home<'_> {
        Home::Unknown
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            let mut headers = Vec::new();
            if let Some(reference) = &self.authorization_token_secret_ref {
                // The bare token, without a scheme, is what the protocol sends.
                let token = request.text(reference).await?;
                request.redactor().protect_header(token.expose_secret());
                headers.push(("Authorization".to_owned(), token));
            }
            let call = Call {
                operation: "GetContainerCredentials",
                url: &self.full_uri,
                way: Way::Named(request.grants.reach(&self.full_uri)),
                headers,
                ca_bundle: None,
                identity: None,
                timeout_seconds: self.timeout_seconds,
            };
            endpoint::get(&call, request).await
        })
    }
}
