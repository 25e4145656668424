//! Obtains credentials and publishes them.

use super::attempt::{Attempt, in_time};
use super::inputs::ClusterInputs;
use super::next::Next;
use super::observation::Observation;
use super::outcome::Outcome;
use super::pending::Written;
use super::publication::Publication;
use super::publish::Place;
use super::target::{self, Target};
use super::{CallError, claim, issue_profiles, issuer_time};
use jiff::Timestamp;
use refreshable_api::{RefreshableCredential, StsSpec};
use refreshable_engine::Admission;
use refreshable_issuers::aws::Sts;
use refreshable_issuers::source;
use refreshable_issuers::token::{self, Bought};
use refreshable_rules::fingerprint;
use refreshable_rules::issuer::{IssueError, Issued};
use refreshable_rules::ownership::Content;
use refreshable_rules::plan::{self, Cause};
use refreshable_rules::render::{self, Files};
use refreshable_rules::report::Finding;
use refreshable_rules::secret_type;
use refreshable_rules::template;
use secrecy::SecretString;
use std::collections::BTreeMap;

/// Obtains and publishes, or records why not. Without an admission, waits for one.
pub(super) async fn issue(attempt: Attempt<'_>) -> Result<Outcome, CallError> {
    let Attempt { observation, context, .. } = attempt;
    let Some(admission) = &observation.admission else {
        return Ok(claim::wait(attempt));
    };
    // Without the lease nothing can be published, so the issuer is not asked either.
    context.calls.fence().check()?;
    let spec = &observation.object.spec;
    if let Err(error) = template::checked(spec).and_then(|()| secret_type::checked(spec)) {
        return Ok(attempt.record_failure(&error.failure_of(&observation.object)));
    }
    let target = match target::find(observation, context).await? {
        Ok(target) => target,
        Err(failure) => return Ok(attempt.record_failure(&failure)),
    };
    if let Err(failure) = target::rehearse(&observation.object, &target, context).await? {
        return Ok(attempt.record_failure(&failure));
    }
    match attempt.object().spec.profiles {
        Some(_) => issue_profiles::issue(attempt, target, admission).await,
        None => issue_session(attempt, &target, admission).await,
    }
}

/// Obtains one session, or the token that it buys, and publishes that.
async fn issue_session(
    attempt: Attempt<'_>,
    target: &Target,
    admission: &Admission,
) -> Result<Outcome, CallError> {
    let (object, uid) = (attempt.object(), attempt.observation.uid());
    let (inputs, sts) = (attempt.inputs(), attempt.sts());
    let call = attempt.begin(admission);
    let result = obtain(attempt, &inputs, &sts).await;
    call.ended(result.as_ref().err());
    let written = match result {
        Ok(Obtained::Nothing(until)) => return Ok(rest(attempt, until)),
        Ok(Obtained::New(issued, bought)) => to_publish(object, &sts.1, *issued, bought),
        Err(error) => Err(error),
    };
    let (issued, files, secrets) = match written {
        Ok(written) => written,
        Err(error) => {
            let failure = error.failure_of(object).after_reading(inputs.attempted(uid));
            return Ok(attempt.record_failure(&failure));
        }
    };
    let used = inputs.used(uid);
    let manifest =
        render::manifest(object, &issued, &BTreeMap::new(), &used, &files, target.existing());
    let manifest = manifest.annotated(issuer_time::annotation(issuer_time::ahead()));
    let place = Place::of(attempt.context, object, target.uid.is_some());
    let publication = Publication::whole(place, manifest, &issued.session.key).protecting(&secrets);
    drop((issued, files, secrets));
    attempt.publish(publication, Written::new(attempt, used, BTreeMap::new())).await
}

/// The session as it is recorded, the data of the Secret, and further secrets in them.
fn to_publish(
    object: &RefreshableCredential,
    sts: &Sts,
    issued: Issued,
    bought: Option<Bought>,
) -> Result<(Issued, Files, Vec<SecretString>), IssueError> {
    if let Some(bought) = bought {
        return Ok((bought.instead_of(issued), bought.files, bought.secrets));
    }
    let region = source::region(&object.spec, sts);
    let files = render::files(&object.spec.secret(), &region, &issued)?;
    Ok((issued, files, Vec::new()))
}

/// The published content, if the source gave the same session again: metadata services do until
/// shortly before its end, and a Secret that something else rotates until then.
fn unchanged<'a>(observation: &'a Observation, issued: &Issued) -> Option<&'a Content> {
    let (spec, content) = (&observation.object.spec, observation.content()?);
    let same = content.key_id.as_deref() == Some(issued.session.key.id.as_str());
    // A token may end before the session that bought it.
    let whole = spec.token.is_none() || content.expiration >= issued.lifetime.expiration;
    let asked = content.request == fingerprint::of_request(spec);
    (same && whole && asked).then_some(content)
}

/// Leaves what is published as it is, and looks again soon.
fn rest(attempt: Attempt<'_>, expiration: Timestamp) -> Outcome {
    let Attempt { observation, context, .. } = attempt;
    let (uid, now) = (observation.uid(), context.now());
    let until = plan::ask_again(expiration, now);
    tracing::debug!(uid, %until, "the source has nothing newer yet");
    context.memory.ledger.rests(uid, until);
    Outcome::told(Finding::Good, observation.secret.own(), Next::At(until))
}

/// Result of an attempt.
enum Obtained {
    /// Nothing newer than what is published, which is valid until then.
    Nothing(Timestamp),
    /// A session, and what it bought where a token is asked for.
    New(Box<Issued>, Option<Bought>),
}

async fn obtain(
    attempt: Attempt<'_>,
    inputs: &ClusterInputs<'_>,
    (sts_spec, sts): &(StsSpec, Sts),
) -> Result<Obtained, IssueError> {
    let Attempt { observation, cause, context } = attempt;
    let object = attempt.object();
    let sts_spec = source::trusting(sts_spec, inputs).await?;
    let request = attempt.request(inputs, &sts_spec, sts)?;
    let source = object.spec.source();
    let work = async {
        let order = match &object.spec.token {
            Some(token) => Some(token::order(token, &object.secret_name(), &request).await?),
            None => None,
        };
        let mut issued = source::issue(&source, object.spec.principal.as_ref(), &request).await?;
        context.learn_clock(object, request.now, issued.lifetime.issued_at);
        if let Some(content) = unchanged(observation, &issued) {
            issued.lifetime.issued_at = content.issued_at;
            if cause == Cause::Due {
                return Ok(Obtained::Nothing(content.expiration));
            }
        }
        let bought = match order {
            Some(order) => Some(order.buy(&issued, &request).await?),
            None => None,
        };
        Ok(Obtained::New(Box::new(issued), bought))
    };
    in_time(context.settings.issue_timeout, work).await
}
