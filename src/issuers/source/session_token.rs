//! GetSessionToken with a long-lived key from a Secret, and a code from an MFA seed if there is
//! one.

use super::{Obtained, Request, Source, mfa};
use crate::aws::region::Home;
use crate::aws::sts::SessionCall;
use futures::future::BoxFuture;
use refreshable_api::SessionTokenSource;
use refreshable_rules::issuer::IssueError;

impl Source for SessionTokenSource {
    fn name(&self) -> &'static str {
        "sessionToken"
    }

    fn secrets(&self) -> Vec<&str> {
        let seed = self.totp_secret_ref.iter().map(|r| r.name.as_str());
        self.access_key.secrets().into_iter().chain(seed).collect()
    }

    fn rate_limit_key(&self, namespace: &str) -> String {
        self.access_key.rate_limit_key(namespace)
    }

    fn calls(&self) -> u32 {
        1
    }

    fn home(&self) -> Home<'_> {
        // A device that is hardware has a serial number and no ARN.
        self.serial_number
            .as_deref()
            .filter(|s| s.starts_with("arn:"))
            .map_or(Home::Unknown, Home::PartitionOf)
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(async {
            let caller = super::access_key::read(&self.access_key, request).await?;
            let token_code =
                mfa::code(self.serial_number.as_deref(), self.totp_secret_ref.as_ref(), request)
                    .await?;
            let call = SessionCall { source: self, token_code: token_code.as_ref() };
            let issued =
                request.sts.get_session_token(call, &caller, request.sts_spec, request.now).await?;
            Ok(Obtained::Session(Box::new(issued)))
        })
    }
}
