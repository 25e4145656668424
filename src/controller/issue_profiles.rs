//! Obtains the credentials of many profiles and publishes them together. A profile that fails keeps
//! what it had.

use super::attempt::{self, in_time, request, sts_of};
use super::inputs::ClusterInputs;
use super::next::Next;
use super::outcome::{self, fail, finding, first_failure};
use super::pending::Written;
use super::profile_batch::{self, ProfileBatch};
use super::publication::Publication;
use super::publish::Place;
use super::published::published;
use super::sight::Sight;
use super::target::Target;
use super::{CallError, Context, issuer_time, publish, status};
use kube::ResourceExt as _;
use refreshable_api::{ProfileSpec, RefreshableCredential, StsSpec};
use refreshable_engine::Admission;
use refreshable_issuers::aws::Sts;
use refreshable_issuers::source;
use refreshable_rules::failure::Failure;
use refreshable_rules::inputs::UsedInputs;
use refreshable_rules::issuer::{IssueError, Issued};
use refreshable_rules::ownership::Content;
use refreshable_rules::plan::Cause;
use refreshable_rules::policy::Grants;
use refreshable_rules::profiles;
use std::collections::BTreeMap;

/// All profiles together may take so many times as long as one chain.
const TIMES: u32 = 5;

/// Obtains the profiles that `cause` asks for, and publishes them with those that stay.
pub(super) async fn issue(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Cause,
    (target, admission): (Target, &Admission),
    context: &Context,
) -> Result<Next, CallError> {
    let namespace = object.namespace().unwrap_or_default();
    let uid = object.uid().unwrap_or_default();
    let inputs = ClusterInputs::new(context, &namespace, &sight.at_hand);
    let content = sight.secret.own().and_then(|r| r.content.as_ref());
    let wanted = wanted(object, content, cause, context).await?;
    attempt::begins(object, sight, cause, context);
    let sts = sts_of(object, &sight.grants, context);
    let call = attempt::Call::begin(admission, context);
    let outcomes =
        obtain(object, &namespace, &sts, (&inputs, &sight.grants), &wanted, context).await;
    let first_error = match &outcomes {
        Err(error) => Some(error),
        Ok(list) => list.iter().find_map(|(_, result)| result.as_ref().err()),
    };
    call.ended(first_error);
    context.metrics.attempted(&namespace, cause, first_error);
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(error) => {
            let failure = error.failure_of(object).after_reading(inputs.attempted(&uid));
            return fail(object, sight, cause, &failure, context).await;
        }
    };
    let outcomes: BTreeMap<String, Result<Issued, Failure>> = outcomes
        .into_iter()
        .map(|(name, result)| {
            (name, result.map_err(|e| e.failure_of(object).after_reading(inputs.attempted(&uid))))
        })
        .collect();
    let failed: BTreeMap<String, Failure> =
        outcomes.iter().filter_map(|(n, r)| Some((n.clone(), r.as_ref().err()?.clone()))).collect();
    let Some(first) = outcomes.values().find_map(|o| o.as_ref().ok()).cloned() else {
        return nothing_new(object, sight, cause, &failed, context).await;
    };
    let mut used = kept_inputs(object, sight, cause);
    used.extend(inputs.used(&uid));
    let batch = ProfileBatch {
        object: object.clone(),
        content: content.cloned(),
        first,
        outcomes,
        inputs: used.clone(),
        sts: sts.1,
        target: target.clone(),
        clock: context.clock.clone(),
        ahead: issuer_time::ahead(),
    };
    let publication = Publication::batch(Place::of(context, object, target.uid.is_some()), batch);
    let about = Written::of(object, cause, used, failed, context.now());
    outcome::publish(object, sight, publication, about, context).await
}

/// Inputs of the profiles that stay as they are: other data in one of them is a change still.
fn kept_inputs(object: &RefreshableCredential, sight: &Sight, cause: Cause) -> UsedInputs {
    let content =
        sight.secret.own().and_then(|r| r.content.as_ref()).filter(|_| cause == Cause::Incomplete);
    let mut kept = content.map(|c| c.inputs.clone()).unwrap_or_default();
    let named = source::names_of_inputs(&object.spec);
    kept.retain(|name, _| named.contains(name));
    kept
}

/// Those that lack credentials or cannot keep them, where only they are asked for; else all.
async fn wanted<'a>(
    object: &'a RefreshableCredential,
    content: Option<&Content>,
    cause: Cause,
    context: &Context,
) -> Result<Vec<&'a ProfileSpec>, CallError> {
    let all = object.spec.profiles.iter().flatten();
    let Some(content) = content.filter(|_| cause == Cause::Incomplete) else {
        return Ok(all.collect());
    };
    let lacking = profiles::lacking(object, content);
    // Of a Secret that was altered or is gone nothing can be kept: all are obtained.
    let old = publish::read_data(context, object).await?;
    let published = old.as_ref().and_then(|secret| Some((published(object, secret)?, secret)));
    let now = context.now();
    let stays = |p: &ProfileSpec| {
        let kept = |(content, secret): &(Content, &_)| {
            profile_batch::kept(object, content, secret, p, now).is_some()
        };
        published.as_ref().is_some_and(kept)
    };
    Ok(all.filter(|p| lacking.contains(&p.name) || !stays(p)).collect())
}

async fn obtain(
    object: &RefreshableCredential,
    namespace: &str,
    (sts_spec, sts): &(StsSpec, Sts),
    (inputs, grants): (&ClusterInputs<'_>, &Grants),
    wanted: &[&ProfileSpec],
    context: &Context,
) -> Result<Vec<source::Outcome>, IssueError> {
    let sts_spec = source::trusting(sts_spec, inputs).await?;
    let request = request(object, namespace, (&sts_spec, sts), inputs, grants, context)?;
    let source = object.spec.source();
    let work = source::issue_profiles(&source, object.spec.principal.as_ref(), wanted, &request);
    let outcomes = in_time(context.settings.issue_timeout * TIMES, work).await?;
    if let Some(issued) = outcomes.iter().find_map(|(_, outcome)| outcome.as_ref().ok()) {
        context.learn_clock(object, request.now, issued.lifetime.issued_at);
    }
    Ok(outcomes)
}

/// None of the profiles that were asked for could be had: nothing is written. Where others are
/// published, the status goes on telling of each.
async fn nothing_new(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Cause,
    failed: &BTreeMap<String, Failure>,
    context: &Context,
) -> Result<Next, CallError> {
    let failure = first_failure(object, failed).unwrap_or_else(|| nothing().failure());
    let Some(record) =
        sight.secret.own().filter(|r| cause == Cause::Incomplete && r.content.is_some())
    else {
        return fail(object, sight, cause, &failure, context).await;
    };
    outcome::warn(object, &failure);
    let finding = finding(object, record, failed, context);
    context.memory.attempt_ended(&object.uid().unwrap_or_default());
    status::report(context, object, &sight.permission, Some(record), &finding).await?;
    Ok(outcome::next_of(object, record, &finding))
}

fn nothing() -> IssueError {
    IssueError::Specification {
        field: "spec.profiles".to_owned(),
        what: "there is none".to_owned(),
    }
}
