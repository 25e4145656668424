//! The claim with which a resource waits until its issuer may be asked.

use super::Context;
use super::attempt::Attempt;
use super::next::Next;
use super::observation::Observation;
use super::outcome::Outcome;
use jiff::Timestamp;
use kube::ResourceExt as _;
use refreshable_api::RefreshableCredential;
use refreshable_engine::{Band, Claim, LONGEST, weight};
use refreshable_issuers::source;
use refreshable_issuers::token;
use refreshable_rules::attempts_limit::{self, AttemptsLimit};
use refreshable_rules::plan;
use refreshable_rules::report::Finding;

/// The claim of a resource whose issuer has to be asked. A resource that has waited long
/// says what it waits for.
pub(super) fn wait(attempt: Attempt<'_>) -> Outcome {
    let Attempt { observation, cause, context } = attempt;
    let (object, limit) = (attempt.object(), limit(observation.namespace(), context));
    let claim = of(observation, limit, context);
    let Some(limit) = limit else { return Outcome::silent(claim) };
    match attempts_limit::says_so_at(object, observation.content(), cause) {
        Some(at) if at > context.now() => Outcome::silent(claim.by(Some(at))),
        Some(_) if !is_failing(object) => {
            Outcome::told(Finding::Waiting(limit), observation.secret.own(), claim)
        }
        // What failed last says more.
        _ => Outcome::silent(claim),
    }
}

fn is_failing(object: &RefreshableCredential) -> bool {
    object.status.as_ref().is_some_and(|s| s.failures.is_some())
}

/// The limit of a namespace's attempts: its own, or the one that the controller was started with.
fn limit(namespace: &str, context: &Context) -> Option<AttemptsLimit> {
    context.view.attempts_limit(namespace).or(context.settings.attempts_limit)
}

/// The claim of the observed resource; `limit` is the limit on attempts in its namespace.
fn of(observation: &Observation, limit: Option<AttemptsLimit>, context: &Context) -> Next {
    let now = context.now();
    let (band, band_ends) = band(observation, now);
    let expires = observation.expiration();
    // The status turns at the expiry, and the band before.
    let look_at = expires.filter(|e| *e > now).into_iter().chain(band_ends);
    let (endpoint, bucket, calls) = calls(&observation.object, context);
    Next::Attempt(Box::new(Claim {
        endpoint: endpoint.into(),
        bucket: bucket.into(),
        calls,
        spacing: limit.map(AttemptsLimit::spacing).unwrap_or_default(),
        band,
        expires,
        look_at: look_at.chain([now + LONGEST]).min().unwrap_or(now),
    }))
}

/// How urgent an attempt is, and until when. Before the refresh point somebody has asked for it: it
/// is as urgent as a first issue.
fn band(observation: &Observation, now: Timestamp) -> (Band, Option<Timestamp>) {
    let Some(content) = observation.content() else {
        return (Band::Normal, None);
    };
    let due = plan::refresh_at(&observation.object, content);
    match due <= now {
        true => (Band::of(due, content.expiration, now), Band::ends(due, content.expiration, now)),
        false => (Band::Normal, Some(due)),
    }
}

/// The endpoint that an attempt calls first, whose calls are counted, and how many it makes.
fn calls(object: &RefreshableCredential, context: &Context) -> (String, String, u32) {
    let source = object.spec.source();
    let Some(source) = source::of(&source) else { return Default::default() };
    let behind = object.spec.profiles.iter().flatten().map(|p| p.roles.len()).sum::<usize>();
    let roles = u32::try_from(object.spec.roles.len() + behind).unwrap_or(u32::MAX);
    let sts = object.spec.sts.clone().unwrap_or_default();
    let region = source::at_source(&object.spec, &context.sts)
        .region(&sts, object.spec.roles.first().map(|r| r.role_arn.as_str()));
    let at_sts = sts.endpoint.as_deref().unwrap_or(&region);
    let key = source.rate_limit_key(&object.namespace().unwrap_or_default());
    let weight = weight(context.settings.calls_per_second, source.issuer_rate_limit());
    let calls = source.calls().saturating_mul(weight).saturating_add(roles);
    let calls = calls.saturating_add(token::calls(&object.spec));
    let endpoint = source.endpoint().unwrap_or_else(|| format!("sts/{at_sts}"));
    (endpoint, format!("{key}/{at_sts}"), calls)
}
