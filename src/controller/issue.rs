//! Obtains credentials and publishes them.

use super::attempt::{self, in_time, request, sts_of};
use super::inputs::ClusterInputs;
use super::next::{Next, first};
use super::outcome::{fail, publish};
use super::pending::Written;
use super::publication::Publication;
use super::publish::Place;
use super::sight::Sight;
use super::{CallError, Context, issue_profiles, issuer_time, status, target};
use kube::ResourceExt as _;
use refreshable_api::{RefreshableCredential, StsSpec};
use refreshable_issuers::aws::Sts;
use refreshable_issuers::source;
use refreshable_rules::budget;
use refreshable_rules::fingerprint;
use refreshable_rules::issuer::{IssueError, Issued};
use refreshable_rules::ownership::Content;
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::policy::Grants;
use refreshable_rules::render;
use refreshable_rules::report::Finding;
use std::collections::BTreeMap;

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
    let target = match target::find(object, sight, context).await? {
        Ok(target) => target,
        Err(failure) => return fail(object, sight, cause, &failure, context).await,
    };
    if let Err(failure) = target::rehearse(object, &target, context).await? {
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
    attempt::begins(object, sight, cause, context);
    let sts = sts_of(object, &sight.grants, context);
    let result = obtain(object, &namespace, &sts, (&inputs, &sight.grants), context).await;
    context.metrics.attempted(cause, result.as_ref().err());
    match result {
        Ok(mut issued) => {
            if let Some(content) = unchanged(object, sight, &issued) {
                issued.lifetime.issued_at = content.issued_at;
                if cause == Cause::Due {
                    return rest(object, &uid, sight, content.expiration, context).await;
                }
            }
            let files = render::files(
                &object.spec.secret(),
                &source::region(&object.spec, &sts.1),
                &issued,
            );
            let used = inputs.used(&uid);
            let manifest = render::manifest(
                object,
                &issued,
                &BTreeMap::new(),
                &used,
                &files,
                target.existing(),
            );
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

/// What is published, if the source gave the same session again: metadata services do until shortly
/// before its end, and a Secret that something else rotates until then.
fn unchanged<'a>(
    object: &RefreshableCredential,
    sight: &'a Sight,
    issued: &Issued,
) -> Option<&'a Content> {
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

/// Asks for a turn at the issuer.
fn turn(
    object: &RefreshableCredential,
    uid: &str,
    context: &Context,
) -> Result<(), jiff::Timestamp> {
    let source = object.spec.source();
    let Some(source) = source::of(&source) else { return Ok(()) };
    let behind = object.spec.profiles.iter().flatten().map(|p| p.roles.len()).sum::<usize>();
    let roles = u32::try_from(object.spec.roles.len() + behind).unwrap_or(u32::MAX);
    let sts = object.spec.sts.clone().unwrap_or_default();
    let region = source::at_source(&object.spec, &context.sts)
        .region(&sts, object.spec.roles.first().map(|r| r.role_arn.as_str()));
    let lane = format!(
        "{}/{}",
        source.rate_limit_key(&object.namespace().unwrap_or_default()),
        sts.endpoint.as_deref().unwrap_or(&region)
    );
    let weight = budget::weight(context.settings.calls_per_second, source.issuer_rate_limit());
    let calls = source.calls().saturating_mul(weight).saturating_add(roles);
    context
        .rate_limiter
        .take(&lane, uid, calls, context.clock.boot())
        .map_err(|wait| context.now() + wait)
}

async fn obtain(
    object: &RefreshableCredential,
    namespace: &str,
    (sts_spec, sts): &(StsSpec, Sts),
    (inputs, grants): (&ClusterInputs<'_>, &Grants),
    context: &Context,
) -> Result<Issued, IssueError> {
    let sts_spec = source::trusting(sts_spec, inputs).await?;
    let request = request(object, namespace, (&sts_spec, sts), inputs, grants, context)?;
    let source = object.spec.source();
    let work = source::issue(&source, object.spec.principal.as_ref(), &request);
    let issued = in_time(context.settings.issue_timeout, work).await?;
    context.learn_clock(object, request.now, issued.lifetime.issued_at);
    Ok(issued)
}
