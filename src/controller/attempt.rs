//! The steps that every attempt at an issuer shares, of one session or of many profiles.

use super::Context;
use super::context::SLOW_AFTER;
use super::inputs::ClusterInputs;
use super::sight::Sight;
use kube::ResourceExt as _;
use refreshable_api::conditions::Reason;
use refreshable_api::{RefreshableCredential, StsSpec};
use refreshable_engine::{Admission, Pressure};
use refreshable_issuers::aws::Sts;
use refreshable_issuers::source::{self, Request};
use refreshable_rules::failure::Failure;
use refreshable_rules::inputs::UsedInputs;
use refreshable_rules::issuer::IssueError;
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::policy::Grants;
use refreshable_rules::report::{self, Finding};
use refreshable_rules::retry::Class;
use refreshable_rules::session_name::default_session_name;
use refreshable_rules::session_tags;
use std::time::Duration;

/// Remembers that the issuer is about to be asked: an attempt that never comes to its end has
/// failed.
pub(super) fn begins(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Cause,
    context: &Context,
) {
    let failure = Failure {
        class: Class::Transient,
        reason: Reason::IssuerUnavailable,
        code: None,
        request_id: None,
        message: "the last attempt did not come to its end; it is repeated".to_owned(),
        inputs: UsedInputs::new(),
    };
    let attempted = plan::attempt(object, cause);
    let found = report::failing(object, &failure, attempted, sight.secret.own(), context.now());
    if let Finding::Failing(recorded) = found {
        context.memory.attempt_began(&object.uid().unwrap_or_default(), recorded);
    }
}

/// How `object` reaches STS, and STS as far as `terms` let it, in the Region of its source.
pub(super) fn sts_of(
    object: &RefreshableCredential,
    grants: &Grants,
    context: &Context,
) -> (StsSpec, Sts) {
    let spec = object.spec.sts.clone().unwrap_or_default();
    let reach = spec.endpoint.as_ref().map(|url| grants.reach(url)).unwrap_or_default();
    (spec, source::at_source(&object.spec, &context.sts).reaching(reach))
}

/// The request to the sources for `object`.
pub(super) fn request<'a>(
    object: &'a RefreshableCredential,
    namespace: &'a str,
    (sts_spec, sts): (&'a StsSpec, &'a Sts),
    inputs: &'a ClusterInputs<'_>,
    grants: &'a Grants,
    context: &'a Context,
) -> Result<Request<'a>, IssueError> {
    let session_tags = session_tags::resolve(
        &grants.session_tags,
        object,
        context.source_context.cluster_name.as_deref(),
    )
    .map_err(|what| IssueError::Specification {
        field: "sessionTags".to_owned(),
        what: what.to_owned(),
    })?;
    Ok(Request {
        namespace,
        session_name: default_session_name(namespace, &object.name_any()),
        roles: &object.spec.roles,
        session_tags,
        grants,
        sts_spec,
        sts,
        inputs,
        totp: &context.totp,
        now: context.now(),
        ambient: context.ambient.clone(),
        source_context: &context.source_context,
    })
}

/// Ends work that does not end by itself.
pub(super) async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, IssueError>>,
) -> Result<T, IssueError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(IssueError::Unreachable {
            operation: "the whole chain",
            endpoint: "the issuer".to_owned(),
            detail: format!("no end within {limit:?}"),
        })
    })
}

/// The calls of one attempt, as the engine hears of them.
pub(super) struct Call<'a> {
    admission: &'a Admission,
    context: &'a Context,
    began: Duration,
}

impl<'a> Call<'a> {
    /// The issuer is about to be called.
    pub(super) fn begin(admission: &'a Admission, context: &'a Context) -> Self {
        admission.called();
        Self { admission, context, began: context.clock.boot() }
    }

    /// The issuer has answered, or not.
    pub(super) fn ended(self, error: Option<&IssueError>) {
        let took = self.context.clock.boot().saturating_sub(self.began);
        self.admission.saw(match error {
            // One that is faster to show that it cannot be reached refuses.
            Some(IssueError::Unreachable { .. }) if took >= SLOW_AFTER => Pressure::TimedOut,
            Some(error) if error.class() == Class::Throttled => Pressure::Throttled,
            _ => Pressure::Answered,
        });
    }
}
