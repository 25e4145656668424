//! One call to an issuer through an AWS SDK: counted, timed, its failure put into words.

use super::ask::Ask;
use super::failure;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::{
    Intercept, context::BeforeDeserializationInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;
use parking_lot::Mutex;
use refreshable_rules::issuer::IssueError;
use refreshable_rules::retry::Class;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Time limit for a call where the specification sets none.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);
/// Time limit for making a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Counts calls to issuers.
pub trait Meter: Send + Sync {
    /// An issuer answered as it should, or the call `failed` with an error of that class.
    fn issuer_call(&self, operation: &'static str, failed: Option<Class>, took: Duration);
}

/// Makes a call that counts, and puts its failure into words.
pub(crate) async fn send<T, E>(
    ask: &Ask<'_>,
    meter: &dyn Meter,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, IssueError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    counted(ask.operation, meter, async { call.await.map_err(|error| failure::of(ask, &error)) })
        .await
}

/// Counts and times a call.
pub(crate) async fn counted<T>(
    operation: &'static str,
    meter: &dyn Meter,
    call: impl Future<Output = Result<T, IssueError>>,
) -> Result<T, IssueError> {
    let began = Instant::now();
    let result = call.await;
    meter.issuer_call(operation, result.as_ref().err().map(IssueError::class), began.elapsed());
    result
}

/// Time limits that end a call after `whole`.
pub(crate) fn timeouts(whole: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(whole))
        .operation_attempt_timeout(whole)
        .operation_timeout(whole)
        .build()
}

/// The `Date` of a response: the issuer's clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct DateSeen(Arc<Mutex<Option<Timestamp>>>);

impl DateSeen {
    /// The date, once a response with one has come.
    pub(crate) fn get(&self) -> Option<Timestamp> {
        *self.0.lock()
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for DateSeen {
    fn name(&self) -> &'static str {
        "DateSeen"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context
            .response()
            .headers()
            .get("date")
            .and_then(|d| jiff::fmt::rfc2822::parse(d).ok());
        *self.0.lock() = date.map(|z| z.timestamp());
        Ok(())
    }
}
