//! The objects of a world as lists and watches show them, the changes that led to them, and who is
//! connected to hear of these.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Changes that watches can go on from. Older ones are forgotten, as etcd compacts them.
const REMEMBERED: usize = 50_000;

/// A kind that is listed and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Credential,
    Secret,
    Policy,
    Namespace,
    ConfigMap,
    Cluster,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Credential,
        Self::Secret,
        Self::Policy,
        Self::Namespace,
        Self::ConfigMap,
        Self::Cluster,
    ];

    /// The kind that a path ends with.
    pub(super) fn of(plural: &str) -> Option<Self> {
        Some(match plural {
            "refreshablecredentials" => Self::Credential,
            "secrets" => Self::Secret,
            "credentialpolicies" => Self::Policy,
            "namespaces" => Self::Namespace,
            "configmaps" => Self::ConfigMap,
            "clusterrefreshablecredentials" => Self::Cluster,
            _ => return None,
        })
    }
}

/// An object as a watch shows it.
#[derive(Clone, Debug)]
pub struct Shown {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// Its JSON: of a Secret, its metadata alone.
    pub json: Arc<str>,
}

impl Shown {
    pub fn new(kind: Kind, object: &Value) -> Self {
        let meta = &object["metadata"];
        let text = |name: &str| meta[name].as_str().unwrap_or_default().to_owned();
        let labels = meta["labels"].as_object().into_iter().flatten();
        let labels =
            labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Self {
            kind,
            namespace: text("namespace"),
            name: text("name"),
            labels: labels.collect(),
            json: object.to_string().into(),
        }
    }
}

/// One change, as it was committed.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    pub(super) version: u64,
    pub(super) at: Timestamp,
    pub(super) before: Option<Arc<Shown>>,
    pub(super) after: Option<Arc<Shown>>,
}

/// The objects, and the changes that led to them.
#[derive(Debug, Default)]
pub struct Log {
    pub(super) shown: BTreeMap<(Kind, String, String), Arc<Shown>>,
    pub(super) changes: VecDeque<Committed>,
    /// The version of the last change that is forgotten.
    pub(super) compacted: u64,
    /// The pages that lists still have to come, by what continues them.
    pub(super) pages: BTreeMap<u64, VecDeque<Arc<Shown>>>,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) opened: u64,
    /// Watches that ended after an event was lost and before they were told to list anew: the next
    /// one of the same instance, kind and place is.
    pub(super) owed: BTreeSet<(usize, Kind, Option<String>, bool)>,
}

impl Log {
    /// Takes note that an object is as `after` shows it, or that it is gone, at `version`.
    pub fn commit(
        &mut self,
        (kind, namespace, name): (Kind, &str, &str),
        after: Option<Shown>,
        (version, at): (u64, Timestamp),
    ) {
        let key = (kind, namespace.to_owned(), name.to_owned());
        let after = after.map(Arc::new);
        let before = match &after {
            Some(after) => self.shown.insert(key, after.clone()),
            None => self.shown.remove(&key),
        };
        self.changes.push_back(Committed { version, at, before, after });
        if self.changes.len() > REMEMBERED {
            self.compacted = self.changes.pop_front().map_or(self.compacted, |c| c.version);
        }
    }

    /// All is as `shown` has it, at `version`, and later changes have never been. Watches go on from
    /// where they are.
    pub fn go_back(&mut self, shown: BTreeMap<(Kind, String, String), Arc<Shown>>, version: u64) {
        self.shown = shown;
        self.changes.retain(|change| change.version <= version);
        self.pages.clear();
    }

    /// The watches of this instance.
    fn connections_of(&mut self, instance: usize) -> impl Iterator<Item = &mut Connection> {
        self.connections.values_mut().filter(move |c| c.instance == instance)
    }

    /// Every watch of this instance has to list anew at `at`; those of it that `which` picks, in
    /// their order.
    pub fn relist(&mut self, instance: usize, at: Timestamp, which: impl Fn(usize) -> bool) {
        for (_, connection) in self.connections_of(instance).enumerate().filter(|(n, _)| which(*n))
        {
            connection.ends_at = Some(at);
        }
    }

    /// How many watches this instance has.
    pub fn watches_of(&mut self, instance: usize) -> usize {
        self.connections_of(instance).count()
    }

    /// Nothing more comes by this instance's watches of these kinds, which list anew at `until`.
    pub fn silence(&mut self, instance: usize, until: Timestamp, kinds: &[Kind]) {
        for connection in self.connections_of(instance).filter(|c| kinds.contains(&c.kind)) {
            (connection.silent, connection.ends_at) = (true, Some(until));
        }
    }

    /// Says to this instance's watch of Secrets what is not true: that this one went.
    pub fn lie(&mut self, instance: usize, object: &Value) {
        let mut secrets = self.connections_of(instance).filter(|c| c.sees_secrets);
        secrets.next().expect("it watches Secrets").lies.push(object.to_string());
    }
}

/// How well an instance is connected.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Longest delay of an event, and of a list.
    pub longest_delay: SignedDuration,
    /// The longest that a call takes to the API server, and its answer back.
    pub longest_answer: SignedDuration,
    /// Chance in thousandths that an event is lost, until the next list.
    pub loses_events: u32,
    /// Chance in thousandths that a watch event comes twice.
    pub repeats_events: u32,
    /// Lists show Secrets that have gone.
    pub keeps_the_gone: bool,
    /// Until then nothing can be listed or watched.
    pub away_until: Timestamp,
    /// Until then the Lease can neither be read nor written.
    pub leaseless_until: Timestamp,
}

/// One watch that is open.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) instance: usize,
    pub(super) kind: Kind,
    pub(super) place: Option<String>,
    /// An event was lost, and it has not been told to list anew.
    pub(super) has_lost: bool,
    /// Whether it brings Secrets with the controller's label.
    pub(super) sees_secrets: bool,
    /// When its version turns out to be too old.
    pub(super) ends_at: Option<Timestamp>,
    /// It brings nothing until then.
    pub(super) silent: bool,
    /// Secrets of which it says that they went, though they did not.
    pub(super) lies: Vec<String>,
}

impl Connection {
    pub(super) fn identity(&self) -> (usize, Kind, Option<String>, bool) {
        (self.instance, self.kind, self.place.clone(), self.sees_secrets)
    }
}
