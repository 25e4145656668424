//! Obtains credentials and publishes them.

use super::inputs::ClusterInputs;
use super::next::{Next, first};
use super::pending::{Progress, Written};
use super::publication::Publication;
use super::publish::{self, Place, PublishError};
use super::sight::Sight;
use super::{CallError, Context, issue_profiles, issuer_time, refusal, status};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use refreshable_api::conditions::Reason;
use refreshable_api::{ObjectName, RefreshableCredential, StsSpec};
use refreshable_issuers::aws::Sts;
use refreshable_issuers::source::{self, Request};
use refreshable_rules::budget;
use refreshable_rules::failure::Failure;
use refreshable_rules::fingerprint;
use refreshable_rules::inputs::UsedInputs;
use refreshable_rules::issuer::{IssueError, Issued};
use refreshable_rules::ownership::{self, Content, Record, SecretView};
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::policy::Terms;
use refreshable_rules::render::{self, Existing};
use refreshable_rules::report::{self, Finding};
use refreshable_rules::retry::Class;
use refreshable_rules::session_name::default_session_name;
use refreshable_rules::session_tags;
use std::collections::BTreeMap;
use std::time::Duration;

/// While credentials that could not be written are kept, their write is looked at so often.
const WRITING: SignedDuration = SignedDuration::from_secs(1);

/// Obtains and publishes, or records why not.
pub(super) async fn issue(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Cause,
    context: &Context,
) -> Result<Next, CallError> {
    // Without the lease nothing can be published, so the issuer is not asked either.
    context.calls.fence().check()?;
    let uid = object.uid().unwrap_or_default();
    let target = match target(object, sight, context).await? {
        Ok(target) => target,
        Err(failure) => return fail(object, sight, cause, &failure, context).await,
    };
    if let Err(failure) = rehearse(object, &target, context).await? {
        return fail(object, sight, cause, &failure, context).await;
    }
    if let Err(turn) = turn(object, &uid, context) {
        return Ok(Next::At(first(turn, sight.expiration(), context.now())));
    }
    if object.spec.profiles.is_some() {
        return issue_profiles::issue(object, sight, cause, target, context).await;
    }
    let namespace = object.namespace().unwrap_or_default();
    let inputs = ClusterInputs::new(context, &namespace, &sight.at_hand);
    attempt_begins(object, sight, cause, context);
    let sts = sts_of(object, &sight.terms, context);
    let result = obtain(object, &namespace, &sts, (&inputs, &sight.terms), context).await;
    context.metrics.attempted(cause, result.as_ref().err());
    match result {
        Ok(mut issued) => {
            if let Some(content) = unchanged(object, sight, &issued) {
                issued.lifetime.issued_at = content.issued_at;
                if cause == Cause::Due {
                    return rest(object, &uid, sight, content.expiration, context).await;
                }
            }
            let files = render::files(&object.spec.secret(), &source::region(&object.spec, &sts.1), &issued);
            let used = inputs.used(&uid);
            let manifest = render::manifest(object, &issued, &BTreeMap::new(), &used, &files, target.existing());
            let manifest = manifest.annotated(issuer_time::annotation(issuer_time::ahead()));
            let place = Place::of(context, object, target.uid.is_some());
            let publication = Publication::whole(place, manifest, &issued.session.key);
            drop((issued, files));
            let about = Written::of(object, cause, used, BTreeMap::new(), context.now());
            publish(object, sight, publication, about, context).await
        }
        Err(error) => {
            let failure = error.failure_of(object).after_reading(inputs.attempted(&uid));
            fail(object, sight, cause, &failure, context).await
        }
    }
}

/// Remembers that the issuer is about to be asked: an attempt that never comes to its end has failed.
pub(super) fn attempt_begins(object: &RefreshableCredential, sight: &Sight, cause: Cause, context: &Context) {
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

/// What is published, if the source gave the same session again: metadata services do until shortly before its
/// end, and a Secret that something else rotates until then.
fn unchanged<'a>(object: &RefreshableCredential, sight: &'a Sight, issued: &Issued) -> Option<&'a Content> {
    let content = sight.secret.own()?.content.as_ref()?;
    let same = content.key_id.as_deref() == Some(issued.session.key.id.as_str());
    (same && content.request == fingerprint::of_request(&object.spec)).then_some(content)
}

/// Leaves what is published as it is, and looks again soon.
async fn rest(
    object: &RefreshableCredential,
    uid: &str,
    sight: &Sight,
    expiration: jiff::Timestamp,
    context: &Context,
) -> Result<Next, CallError> {
    let now = context.now();
    let until = plan::ask_again(expiration, now);
    tracing::debug!(uid, %until, "the source has nothing newer yet");
    context.memory.attempt_ended(uid);
    context.memory.rests(uid, until, now);
    status::report(context, object, &sight.permission, sight.secret.own(), &Finding::Good).await?;
    Ok(Next::At(until))
}

/// The Secret that is written to.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    pub(super) uid: Option<String>,
    adopted: bool,
}

impl Target {
    /// How rendering meets it.
    pub(super) fn existing(&self) -> Existing<'_> {
        Existing { uid: self.uid.as_deref(), adopted: self.adopted }
    }
}

/// Finds the Secret to write to. One that is not known as the resource's own is looked up only where
/// there is reason to think that there is one: it is to be adopted, or the last write was refused.
async fn target(
    object: &RefreshableCredential,
    sight: &Sight,
    context: &Context,
) -> Result<Result<Target, Failure>, CallError> {
    // An object that was stored before the CRD said so may hold any text.
    if let Err(what) = ObjectName::check(&object.secret_name()) {
        let error = IssueError::Specification { field: "spec.secret.name".to_owned(), what };
        return Ok(Err(error.failure_of(object)));
    }
    if let SecretView::Own(record) = &sight.secret {
        return Ok(Ok(Target { uid: Some(record.uid.clone()), adopted: record.adopted }));
    }
    let adopts = object.spec.secret().adopts();
    if !adopts && !was_refused(object) {
        return Ok(Ok(Target::default()));
    }
    let Some(meta) = publish::read(context, object).await? else { return Ok(Ok(Target::default())) };
    Ok(match ownership::view(&meta, &object.uid().unwrap_or_default()) {
        SecretView::Absent => Ok(Target::default()),
        _ if meta.deletion_timestamp.is_some() => Err(refusal::terminating(object)),
        SecretView::Own(record) => Ok(Target { uid: Some(record.uid), adopted: record.adopted }),
        // There can be one controlling owner: such a Secret cannot be taken over.
        SecretView::Foreign(whose) if !adopts || ownership::is_controlled(&meta) => Err(refusal::taken(object, &whose)),
        SecretView::Foreign(_) => Ok(Target { uid: meta.uid, adopted: true }),
    })
}

/// Whether the last attempt failed at the Secret.
fn was_refused(object: &RefreshableCredential) -> bool {
    let failures = object.status.as_ref().and_then(|s| s.failures.as_ref());
    failures.is_some_and(|f| Class::from_label(&f.class) == Class::Secret)
}

/// After a write that the API server refused, asks it whether it would take another, before the issuer is asked.
async fn rehearse(
    object: &RefreshableCredential,
    target: &Target,
    context: &Context,
) -> Result<Result<(), Failure>, CallError> {
    if !was_refused(object) {
        return Ok(Ok(()));
    }
    let sample = render::sample_manifest(object, context.now(), target.existing());
    match Place::of(context, object, target.uid.is_some()).rehearse(&sample).await {
        Ok(()) => Ok(Ok(())),
        Err(PublishError::Call(error)) if refusal::may_pass(&error) => Err(error),
        Err(error) => Ok(Err(refusal::of(object, &error))),
    }
}

/// Asks for a turn at the issuer.
fn turn(object: &RefreshableCredential, uid: &str, context: &Context) -> Result<(), jiff::Timestamp> {
    let source = object.spec.source();
    let Some(source) = source::of(&source) else { return Ok(()) };
    let behind = object.spec.profiles.iter().flatten().map(|p| p.roles.len()).sum::<usize>();
    let roles = u32::try_from(object.spec.roles.len() + behind).unwrap_or(u32::MAX);
    let sts = object.spec.sts.clone().unwrap_or_default();
    let region = source::at_source(&object.spec, &context.sts)
        .region(&sts, object.spec.roles.first().map(|r| r.role_arn.as_str()));
    let lane = format!(
        "{}/{}",
        source.payer(&object.namespace().unwrap_or_default()),
        sts.endpoint.as_deref().unwrap_or(&region)
    );
    let weight = budget::weight(context.settings.calls_per_second, source.granted());
    let calls = source.calls().saturating_mul(weight).saturating_add(roles);
    context.turns.take(&lane, uid, calls, context.clock.boot()).map_err(|wait| context.now() + wait)
}

async fn obtain(
    object: &RefreshableCredential,
    namespace: &str,
    (sts_spec, sts): &(StsSpec, Sts),
    (inputs, terms): (&ClusterInputs<'_>, &Terms),
    context: &Context,
) -> Result<Issued, IssueError> {
    let request = request(object, namespace, (sts_spec, sts), inputs, terms, context)?;
    let source = object.spec.source();
    let work = source::issue(&source, object.spec.principal.as_ref(), &request);
    let issued = in_time(context.settings.issue_timeout, work).await?;
    context.learn_clock(object, request.now, issued.lifetime.issued_at);
    Ok(issued)
}

/// How `object` reaches STS, and STS as far as `terms` let it, in the Region of its source.
pub(super) fn sts_of(object: &RefreshableCredential, terms: &Terms, context: &Context) -> (StsSpec, Sts) {
    let spec = object.spec.sts.clone().unwrap_or_default();
    let reach = spec.endpoint.as_ref().map(|url| terms.reach(url)).unwrap_or_default();
    (spec, source::at_source(&object.spec, &context.sts).reaching(reach))
}

/// What is asked of the sources for `object`.
pub(super) fn request<'a>(
    object: &'a RefreshableCredential,
    namespace: &'a str,
    (sts_spec, sts): (&'a StsSpec, &'a Sts),
    inputs: &'a ClusterInputs<'_>,
    terms: &'a Terms,
    context: &'a Context,
) -> Result<Request<'a>, IssueError> {
    let session_tags = session_tags::resolve(&terms.session_tags, object, context.means.cluster_name.as_deref())
        .map_err(|what| IssueError::Specification { field: "sessionTags".to_owned(), what: what.to_owned() })?;
    Ok(Request {
        namespace,
        session_name: default_session_name(namespace, &object.name_any()),
        roles: &object.spec.roles,
        session_tags,
        terms,
        sts_spec,
        sts,
        inputs,
        totp: &context.totp,
        now: context.now(),
        ambient: context.ambient.clone(),
        means: &context.means,
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

/// Writes what was obtained. Where that fails for now, the write goes on by itself, for as long as the credentials are
/// kept, and this attempt ends.
pub(super) async fn publish(
    object: &RefreshableCredential,
    sight: &Sight,
    publication: Publication,
    about: Written,
    context: &Context,
) -> Result<Next, CallError> {
    let uid = object.uid().unwrap_or_default();
    match publication.once().await {
        Err(error) if error.may_succeed_later() => {
            context.memory.attempt_ended(&uid);
            let (cause, until, inputs) = (about.cause, about.until, about.inputs.clone());
            context.memory.writes.start(&uid, publication, about);
            let failure = refusal::postponed(object, &error, until).after_reading(inputs);
            fail(object, sight, cause, &failure, context).await?;
            Ok(Next::At(context.now() + WRITING))
        }
        result => settle(object, sight, result, about, context).await,
    }
}

/// What becomes of a write that went on after its attempt; `None` where there is none.
pub(super) async fn written(
    object: &RefreshableCredential,
    sight: &Sight,
    context: &Context,
) -> Result<Option<Next>, CallError> {
    let uid = object.uid().unwrap_or_default();
    match context.memory.writes.progress(&uid).await {
        Progress::None => Ok(None),
        // What is written is no longer what is asked for.
        Progress::Running(about) if about.request != fingerprint::of_request(&object.spec) => {
            context.memory.writes.drop_of(&uid);
            Ok(None)
        }
        Progress::Running(_) => Ok(Some(Next::At(context.now() + WRITING))),
        Progress::Ended(result, about) => settle(object, sight, *result, about, context).await.map(Some),
    }
}

/// Takes note of what was published, and reports what is to be said of it.
async fn settle(
    object: &RefreshableCredential,
    sight: &Sight,
    published: Result<ObjectMeta, PublishError>,
    about: Written,
    context: &Context,
) -> Result<Next, CallError> {
    let uid = object.uid().unwrap_or_default();
    let (now, cause) = (context.now(), about.cause);
    context.memory.attempt_ended(&uid);
    let meta = match published {
        Ok(meta) => meta,
        Err(PublishError::NamespaceGone) => return Ok(Next::Change),
        Err(error) => {
            if matches!(error, PublishError::Call(_)) {
                // The write may have arrived all the same: the next look reads what is there.
                context.memory.doubt(&uid, now);
            }
            let failure = refusal::of(object, &error).after_reading(about.inputs);
            return fail(object, sight, cause, &failure, context).await;
        }
    };
    let view = ownership::view(&meta, &uid);
    context.memory.secret_written(&uid, meta, now);
    sight.read_by_attempt(&uid, &about.inputs, context);
    let Some(record) = view.own() else {
        return Ok(Next::Change);
    };
    publish::prune(context, object).await?;
    tracing::info!(
        namespace = object.namespace().unwrap_or_default(),
        name = object.name_any(),
        cause = cause.as_str(),
        principal = record.content.as_ref().and_then(|c| c.principal.arn.as_deref()).unwrap_or_default(),
        next = record.content.as_ref().map(|c| plan::refresh_at(object, c).to_string()),
        "credentials published"
    );
    if let Some(failure) = issue_profiles::first_failure(object, &about.failed) {
        warn(object, &failure);
    }
    context.metrics.rotated(cause);
    if let (Some(content), Cause::Due) = (sight.secret.own().and_then(|r| r.content.as_ref()), cause) {
        context.metrics.late_by(now.duration_since(plan::due_at(object, content, sight.rests_until)));
    }
    let finding = issue_profiles::finding(object, record, &about.failed, context);
    status::report(context, object, &sight.permission, Some(record), &finding).await?;
    Ok(next_of(object, record, &finding))
}

/// When a resource whose Secret is `record` is looked at again.
pub(super) fn next_of(object: &RefreshableCredential, record: &Record, finding: &Finding) -> Next {
    let due = record.content.as_ref().map(|c| plan::refresh_at(object, c));
    let again = match finding {
        Finding::Partial(failure, _) => Some(failure.next_try_time.0),
        _ => None,
    };
    due.into_iter().chain(again).min().map_or(Next::Change, Next::At)
}

/// Records a failed attempt. What is published stays as it is.
pub(super) async fn fail(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Cause,
    failure: &Failure,
    context: &Context,
) -> Result<Next, CallError> {
    let now = context.now();
    context.memory.attempt_ended(&object.uid().unwrap_or_default());
    let attempt = plan::attempt(object, cause);
    sight.read_by_attempt(&object.uid().unwrap_or_default(), &failure.inputs, context);
    let attempted = match failure.class {
        Class::Secret => plan::at_secret(&attempt, sight.secret.own()),
        _ => attempt,
    };
    warn(object, failure);
    let finding = report::failing(object, failure, attempted, sight.secret.own(), now);
    status::report(context, object, &sight.permission, sight.secret.own(), &finding).await?;
    let Finding::Failing(recorded) = &finding else { return Ok(Next::Change) };
    Ok(Next::At(first(recorded.next_try_time.0, sight.expiration(), now)))
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
