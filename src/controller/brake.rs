//! The brake on withdrawals as it stands: the rules decide (`refreshable_rules::withdrawal`), and
//! this counts and remembers what they decide by.

use super::{Context, ResourceName};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use parking_lot::Mutex;
use refreshable_api::{CredentialPolicy, RefreshableCredential, names, time_of};
use refreshable_rules::policy::{self, Permission};
use refreshable_rules::policy_index::{PolicyIndex, labelled};
use refreshable_rules::withdrawal::{self, AT_ONCE, Census, Decision, Orders};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// A count of all resources serves for so long, where no policy and no namespace changed since.
const COUNTED_FOR: SignedDuration = SignedDuration::from_secs(10);
/// How often a withdrawal that is held is looked at.
pub(super) const HELD_POLL: SignedDuration = SignedDuration::from_secs(60);

/// The brake on withdrawals.
#[derive(Debug)]
pub struct Brake {
    /// Namespace and name of the ConfigMap with the administrator's orders; without a namespace
    /// there are none.
    place: Option<(String, String)>,
    /// Grows with each change of a policy or of a namespace.
    changes: AtomicU64,
    /// One look at a time counts, the others take what it found.
    counted: tokio::sync::Mutex<Option<Counted>>,
    /// When Secrets were withdrawn without a confirmation.
    recent: Mutex<VecDeque<Timestamp>>,
    /// Grace periods of deleted policies, by name.
    former: Mutex<BTreeMap<String, SignedDuration>>,
}

#[derive(Debug)]
struct Counted {
    at: Timestamp,
    changes: u64,
    orders: Orders,
    decision: Decision,
}

impl Brake {
    /// A brake with its orders beside the Lease `lease` in `namespace`.
    pub fn beside(namespace: Option<&str>, lease: &str) -> Self {
        let place = namespace.map(|n| (n.to_owned(), names::withdrawal_orders(lease)));
        let (changes, counted, recent, former) = Default::default();
        Self { place, changes, counted, recent, former }
    }

    /// Namespace and name of the ConfigMap with the orders.
    pub(super) fn place(&self) -> Option<&(String, String)> {
        self.place.as_ref()
    }

    /// Policies or namespaces changed: what was counted before no longer holds.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// This policy was deleted: what it set still holds for the Secrets that it allowed.
    pub(super) fn remember(&self, gone: &CredentialPolicy) {
        if let Some(after) = withdrawal::set_by(gone) {
            self.former.lock().insert(gone.name_any(), after);
        }
    }

    /// How long what `object` published stays after its permission was taken back.
    pub(super) fn after(
        &self,
        object: &RefreshableCredential,
        context: &Context,
    ) -> SignedDuration {
        let set = |name: &str| match context.view.policies.get(&ResourceName::of_cluster(name)) {
            Some(policy) => withdrawal::set_by(&policy),
            None => self.former.lock().get(name).copied(),
        };
        withdrawal::after(object.status.as_ref(), set, &context.settings.withdrawal)
    }

    /// Asks to withdraw what has been denied since then.
    pub(super) async fn ask(&self, since: Timestamp, context: &Context) -> Decision {
        let now = context.now();
        let changes = self.changes.load(Ordering::Acquire);
        let mut counted = self.counted.lock().await;
        let current =
            |c: &Counted| c.changes == changes && (c.at..c.at + COUNTED_FOR).contains(&now);
        if !counted.as_ref().is_some_and(current) {
            *counted = None;
        }
        let Counted { orders, decision, .. } =
            counted.get_or_insert_with(|| self.count(changes, context, now));
        if !orders.paused && orders.confirm(since, now) {
            return Decision::Released;
        }
        decision.clone()
    }

    /// A Secret was withdrawn that was denied since then.
    pub(super) async fn withdrew(&self, since: Timestamp, now: Timestamp) {
        let counted = self.counted.lock().await;
        if !counted.as_ref().is_some_and(|c| c.orders.confirm(since, now)) {
            self.recent.lock().push_back(now);
        }
    }

    fn count(&self, changes: u64, context: &Context, now: Timestamp) -> Counted {
        let place = self.place.as_ref().map(|(namespace, name)| format!("{namespace}/{name}"));
        let Some(orders) = self.orders(context) else {
            let place = place.unwrap_or_default();
            let held = format!(
                "ConfigMap {place}, which may pause withdrawals, could not be read yet. If this stays, give the controller \
                 the right to list and watch it"
            );
            return Counted {
                at: now,
                changes,
                orders: Orders::default(),
                decision: Decision::Held(held),
            };
        };
        let census = census(&orders, context, now);
        let recent = {
            let mut recent = self.recent.lock();
            recent.retain(|at| (*at..*at + AT_ONCE).contains(&now));
            recent.len()
        };
        let decision = Decision::decide(
            &context.settings.withdrawal,
            &orders,
            &census,
            recent,
            place.as_deref(),
        );
        if let Decision::Held(why) = &decision {
            tracing::warn!(why, "withdrawals are held");
        }
        Counted { at: now, changes, orders, decision }
    }

    /// The administrator's orders, as soon as it is known whether there are some.
    fn orders(&self, context: &Context) -> Option<Orders> {
        if self.place.is_none() {
            return Some(Orders::default());
        }
        let map = context.view.orders()?;
        Some(map.and_then(|m| m.data.as_ref().map(Orders::read)).unwrap_or_default())
    }
}

/// Counts all resources.
fn census(orders: &Orders, context: &Context, now: Timestamp) -> Census {
    let view = &context.view;
    let policies: Vec<_> = view.policies.all().collect();
    let namespaces: Vec<_> = view.namespaces.all().collect();
    let index = PolicyIndex::new(&policies, namespaces.iter().map(|n| labelled(n.as_ref())));
    let is_denied = |object: &RefreshableCredential| {
        let judgement = match view.reads_policies {
            true => index.judge(object),
            false => Some(policy::judge_among(object, &[])),
        };
        judgement.is_some_and(|j| matches!(j.permission, Permission::Denied(_)))
    };
    Census::of(view.credentials.all().map(|object| {
        if !is_denied(&object) {
            let published = view.shows_secret(&object);
            return (object, published, false);
        }
        let uid = object.uid().unwrap_or_default();
        let known = context.memory.of(&uid);
        let since =
            known.as_ref().and_then(|k| k.denied_since).or_else(|| told(&object)).unwrap_or(now);
        let published = view.secret(&object, known.as_ref()).own().is_some();
        (object, published, !orders.confirm(since, now))
    }))
}

/// Since when `object` is denied, as its status tells it.
pub(super) fn told(object: &RefreshableCredential) -> Option<Timestamp> {
    let permission = object.status.as_ref()?.permission.as_ref().filter(|p| !p.allowed)?;
    time_of(&permission.denied_time)
}
