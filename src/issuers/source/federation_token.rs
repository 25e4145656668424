//! GetFederationToken with a long-lived key from a Secret.

use super::{Obtained, Request, Source};
use crate::aws::region::Home;
use crate::aws::sts::FederationCall;
use futures::future::BoxFuture;
use refreshable_api::FederationTokenSource;
use refreshable_rules::issuer::IssueError;
use refreshable_rules::session_name::default_user_name;

impl Source for FederationTokenSource {
    fn name(&self) -> &'static str {
        "federationToken"
    }

    fn secrets(&self) -> Vec<&str> {
        self.access_key.secrets()
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        self.access_key.rate_limit_key(namespace)
    }

    fn calls(&self) -> u32 {
        1
    }

    fn home(&self) -> Home<'_> {
        let policy = self.policy_arns.iter().flatten().next();
        policy.map_or(Home::Unknown, |p| Home::PartitionOf(&p.arn))
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            let caller = super::access_key::read(&self.access_key, request).await?;
            let default = default_user_name(&request.session_name);
            let call =
                FederationCall { source: self, name: self.name.as_deref().unwrap_or(&default) };
            let issued = request
                .sts
                .get_federation_token(call, &caller, request.sts_spec, request.now)
                .await?;
            Ok(Obtained::Session(Box::new(issued)))
        })
    }
}
