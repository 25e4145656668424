//! The brake on withdrawals: when a Secret goes whose permission was taken back.
//!
//! A permission is taken back by one keystroke in a policy, and a Secret that was deleted is missed
//! by every Pod that mounts it. So a withdrawal waits for a grace period, in which the permission
//! may come back; and where more than a share of all Secrets would go at once, none goes before an
//! administrator has confirmed it. Nothing is renewed meanwhile.

use jiff::{SignedDuration, Timestamp};
use refreshable_api::{
    CredentialPolicy, RefreshableCredential, RefreshableCredentialStatus, WITHDRAW_IMMEDIATELY,
};
use std::collections::{BTreeMap, BTreeSet};

/// Withdrawals within so long count as one change.
pub const AT_ONCE: SignedDuration = SignedDuration::from_mins(10);
/// A confirmation reaches at most so far ahead: for a change that is about to be applied, or a
/// clock that is ahead.
const LONGEST_AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// Key of the orders that pauses all withdrawals.
pub const PAUSED: &str = "paused";
/// Key of the orders that confirms what was denied by then.
pub const CONFIRMED_AT: &str = "confirmedAt";

/// Limits that the controller is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long what was published stays after its permission was taken back, where no policy says
    /// otherwise.
    pub after: SignedDuration,
    /// Of all published Secrets, the share in percent that may be withdrawn at once.
    pub most_percent: u8,
    /// So many may be withdrawn at once in any case: in a small cluster one Secret is a large
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

/// How long what a resource published stays after its permission was taken back: the shortest
/// period that one of the policies sets which allowed it. `set` tells what a policy of that name
/// sets, whether it is still there or was deleted.
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
    /// Nothing is withdrawn.
    pub paused: bool,
    /// Secrets that were denied by then may be withdrawn, however many.
    pub confirmed_at: Option<Timestamp>,
    /// Error in the orders, with advice.
    pub complaint: Option<String>,
}

impl Orders {
    /// The orders in `data` of the ConfigMap. What cannot be read withdraws nothing.
    pub fn read(data: &BTreeMap<String, String>) -> Self {
        let mut orders = Self::default();
        match data.get(PAUSED).map(|text| (text, text.trim().parse())) {
            None => {}
            Some((_, Ok(paused))) => orders.paused = paused,
            Some((text, Err(_))) => {
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

    /// Whether a withdrawal of what has been denied since then is confirmed at `now`. A
    /// confirmation that lies far ahead would be one of every mistake until then, and counts for
    /// nothing.
    pub fn confirm(&self, denied_since: Timestamp, now: Timestamp) -> bool {
        self.confirmed_at
            .is_some_and(|at| denied_since <= at && at.duration_since(now) <= LONGEST_AHEAD)
    }
}

/// How much is published, and how much of that is about to be withdrawn without a confirmation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Published Secrets.
    pub published: usize,
    /// Those whose permission was taken back.
    pub pending: usize,
    /// Namespaces that these are in.
    pub namespaces: BTreeSet<String>,
}

impl Census {
    /// Counts `resources`, each with whether something is published for it and whether that is
    /// about to be withdrawn without a confirmation.
    pub fn of<'a>(
        resources: impl IntoIterator<Item = (&'a RefreshableCredential, bool, bool)>,
    ) -> Self {
        let mut census = Self::default();
        for (object, published, pending) in resources {
            census.published += usize::from(published);
            if published && pending {
                census.pending += 1;
                census.namespaces.insert(object.metadata.namespace.clone().unwrap_or_default());
            }
        }
        census
    }

    /// Whether that is too much at once, after `recent` were withdrawn within [`AT_ONCE`].
    pub fn exceeds(&self, limits: &Limits, recent: usize) -> bool {
        let (going, all) = (self.pending + recent, self.published + recent);
        going > limits.least && going * 100 > all * usize::from(limits.most_percent)
    }

    /// The count of pending withdrawals, in words.
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
    /// They may go on.
    Released,
    /// They wait: for this reason, and for what helps.
    Held(String),
}

impl Decision {
    /// Decides, where `census` counts all resources. `place` is where the orders are read from,
    /// `<namespace>/<name>`.
    pub fn decide(
        limits: &Limits,
        orders: &Orders,
        census: &Census,
        recent: usize,
        place: Option<&str>,
    ) -> Self {
        let complaint = orders.complaint.as_ref().map(|c| format!(". {c}")).unwrap_or_default();
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
