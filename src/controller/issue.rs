//! Obtains credentials and publishes them.

use super::attempt::{self, in_time, request, sts_of};
use super::inputs::ClusterInputs;
use super::next::Next;
use super::outcome::{fail, publish};
use super::pending::Written;
use super::publication::Publication;
use super::publish::Place;
use super::sight::Sight;
use super::{CallError, Context, claim, issue_profiles, issuer_time, status, target};
use kube::ResourceExt as _;
use refreshable_api::{RefreshableCredential, StsSpec};
use refreshable_issuers::aws::Sts;
use refreshable_issuers::source::{self, Bought};
use refreshable_rules::fingerprint;
use refreshable_rules::issuer::{IssueError, Issued};
use refreshable_rules::ownership::Content;
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::render;
use refreshable_rules::report::Finding;
use std::collections::BTreeMap;

/// Obtains and publishes, or records why not. Without an admission, waits for one.
pub(super) async fn issue(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Cause,
    context: &Context,
) -> Result<Next, CallError> {
    let Some(admission) = &sight.admission else {
        return claim::wait(object, sight, cause, context).await;
    };
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
    if object.spec.profiles.is_some() {
        return issue_profiles::issue(object, sight, cause, (target, admission), context).await;
    }
    let namespace = object.namespace().unwrap_or_default();
    let inputs = ClusterInputs::new(context, &namespace, &sight.at_hand);
    attempt::begins(object, sight, cause, context);
    let sts = sts_of(object, &sight.grants, context);
    let call = attempt::Call::begin(admission, context);
    let result = obtain(object, &namespace, &sts, (&inputs, sight, cause), context).await;
    call.ended(result.as_ref().err());
    context.metrics.attempted(&namespace, cause, result.as_ref().err());
    match result {
        Ok(Obtained::Nothing(until)) => rest(object, &uid, sight, until, context).await,
        Ok(Obtained::New(issued, bought)) => {
            let issued = match &bought {
                Some(bought) => bought.instead_of(*issued),
                None => *issued,
            };
            let region = source::region(&object.spec, &sts.1);
            let files = match &bought {
                Some(bought) => bought.files.clone(),
                None => render::files(&object.spec.secret(), &region, &issued),
            };
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
            let publication = Publication::whole(place, manifest, &issued.session.key)
                .protecting(bought.as_ref().map_or(&[], |b| &b.secrets));
            drop((issued, files, bought));
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
    // A token may end before the session that bought it.
    let whole = object.spec.token.is_none() || content.expiration >= issued.lifetime.expiration;
    let asked = content.request == fingerprint::of_request(&object.spec);
    (same && whole && asked).then_some(content)
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

/// Result of an attempt.
enum Obtained {
    /// Nothing newer than what is published, which is valid until then.
    Nothing(jiff::Timestamp),
    /// A session, and what it bought where a token is asked for.
    New(Box<Issued>, Option<Bought>),
}

async fn obtain(
    object: &RefreshableCredential,
    namespace: &str,
    (sts_spec, sts): &(StsSpec, Sts),
    (inputs, sight, cause): (&ClusterInputs<'_>, &Sight, Cause),
    context: &Context,
) -> Result<Obtained, IssueError> {
    let sts_spec = source::trusting(sts_spec, inputs).await?;
    let request = request(object, namespace, (&sts_spec, sts), inputs, &sight.grants, context)?;
    let source = object.spec.source();
    let work = async {
        let mut issued = source::issue(&source, object.spec.principal.as_ref(), &request).await?;
        context.learn_clock(object, request.now, issued.lifetime.issued_at);
        if let Some(content) = unchanged(object, sight, &issued) {
            issued.lifetime.issued_at = content.issued_at;
            if cause == Cause::Due {
                return Ok(Obtained::Nothing(content.expiration));
            }
        }
        let bought = match &object.spec.token {
            Some(token) => {
                Some(source::buy(token, &object.secret_name(), &issued, &request).await?)
            }
            None => None,
        };
        Ok(Obtained::New(Box::new(issued), bought))
    };
    in_time(context.settings.issue_timeout, work).await
}
