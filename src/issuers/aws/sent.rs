//! Secrets that the SDK itself sends: no other code sees the session token of the controller's own
//! identity.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::{
    Intercept, context::BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use refreshable_rules::issuer::Redactor;

/// Protects session token and signature of each request.
#[derive(Debug)]
pub(crate) struct Sent(pub(crate) Redactor);

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Sent {
    fn name(&self) -> &'static str {
        "Sent"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request().headers();
        self.0.protect(headers.get("x-amz-security-token").unwrap_or_default());
        self.0.protect_signature(headers.get("authorization").unwrap_or_default());
        Ok(())
    }
}
