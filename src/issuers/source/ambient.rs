//! The controller's own AWS identity, from aws-config's default chain: web identity, container and
//! instance metadata, environment, profile. Never published itself.

use super::{Obtained, Request, Source};
use crate::aws::region::Home;
use futures::future::BoxFuture;
use refreshable_api::AmbientSource;
use refreshable_rules::issuer::IssueError;

impl Source for AmbientSource {
    fn name(&self) -> &'static str {
        "ambient"
    }

    fn secrets(&self) -> Vec<&str> {
        Vec::new()
    }

    fn rate_limit_key(&self, _namespace: &str) -> String {
        "ambient".to_owned()
    }

    fn calls(&self) -> u32 {
        0
    }

    fn home(&self) -> Home<'_> {
        Home::Unknown
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            request.ambient.clone().map(Obtained::Caller).ok_or_else(|| IssueError::NoIdentity {
                detail: "no credentials provider is configured".to_owned(),
            })
        })
    }
}
