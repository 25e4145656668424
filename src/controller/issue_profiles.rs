//! Obtains the credentials of many profiles and publishes them together. A profile that fails keeps
//! what it had.

use super::attempt::{Attempt, in_time, warn};
use super::inputs::ClusterInputs;
use super::outcome::Outcome;
use super::pending::Written;
use super::profile_batch::{self, ProfileBatch};
use super::profile_failures::{finding, first_failure};
use super::publication::Publication;
use super::publish::Place;
use super::published::published;
use super::target::Target;
use super::{CallError, issuer_time, publish};
use refreshable_api::{ProfileSpec, StsSpec};
use refreshable_engine::Admission;
use refreshable_issuers::aws::Sts;
use refreshable_issuers::source;
use refreshable_rules::failure::Failure;
use refreshable_rules::inputs::UsedInputs;
use refreshable_rules::issuer::{IssueError, Issued};
use refreshable_rules::plan::Cause;
use refreshable_rules::profiles;
use std::collections::BTreeMap;

/// All profiles together may take so many times as long as one chain.
const TIMES: u32 = 5;

/// Obtains the profiles that are asked for, and publishes them with those that stay.
pub(super) async fn issue(
    attempt: Attempt<'_>,
    target: Target,
    admission: &Admission,
) -> Result<Outcome, CallError> {
    let Attempt { observation, context, .. } = attempt;
    let (object, uid) = (attempt.object(), observation.uid());
    let (inputs, sts) = (attempt.inputs(), attempt.sts());
    let wanted = wanted(attempt).await?;
    let call = attempt.begin(admission);
    let outcomes = obtain(attempt, &inputs, &sts, &wanted).await;
    call.ended(match &outcomes {
        Err(error) => Some(error),
        Ok(list) => list.iter().find_map(|(_, result)| result.as_ref().err()),
    });
    let failure_of =
        |error: IssueError| error.failure_of(object).after_reading(inputs.attempted(uid));
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(error) => return Ok(attempt.record_failure(&failure_of(error))),
    };
    let outcomes: BTreeMap<String, Result<Issued, Failure>> =
        outcomes.into_iter().map(|(name, result)| (name, result.map_err(failure_of))).collect();
    let failed: BTreeMap<String, Failure> =
        outcomes.iter().filter_map(|(n, r)| Some((n.clone(), r.as_ref().err()?.clone()))).collect();
    let Some(first) = outcomes.values().find_map(|o| o.as_ref().ok()).cloned() else {
        return Ok(nothing_new(attempt, &failed));
    };
    let mut used = kept_inputs(attempt);
    used.extend(inputs.used(uid));
    let place = Place::of(context, object, target.uid.is_some());
    let batch = ProfileBatch {
        object: object.clone(),
        content: observation.content().cloned(),
        first,
        outcomes,
        inputs: used.clone(),
        sts: sts.1,
        target,
        clock: context.clock.clone(),
        ahead: issuer_time::ahead(),
    };
    let publication = Publication::batch(place, batch);
    attempt.publish(publication, Written::new(attempt, used, failed)).await
}

/// Inputs of the profiles that stay as they are: other data in one of them is a change still.
fn kept_inputs(attempt: Attempt<'_>) -> UsedInputs {
    let content = attempt.observation.content().filter(|_| attempt.cause == Cause::Incomplete);
    let mut kept = content.map(|c| c.inputs.clone()).unwrap_or_default();
    let named = source::names_of_inputs(&attempt.object().spec);
    kept.retain(|name, _| named.contains(name));
    kept
}

/// Those that lack credentials or cannot keep them, where only they are asked for; else all.
async fn wanted(attempt: Attempt<'_>) -> Result<Vec<&ProfileSpec>, CallError> {
    let (object, context) = (attempt.object(), attempt.context);
    let all = object.spec.profiles.iter().flatten();
    let content = attempt.observation.content().filter(|_| attempt.cause == Cause::Incomplete);
    let Some(content) = content else {
        return Ok(all.collect());
    };
    let lacking = profiles::lacking(object, content);
    // Of a Secret that was altered or is gone nothing can be kept: all are obtained.
    let old = publish::read_data(context, object).await?;
    let published = old.as_ref().and_then(|secret| Some((published(object, secret)?, secret)));
    let now = context.now();
    let stays = |p: &ProfileSpec| {
        published.as_ref().is_some_and(|(content, secret)| {
            profile_batch::kept(object, content, secret, p, now).is_some()
        })
    };
    Ok(all.filter(|p| lacking.contains(&p.name) || !stays(p)).collect())
}

async fn obtain(
    attempt: Attempt<'_>,
    inputs: &ClusterInputs<'_>,
    (sts_spec, sts): &(StsSpec, Sts),
    wanted: &[&ProfileSpec],
) -> Result<Vec<source::Outcome>, IssueError> {
    let (object, context) = (attempt.object(), attempt.context);
    let sts_spec = source::trusting(sts_spec, inputs).await?;
    let request = attempt.request(inputs, &sts_spec, sts)?;
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
fn nothing_new(attempt: Attempt<'_>, failed: &BTreeMap<String, Failure>) -> Outcome {
    let Attempt { observation, cause, context } = attempt;
    let object = attempt.object();
    let failure = first_failure(object, failed).unwrap_or_else(|| nothing().failure());
    let published = observation.secret.own().filter(|r| r.content.is_some());
    let Some(record) = published.filter(|_| cause == Cause::Incomplete) else {
        return attempt.record_failure(&failure);
    };
    warn(object, &failure);
    context.memory.ledger.failed(observation.uid());
    Outcome::published(object, record, finding(object, record, failed, context.now()))
}

fn nothing() -> IssueError {
    IssueError::Specification {
        field: "spec.profiles".to_owned(),
        what: "there is none".to_owned(),
    }
}
