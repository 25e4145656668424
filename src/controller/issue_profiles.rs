//! Obtains the credentials of many profiles and publishes them together. A profile that fails keeps what it had.

use super::inputs::ClusterInputs;
use super::issue::{Target, fail, in_time, request, settle, sts_of};
use super::next::Next;
use super::sight::Sight;
use super::{CallError, Context, publish};
use crate::api::{ProfileSpec, RefreshableCredential, StsSpec};
use crate::aws::Sts;
use crate::issuer::json::{self, Wire};
use crate::issuer::{IssueError, Issued, Lifetime};
use crate::render::{self, Profile};
use crate::rules::failure::Failure;
use crate::rules::fingerprint;
use crate::rules::ownership::{Content, Record};
use crate::rules::plan::{self, Cause};
use crate::rules::policy::Terms;
use crate::rules::profiles::{self, ProfileRecord};
use crate::rules::report::Finding;
use crate::source;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use std::collections::BTreeMap;

/// All profiles together may take so many times as long as one chain.
const TIMES: u32 = 5;

/// What came of the profiles, fresh or kept.
#[derive(Default)]
struct Batch {
    profiles: Vec<Profile>,
    records: BTreeMap<String, ProfileRecord>,
    failed: BTreeMap<String, Failure>,
}

/// Obtains the profiles that `cause` asks for, and publishes them with those that stay.
pub(super) async fn issue(
    object: &RefreshableCredential,
    sight: &Sight,
    cause: Cause,
    target: &Target,
    context: &Context,
) -> Result<Next, CallError> {
    let namespace = object.namespace().unwrap_or_default();
    let inputs = ClusterInputs::new(&context.calls, &namespace);
    let wanted = wanted(object, sight, cause);
    let sts = sts_of(object, &sight.terms, context);
    let outcomes = obtain(object, &namespace, &sts, (&inputs, &sight.terms), &wanted, context).await;
    let first_error = match &outcomes {
        Err(error) => Some(error),
        Ok(list) => list.iter().find_map(|(_, result)| result.as_ref().err()),
    };
    context.metrics.attempted(cause, first_error);
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(error) => return fail(object, sight, cause, &error.failure_of(object), context).await,
    };
    let batch = gather(object, sight, outcomes, &sts.1, context).await?;
    let Some(lead) = lead(&batch) else {
        let failure = first_failure(object, &batch.failed).unwrap_or_else(|| nothing().failure());
        return fail(object, sight, cause, &failure, context).await;
    };
    let files = render::profile_files(&object.spec.secret(), &source::region(&object.spec, &sts.1), &batch.profiles);
    let manifest = render::manifest(object, &lead, &batch.records, &inputs.versions(), &files, target.existing());
    let published = publish::apply(context, object, &manifest, target.uid.is_some()).await;
    let finding = |record: &Record| finding(object, sight, record, &batch.failed, context);
    settle(object, sight, cause, published, inputs.versions(), finding, context).await
}

/// Those that lack credentials, where only they are asked for; else all.
fn wanted<'a>(object: &'a RefreshableCredential, sight: &Sight, cause: Cause) -> Vec<&'a ProfileSpec> {
    let all = object.spec.profiles.iter().flatten();
    match sight.secret.own().and_then(|r| r.content.as_ref()) {
        Some(content) if cause == Cause::Incomplete => {
            let lacking = profiles::lacking(object, content);
            all.filter(|p| lacking.contains(&p.name)).collect()
        }
        _ => all.collect(),
    }
}

async fn obtain(
    object: &RefreshableCredential,
    namespace: &str,
    (sts_spec, sts): &(StsSpec, Sts),
    (inputs, terms): (&ClusterInputs<'_>, &Terms),
    wanted: &[&ProfileSpec],
    context: &Context,
) -> Result<Vec<source::Outcome>, IssueError> {
    let request = request(object, namespace, (sts_spec, sts), inputs, terms, context)?;
    let source = object.spec.source();
    let work = source::issue_profiles(&source, object.spec.principal.as_ref(), wanted, &request);
    let outcomes = in_time(context.settings.issue_timeout * TIMES, work).await?;
    if let Some(issued) = outcomes.iter().find_map(|(_, outcome)| outcome.as_ref().ok()) {
        context.learn_clock(object, request.now, issued.lifetime.issued_at);
    }
    Ok(outcomes)
}

/// Puts fresh credentials together with those that stay.
async fn gather(
    object: &RefreshableCredential,
    sight: &Sight,
    outcomes: Vec<source::Outcome>,
    sts: &Sts,
    context: &Context,
) -> Result<Batch, CallError> {
    let mut fresh: BTreeMap<String, Result<Issued, IssueError>> = outcomes.into_iter().collect();
    let content = sight.secret.own().and_then(|r| r.content.as_ref());
    let stays = object.spec.profiles.iter().flatten().any(|p| !matches!(fresh.get(&p.name), Some(Ok(_))));
    let old = match content.filter(|c| stays && !c.profiles.is_empty()) {
        Some(content) => publish::read_data(context, object).await?.filter(|s| is_as_published(object, s, content)),
        None => None,
    };
    let mut batch = Batch::default();
    for profile in object.spec.profiles.iter().flatten() {
        let request = fingerprint::of_profile(&object.spec, profile);
        let outcome = fresh.remove(&profile.name);
        let asked = outcome.is_some();
        let (issued, failed) = match outcome {
            Some(Ok(issued)) => (Some(issued), false),
            other => {
                if let Some(Err(error)) = other {
                    batch.failed.insert(profile.name.clone(), error.failure_of(object));
                }
                let record = content.and_then(|c| c.profiles.get(&profile.name)).filter(|r| r.request == request);
                let kept = record.zip(old.as_ref()).and_then(|(r, secret)| kept(&profile.name, r, secret, context));
                (kept, asked || record.is_none_or(|r| r.failed))
            }
        };
        let Some(issued) = issued else { continue };
        let record = ProfileRecord {
            issued_at: issued.lifetime.issued_at,
            expiration: issued.lifetime.expiration,
            request,
            arn: issued.principal.arn.clone(),
            failed,
        };
        batch.records.insert(profile.name.clone(), record);
        let region = source::region_of_profile(&object.spec, profile, sts);
        batch.profiles.push(Profile { name: profile.name.clone(), region, issued });
    }
    Ok(batch)
}

/// Whether the Secret holds what was published: what somebody else put there is not passed on.
fn is_as_published(object: &RefreshableCredential, secret: &Secret, content: &Content) -> bool {
    let keys = object.spec.data_keys();
    let named = |key: &String| keys.contains(key) || content.profiles.keys().any(|p| render::profile_key(p) == *key);
    let data = secret.data.iter().flatten().filter(|(k, _)| named(k)).map(|(k, v)| (k, v.0.as_slice()));
    fingerprint::of_data(data) == content.checksum
}

/// The credentials that a profile has, while they are valid.
fn kept(name: &str, record: &ProfileRecord, secret: &Secret, context: &Context) -> Option<Issued> {
    let text = secret.data.as_ref()?.get(&render::profile_key(name))?;
    let mut issued = json::parse::<Wire>("Keep", &text.0).ok()?.issued("Keep", None, context.now()).ok()?;
    issued.lifetime = Lifetime { issued_at: record.issued_at, expiration: record.expiration };
    issued.principal.arn = record.arn.clone();
    (record.expiration > context.now()).then_some(issued)
}

/// What stands for all of them in the Secret's metadata: the fresh one that ends first, without a name. What was
/// kept has its own pace, that of its failure.
fn lead(batch: &Batch) -> Option<Issued> {
    let fresh = batch.profiles.iter().filter(|p| batch.records.get(&p.name).is_some_and(|r| !r.failed));
    let first = fresh.map(|p| &p.issued).min_by_key(|i| i.lifetime.expiration)?;
    Some(Issued { principal: Default::default(), packed_policy_size: None, ..first.clone() })
}

fn nothing() -> IssueError {
    IssueError::Specification { field: "spec.profiles".to_owned(), what: "there is none".to_owned() }
}

/// One failure that speaks for all.
fn first_failure(object: &RefreshableCredential, failed: &BTreeMap<String, Failure>) -> Option<Failure> {
    let (name, first) = failed.first_key_value()?;
    let all = object.spec.profiles.iter().flatten().count();
    let message = format!("{} of {all} profiles failed; {name}: {}", failed.len(), first.message);
    Some(Failure { message, ..first.clone() })
}

fn finding(
    object: &RefreshableCredential,
    sight: &Sight,
    record: &Record,
    failed: &BTreeMap<String, Failure>,
    context: &Context,
) -> Finding {
    let Some(failure) = first_failure(object, failed) else { return Finding::Good };
    let before = object.status.as_ref().and_then(|s| s.failures.as_ref());
    let attempted = plan::attempt(object, &sight.watched, Cause::Incomplete);
    let now = context.now();
    let expiration = record.content.as_ref().and_then(|c| profiles::first_end(c, now));
    let uid = object.uid().unwrap_or_default();
    let status = failure.record(before, attempted, &uid, now, expiration);
    Finding::Partial(status, failed.iter().map(|(name, f)| (name.clone(), f.message.clone())).collect())
}
