//! The brake on withdrawals: when a Secret is deleted whose permission was revoked.
//!
//! One keystroke in a policy can revoke a permission, and every Pod that mounts a deleted Secret
//! misses it. So a withdrawal waits for a grace period, in which the permission may come back; and
//! where more than a share of all Secrets would be deleted at once, none is deleted before an
//! administrator has confirmed it. Nothing is renewed meanwhile.

use jiff::{SignedDuration, Timestamp};
use refreshable_api::{
    CredentialPolicy, RefreshableCredential, RefreshableCredentialStatus, WITHDRAW_IMMEDIATELY,
};
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

/// Withdrawals within this period count as one change.
pub const AT_ONCE: SignedDuration = SignedDuration::from_mins(10);
/// A confirmation may lie this far ahead: for a change that is about to be applied, or a clock that
/// is ahead.
const LONGEST_AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// Key of the order that pauses all withdrawals.
pub const PAUSED: &str = "paused";
/// Key of the order that confirms withdrawals of everything denied by that time.
pub const CONFIRMED_AT: &str = "confirmedAt";

/// Limits that the controller is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Grace period where no policy sets one.
    pub after: SignedDuration,
    /// Share of all published Secrets, in percent, that may be withdrawn at once.
    pub most_percent: u8,
    /// Number that may be withdrawn at once in any case: in a small cluster one Secret is a large
    /// share.
    pub least: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { after: SignedDuration::from_mins(10), most_percent: 20, least: 10 }
    }
}

/// Reads a grace period as policies and flags write it: `10m`, `1h30m`, `Immediate`.
///
/// # Errors
/// Advice, with examples.
pub fn parse_after(text: &str) -> Result<SignedDuration, String> {
    if text == WITHDRAW_IMMEDIATELY {
        return Ok(SignedDuration::ZERO);
    }
    let read = text.parse::<SignedDuration>().ok().filter(|d| !d.is_negative());
    read.ok_or_else(|| {
        format!(
            "{text:?} is not a grace period: write it like 10m, 1h30m or {WITHDRAW_IMMEDIATELY}"
        )
    })
}

/// Grace period of a resource: the shortest that one of the policies sets which allowed it. `set`
/// looks a policy's period up by name, also for deleted policies.
pub fn after(
    status: Option<&RefreshableCredentialStatus>,
    set: impl Fn(&str) -> Option<SignedDuration>,
    limits: &Limits,
) -> SignedDuration {
    let policies = status
        .and_then(|s| s.permission.as_ref())
        .map(|p| p.policies.as_slice())
        .unwrap_or_default();
    policies.iter().filter_map(|name| set(name)).min().unwrap_or(limits.after)
}

/// The grace period that a policy sets. An unreadable one counts as absent: admission has checked
/// it.
pub fn set_by(policy: &CredentialPolicy) -> Option<SignedDuration> {
    parse_after(policy.spec.withdraw_after.as_deref()?).ok()
}

/// Orders of administrators to a running controller, in a ConfigMap beside its Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// All withdrawals are paused.
    pub paused: bool,
    /// Secrets that were denied by then may be withdrawn, however many.
    pub confirmed_at: Option<Timestamp>,
    /// Error in the orders, with advice.
    pub complaint: Option<String>,
}

impl Orders {
    /// The orders in `data` of the ConfigMap. An unreadable order never allows a
    /// withdrawal: it pauses, or does not confirm.
    pub fn read(data: &BTreeMap<String, String>) -> Self {
        let mut orders = Self::default();
        match data.get(PAUSED).map(|text| (text, text.trim().parse())) {
            None => {}
            Some((_, Ok(paused))) => orders.paused = paused,
            Some((text, Err(_))) => {
                // Its author wanted to stop withdrawals: a typo must not let them through.
                orders.paused = true;
                orders.complaint =
                    Some(format!("{PAUSED} is {text:?}: write \"true\" or \"false\""));
            }
        }
        match data.get(CONFIRMED_AT).map(|text| (text, text.trim().parse())) {
            None => {}
            Some((_, Ok(at))) => orders.confirmed_at = Some(at),
            Some((text, Err(_))) => {
                let complaint =
                    format!("{CONFIRMED_AT} is {text:?}: write a time like 2026-01-31T12:00:00Z");
                orders.complaint.get_or_insert(complaint);
            }
        }
        orders
    }

    /// Whether a withdrawal of a Secret that has been denied since then is confirmed at `now`. A
    /// confirmation far ahead would cover every mistake until then, so it does not count.
    pub fn confirm(&self, denied_since: Timestamp, now: Timestamp) -> bool {
        self.confirmed_at
            .is_some_and(|at| denied_since <= at && at.duration_since(now) <= LONGEST_AHEAD)
    }
}

/// How many Secrets are published, and how many of them are about to be withdrawn without a
/// confirmation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Published Secrets.
    pub published: usize,
    /// Those that are about to be withdrawn without a confirmation.
    pub pending: usize,
    /// Namespaces of these.
    pub namespaces: BTreeSet<String>,
}

impl Census {
    /// Counts `resources`: for each, whether a Secret is published, and whether it is about to be
    /// withdrawn without a confirmation.
    pub fn of(
        resources: impl IntoIterator<Item = (impl Borrow<RefreshableCredential>, bool, bool)>,
    ) -> Self {
        let mut census = Self::default();
        for (object, published, pending) in resources {
            census.published += usize::from(published);
            if published && pending {
                census.pending += 1;
                let namespace = &object.borrow().metadata.namespace;
                census.namespaces.insert(namespace.clone().unwrap_or_default());
            }
        }
        census
    }

    /// Whether that is too many at once, after `recent` withdrawals within [`AT_ONCE`].
    pub fn exceeds(&self, limits: &Limits, recent: usize) -> bool {
        // Recent withdrawals count, so that a mass deletion cannot pass in small portions.
        let (going, all) = (self.pending + recent, self.published + recent);
        going > limits.least && going * 100 > all * usize::from(limits.most_percent)
    }

    /// The count of pending withdrawals, as text.
    pub fn text(&self) -> String {
        let counted =
            |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        format!(
            "{} in {}",
            counted(self.pending, "Secret"),
            counted(self.namespaces.len(), "namespace")
        )
    }
}

/// The brake's decision about all withdrawals that are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Withdrawals may proceed.
    Released,
    /// Withdrawals wait; the reason and the remedy, for the administrator.
    Held(String),
}

impl Decision {
    /// Decides, where `census` counts all resources. `place` is the ConfigMap of the orders, as
    /// `<namespace>/<name>`.
    pub fn decide(
        limits: &Limits,
        orders: &Orders,
        census: &Census,
        recent: usize,
        place: Option<&str>,
    ) -> Self {
        let complaint = orders.complaint.as_ref().map(|c| format!(". {c}")).unwrap_or_default();
        // Before the limit: a pause holds even a single withdrawal.
        if orders.paused {
            let place = place.unwrap_or_default();
            return Self::Held(format!(
                "all withdrawals are paused by ConfigMap {place}{complaint}"
            ));
        }
        if !census.exceeds(limits, recent) {
            return Self::Released;
        }
        let soon = if recent > 0 {
            format!(", after {recent} in the last minutes")
        } else {
            String::new()
        };
        let confirm = match place {
            Some(place) => format!("confirm it: `kubectl refreshable withdrawals confirm --orders {place}`"),
            None => {
                "the controller has no namespace of its own to read a confirmation from: raise its limit".to_owned()
            }
        };
        Self::Held(format!(
            "{} of {} would go at once{soon}, which is more than {} %. Give the permission back, or {confirm}{complaint}",
            census.text(),
            census.published,
            limits.most_percent
        ))
    }
}

#[cfg(test)]
#[path = "withdrawal_tests.rs"]
mod tests;
