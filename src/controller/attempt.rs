//! An attempt at the issuer of a resource, of one session or of many profiles: what it asks with, and
//! how its end is recorded.

use super::context::SLOW_AFTER;
use super::events::Announcement;
use super::inputs::ClusterInputs;
use super::next::{Next, first};
use super::observation::Observation;
use super::outcome::Outcome;
use super::pending::{Progress, Written};
use super::profile_failures::{finding, first_failure};
use super::publication::Publication;
use super::publish::{self, PublishError};
use super::{CallError, Context, refusal};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use refreshable_api::conditions::Reason;
use refreshable_api::{RefreshableCredential, StsSpec};
use refreshable_engine::{Admission, Pressure};
use refreshable_issuers::aws::Sts;
use refreshable_issuers::source::{self, Request};
use refreshable_rules::failure::Failure;
use refreshable_rules::fingerprint;
use refreshable_rules::inputs::UsedInputs;
use refreshable_rules::issuer::IssueError;
use refreshable_rules::ownership;
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::report::{self, Finding};
use refreshable_rules::retry::Class;
use refreshable_rules::session_name::default_session_name;
use refreshable_rules::session_tags;
use std::time::Duration;

/// While credentials that could not be written are kept, their write is looked at so often.
const WRITING: SignedDuration = SignedDuration::from_secs(1);

/// An attempt at the issuer of the observed resource.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) observation: &'a Observation,
    pub(super) cause: Cause,
    pub(super) context: &'a Context,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(observation: &'a Observation, cause: Cause, context: &'a Context) -> Self {
        Self { observation, cause, context }
    }

    /// The resource.
    pub(super) fn object(self) -> &'a RefreshableCredential {
        &self.observation.object
    }

    /// Its inputs, each of which is read once.
    pub(super) fn inputs(self) -> ClusterInputs<'a> {
        ClusterInputs::new(self.context, self.observation.namespace(), &self.observation.at_hand)
    }

    /// How it reaches STS, and STS as far as its grants let it, in the Region of its source.
    pub(super) fn sts(self) -> (StsSpec, Sts) {
        let spec = self.object().spec.sts.clone().unwrap_or_default();
        let reach = spec.endpoint.as_ref().map(|url| self.observation.grants.reach(url));
        let sts = source::at_source(&self.object().spec, &self.context.sts);
        (spec, sts.reaching(reach.unwrap_or_default()))
    }

    /// The request to its source.
    pub(super) fn request<'r>(
        self,
        inputs: &'r ClusterInputs<'_>,
        sts_spec: &'r StsSpec,
        sts: &'r Sts,
    ) -> Result<Request<'r>, IssueError>
    where
        'a: 'r,
    {
        let Self { observation, context, .. } = self;
        let (object, namespace) = (self.object(), observation.namespace());
        let cluster = context.source_context.cluster_name.as_deref();
        let session_tags = session_tags::resolve(&observation.grants.session_tags, object, cluster)
            .map_err(|what| IssueError::Specification {
                field: "sessionTags".to_owned(),
                what: what.to_owned(),
            })?;
        Ok(Request {
            namespace,
            session_name: default_session_name(namespace, &object.name_any()),
            roles: &object.spec.roles,
            session_tags,
            grants: &observation.grants,
            sts_spec,
            sts,
            inputs,
            totp: &context.totp,
            now: context.now(),
            ambient: context.ambient.clone(),
            source_context: &context.source_context,
        })
    }

    /// The issuer is about to be asked. It is remembered before: an attempt that never comes to its
    /// end has failed.
    pub(super) fn begin(self, admission: &'a Admission) -> Call<'a> {
        let failure = Failure {
            class: Class::Transient,
            reason: Reason::IssuerUnavailable,
            code: None,
            request_id: None,
            message: "the last attempt did not come to its end; it is repeated".to_owned(),
            inputs: UsedInputs::new(),
        };
        let attempted = plan::attempt(self.object(), self.cause);
        let (record, now) = (self.observation.secret.own(), self.context.now());
        let found = report::failing(self.object(), &failure, attempted, record, now);
        if let Finding::Failing(recorded) = found {
            self.context.memory.ledger.began(self.observation.uid(), recorded);
        }
        admission.called();
        Call { attempt: self, admission, began: self.context.clock.boot() }
    }

    /// Writes what was obtained. Where that fails for now, the write goes on by itself, for as long
    /// as the credentials are kept, and this attempt ends.
    pub(super) async fn publish(
        self,
        publication: Publication,
        about: Written,
    ) -> Result<Outcome, CallError> {
        match publication.once().await {
            Err(error) if error.may_succeed_later() => {
                let failure = refusal::postponed(self.object(), &error, about.until);
                let failure = failure.after_reading(about.inputs.clone());
                self.context.memory.writes.start(self.observation.uid(), publication, about);
                let next = Next::At(self.context.now() + WRITING);
                Ok(self.record_failure(&failure).then(next))
            }
            written => self.record_write(written, about).await,
        }
    }

    async fn record_write(
        self,
        written: Result<ObjectMeta, PublishError>,
        about: Written,
    ) -> Result<Outcome, CallError> {
        let error = match written {
            Ok(meta) => return self.record_success(meta, about).await,
            Err(PublishError::NamespaceGone) => {
                self.context.memory.ledger.failed(self.observation.uid());
                return Ok(Outcome::silent(Next::Change));
            }
            Err(error) => error,
        };
        let now = self.context.now();
        if matches!(error, PublishError::Call(_)) {
            // The write may have arrived all the same: the next look reads what is there.
            self.context.memory.write_outcome_unknown(self.observation.uid(), now);
        }
        let failure = refusal::of(self.object(), &error).after_reading(about.inputs);
        // Its end may be learned long after it, where the lease had lapsed: the pause before the
        // next attempt has passed meanwhile.
        Ok(self.record_failure_at(&failure, now.min(about.until)))
    }

    /// Records what was published as a Secret with this metadata.
    async fn record_success(self, meta: ObjectMeta, about: Written) -> Result<Outcome, CallError> {
        let Self { observation, cause, context } = self;
        let (object, now) = (self.object(), context.now());
        context.memory.ledger.published(observation.uid(), now);
        let view = ownership::view(&meta, observation.uid());
        context.memory.secret_written(observation.uid(), meta, now);
        observation.read_by_attempt(&about.inputs, context);
        let Some(record) = view.own() else {
            return Ok(Outcome::silent(Next::Change));
        };
        publish::prune(context, object).await?;
        // One that is written over keeps its UID.
        if observation.secret.own().is_some_and(|before| before.uid != record.uid) {
            let (name, kind) = (&record.name, object.spec.secret_type());
            let note = format!(
                "Secret {name} was deleted and made anew with type {kind}: the type of a Secret cannot be changed"
            );
            tracing::info!(uid = observation.uid(), "{note}");
            let replaced = Announcement::good(object, Reason::SecretReplaced, note);
            context.event_publisher.announce(replaced);
        }
        let content = record.content.as_ref();
        tracing::info!(
            namespace = observation.namespace(),
            name = object.name_any(),
            cause = cause.as_str(),
            principal = content.and_then(|c| c.principal.arn.as_deref()).unwrap_or_default(),
            next = content.map(|c| plan::refresh_at(object, c).to_string()),
            "credentials published"
        );
        if let Some(failure) = first_failure(object, &about.failed) {
            warn(object, &failure);
        }
        context.metrics.rotated(cause);
        if let (Some(before), Cause::Due) = (observation.content(), cause) {
            let due = plan::due_at(object, before, observation.not_before);
            context.metrics.late_by(now.duration_since(due));
        }
        let finding = finding(object, record, &about.failed, context.now());
        Ok(Outcome::published(object, record, finding))
    }

    /// Records that it failed now. What is published stays as it is.
    pub(super) fn record_failure(self, failure: &Failure) -> Outcome {
        self.record_failure_at(failure, self.context.now())
    }

    fn record_failure_at(self, failure: &Failure, failed_at: Timestamp) -> Outcome {
        let (observation, record) = (self.observation, self.observation.secret.own());
        self.context.memory.ledger.failed(observation.uid());
        observation.read_by_attempt(&failure.inputs, self.context);
        let attempt = plan::attempt(self.object(), self.cause);
        let attempted = match failure.class {
            Class::Secret => plan::at_secret(&attempt, record),
            _ => attempt,
        };
        warn(self.object(), failure);
        let finding = report::failing(self.object(), failure, attempted, record, failed_at);
        let next = match &finding {
            Finding::Failing(recorded) => {
                Next::At(first(recorded.next_try(), observation.expiration(), self.context.now()))
            }
            _ => Next::Change,
        };
        Outcome::told(finding, record, next)
    }
}

/// The outcome of a write that went on after its attempt; `None` where there is none.
pub(super) async fn written(
    observation: &Observation,
    context: &Context,
) -> Result<Option<Outcome>, CallError> {
    let uid = observation.uid();
    match context.memory.writes.progress(uid).await {
        Progress::None => Ok(None),
        // The resource asks for something else by now.
        Progress::Running(about)
            if about.request != fingerprint::of_request(&observation.object.spec) =>
        {
            context.memory.give_up_write(uid, context.now());
            Ok(None)
        }
        Progress::Running(_) => Ok(Some(Outcome::silent(Next::At(context.now() + WRITING)))),
        Progress::Ended(result, about) => {
            let attempt = Attempt::new(observation, about.cause, context);
            attempt.record_write(*result, about).await.map(Some)
        }
    }
}

/// Logs a failure.
pub(super) fn warn(object: &RefreshableCredential, failure: &Failure) {
    tracing::warn!(
        namespace = object.namespace().unwrap_or_default(),
        name = object.name_any(),
        class = failure.class.as_str(),
        reason = failure.reason.as_str(),
        code = failure.code,
        request_id = failure.request_id,
        "{}",
        failure.message
    );
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

/// The calls of one attempt, as the engine and the metrics hear of them.
pub(super) struct Call<'a> {
    attempt: Attempt<'a>,
    admission: &'a Admission,
    began: Duration,
}

impl Call<'_> {
    /// The issuer has answered, or not.
    pub(super) fn ended(self, error: Option<&IssueError>) {
        let Attempt { observation, cause, context } = self.attempt;
        let took = context.clock.boot().saturating_sub(self.began);
        self.admission.saw(match error {
            // One that is faster to show that it cannot be reached refuses.
            Some(IssueError::Unreachable { .. }) if took >= SLOW_AFTER => Pressure::TimedOut,
            Some(error) if error.class() == Class::Throttled => Pressure::Throttled,
            _ => Pressure::Answered,
        });
        context.metrics.attempted(observation.namespace(), cause, error);
    }
}
