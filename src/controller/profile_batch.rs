//! Puts the fresh credentials of many profiles together with those that stay: no call, only what
//! was obtained and what the Secret holds.

use super::issuer_time;
use super::published::published;
use super::target::Target;
use crate::clock::SharedClock;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use refreshable_api::{ProfileSpec, RefreshableCredential};
use refreshable_issuers::aws::Sts;
use refreshable_issuers::source;
use refreshable_rules::failure::Failure;
use refreshable_rules::fingerprint;
use refreshable_rules::inputs::UsedInputs;
use refreshable_rules::issuer::json::{self, Wire};
use refreshable_rules::issuer::{AccessKey, IssueError, Issued, Lifetime};
use refreshable_rules::ownership::Content;
use refreshable_rules::ownership::ProfileRecord;
use refreshable_rules::render::{self, Manifest, Profile};
use std::collections::BTreeMap;

/// Sessions obtained for the profiles of one resource, and the records in the Secret's metadata of
/// the profiles that stay.
pub(super) struct ProfileBatch {
    pub(super) object: RefreshableCredential,
    /// Content of the published Secret, as its metadata records it.
    pub(super) content: Option<Content>,
    /// One of those that were had: without any there is nothing to publish.
    pub(super) first: Issued,
    /// The outcome of each profile that was asked for.
    pub(super) outcomes: BTreeMap<String, Result<Issued, Failure>>,
    pub(super) inputs: UsedInputs,
    pub(super) target: Target,
    pub(super) sts: Sts,
    pub(super) clock: SharedClock,
    /// How far the issuer's clock is ahead.
    pub(super) ahead: SignedDuration,
}

impl ProfileBatch {
    /// Whether a profile keeps what the Secret holds.
    pub(super) fn keeps_any(&self) -> bool {
        self.specs().any(|p| !self.is_fresh(&p.name) && self.record(p).is_some())
    }

    /// The keys that were obtained.
    pub(super) fn keys(&self) -> impl Iterator<Item = &AccessKey> {
        self.outcomes.values().flatten().map(|issued| &issued.session.key)
    }

    /// The Secret, with what `old` holds for the profiles that could not be had.
    ///
    /// # Errors
    /// [`IssueError::Specification`] for a template that cannot be written.
    pub(super) fn manifest(&self, old: Option<&Secret>) -> Result<Manifest, IssueError> {
        let now = self.now();
        let published = old.and_then(|secret| Some((published(&self.object, secret)?, secret)));
        let (mut profiles, mut records) = (Vec::new(), BTreeMap::new());
        for spec in self.specs() {
            let fresh = match self.outcomes.get(&spec.name) {
                Some(Ok(issued)) => Some(issued.clone()),
                _ => None,
            };
            // One that was asked for in vain, or that had failed before, holds credentials of an
            // earlier attempt.
            let failed = match self.outcomes.get(&spec.name) {
                Some(outcome) => outcome.is_err(),
                None => self.record(spec).is_none_or(|r| r.failed),
            };
            let stays = || {
                let (content, secret) = published.as_ref()?;
                kept(&self.object, content, secret, spec, now)
            };
            let Some(issued) = fresh.or_else(stays) else { continue };
            records.insert(
                spec.name.clone(),
                ProfileRecord {
                    issued_at: issued.lifetime.issued_at,
                    expiration: issued.lifetime.expiration,
                    request: fingerprint::of_profile(&self.object.spec, spec),
                    arn: issued.principal.arn.clone(),
                    failed,
                },
            );
            let region = source::region_of_profile(&self.object.spec, spec, &self.sts);
            profiles.push(Profile { name: spec.name.clone(), region, issued });
        }
        let lead = self.lead(&profiles, &records);
        let region = source::region(&self.object.spec, &self.sts);
        let files = render::profile_files(&self.object.spec.secret(), &region, &profiles)?;
        let manifest = render::manifest(
            &self.object,
            &lead,
            &records,
            &self.inputs,
            &files,
            self.target.existing(),
        );
        Ok(manifest.annotated(issuer_time::annotation(self.ahead)))
    }

    /// The time, as the issuer has it.
    fn now(&self) -> Timestamp {
        let wall = self.clock.now();
        wall.checked_add(self.ahead).unwrap_or(wall)
    }

    /// The session that stands for all of them in the Secret's metadata: the one of the last
    /// attempt that ends first, without a name. A session that was kept has its own pace, that of
    /// its failure.
    fn lead(&self, profiles: &[Profile], records: &BTreeMap<String, ProfileRecord>) -> Issued {
        let current = profiles
            .iter()
            .filter(|p| records.get(&p.name).is_some_and(|r| !r.failed))
            .map(|p| &p.issued);
        let lead = current.min_by_key(|i| i.lifetime.expiration).unwrap_or(&self.first);
        Issued {
            principal: Default::default(),
            packed_policy_size: None,
            token: Default::default(),
            ..lead.clone()
        }
    }

    fn specs(&self) -> impl Iterator<Item = &ProfileSpec> {
        self.object.spec.profiles.iter().flatten()
    }

    fn is_fresh(&self, name: &str) -> bool {
        matches!(self.outcomes.get(name), Some(Ok(_)))
    }

    fn record(&self, profile: &ProfileSpec) -> Option<&ProfileRecord> {
        self.content.as_ref()?.profiles.get(&profile.name)
    }
}

/// The credentials that `profile` has in `secret`, which holds what was
/// [published](super::published::published), while they are valid and what is asked for.
pub(super) fn kept(
    object: &RefreshableCredential,
    content: &Content,
    secret: &Secret,
    profile: &ProfileSpec,
    now: Timestamp,
) -> Option<Issued> {
    let record = content.profiles.get(&profile.name)?;
    let asked = record.request == fingerprint::of_profile(&object.spec, profile);
    if !asked || record.expiration <= now {
        return None;
    }
    let text = secret.data.as_ref()?.get(&render::profile_key(&profile.name))?;
    let mut issued = json::parse::<Wire>("Keep", &text.0).ok()?.issued("Keep", None, now).ok()?;
    issued.lifetime = Lifetime { issued_at: record.issued_at, expiration: record.expiration };
    issued.principal.arn.clone_from(&record.arn);
    Some(issued)
}
