//! State of a world: objects at the API server, sessions at the issuer, faults under way.

use super::auditor::Auditor;
use super::choices::Choices;
use super::clock::WorldClock;
use super::clusters::Clusters;
use super::deployments::SimDeployment;
use super::history::{Kind, Link, Log, Shown};
use super::refusals::Denial;
use super::secrets::SimSecret;
use jiff::SignedDuration;
use refreshable_api::RefreshableCredential;
use refreshable_controller::clock::Clock as _;
use refreshable_rules::timing::down_to_second;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// `<namespace>/<name>`.
pub type Key = (String, String);

/// A session that the issuer gave.
#[derive(Clone, Debug)]
pub struct SimSession {
    pub role: String,
    pub name: String,
    /// Its lifetime, as asked for.
    pub seconds: i64,
    pub expiration: jiff::Timestamp,
    /// How long what is published of it lives: itself, or a token that it signed.
    pub lifetime: SignedDuration,
}

/// Faults. Chances are in thousandths of calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub api_fails: u32,
    /// The same of calls beside the reconciler's: lists, watches, and what concerns the lease.
    pub watches_fail: u32,
    pub api_loses_answers: u32,
    /// A write lands after whoever sent it has given it up.
    pub api_lands_late: u32,
    /// A write lands, and is answered with an error.
    pub api_fails_after_writing: u32,
    /// Each write of a Secret is refused.
    pub secret_writes: Option<Denial>,
    /// Each write of a status is refused.
    pub status_writes: Option<Denial>,
    pub issuer_throttles: u32,
    pub issuer_breaks: u32,
    pub issuer_lies: u32,
    pub issuer_hangs: u32,
    pub issuer_garbage: u32,
    /// The issuer answers nobody.
    pub issuer_dead: bool,
    /// The issuer refuses this namespace.
    pub denied_namespace: Option<&'static str>,
    /// The issuer never answers this namespace.
    pub hanging_namespace: Option<&'static str>,
    /// The issuer refuses these roles: those whose ARN ends so.
    pub denied_roles: Option<&'static str>,
    /// Registries sell no token.
    pub tokens_denied: bool,
    /// Whoever asks for these roles, those whose ARN ends so, meets a fault of the controller
    /// itself.
    pub panicking_roles: Option<&'static str>,
    /// The issuer refuses calls that are signed with this access key.
    pub denied_key: Option<&'static str>,
    /// The issuer hands out sessions of a role that was not asked for, and says otherwise.
    pub issuer_swaps: bool,
}

/// The whole world's truth.
pub struct State {
    pub clock: WorldClock,
    pub random: fastrand::Rng,
    /// Delays that are not left to chance.
    pub choices: Option<Choices>,
    pub version: u64,
    /// How many identities were given out: they are never given again, whatever goes back.
    made: u64,
    pub credentials: BTreeMap<Key, Value>,
    /// The same, read as the controller reads them.
    pub typed: BTreeMap<Key, Arc<RefreshableCredential>>,
    pub secrets: BTreeMap<Key, SimSecret>,
    pub deployments: BTreeMap<Key, SimDeployment>,
    /// When somebody last changed what a resource asks for, or took a Secret of its name.
    pub disturbed: BTreeMap<Key, jiff::Timestamp>,
    /// When what each resource asks its issuer for, or has written, last changed.
    pub respecified: BTreeMap<Key, jiff::Timestamp>,
    /// Issue time of the credentials that the first status of a resource, by UID, says its workload
    /// started with.
    pub started_with: BTreeMap<String, jiff::Timestamp>,
    pub policies: BTreeMap<String, Value>,
    pub namespaces: BTreeSet<String>,
    pub clusters: Clusters,
    /// The ConfigMap with the administrator's orders on withdrawals.
    pub orders: Option<BTreeMap<String, String>>,
    pub sessions: BTreeMap<String, SimSession>,
    /// The lifetime of the last session of each role, by session name and role.
    pub last_seconds: BTreeMap<(String, String), i64>,
    /// Each role that a resource, by UID, has ever asked for.
    pub asked_roles: BTreeSet<(String, String)>,
    /// The data of its inputs that each resource's credentials were made from.
    pub made_from: BTreeMap<Key, BTreeMap<String, String>>,
    /// All of that as lists and watches show it.
    pub log: Log,
    /// How well each instance is connected.
    pub links: BTreeMap<usize, Link>,
    /// The Lease.
    pub lease: Option<Value>,
    /// Wakes the watches.
    pub changed: Arc<Notify>,
    /// Wakes the driver: something is wrong, or an instance has ended.
    pub alarm: Arc<Notify>,
    pub faults: Faults,
    pub latency: Duration,
    pub auditor: Auditor,
    /// Until then the lease cannot be renewed.
    pub unrenewable_until: jiff::Timestamp,
    /// The first instance dies when it has made this many more calls: the next one does not leave
    /// it.
    pub dies_after: Option<usize>,
    /// It has died.
    pub died: bool,
}

/// The truth, shared by servers, users and the driver.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<State>>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    pub fn new(seed: u64) -> Self {
        let alarm: Arc<Notify> = Arc::default();
        Self(Arc::new(Mutex::new(State {
            clock: WorldClock::new(),
            random: fastrand::Rng::with_seed(seed),
            choices: None,
            version: 1,
            made: 0,
            credentials: BTreeMap::new(),
            typed: BTreeMap::new(),
            secrets: BTreeMap::new(),
            deployments: BTreeMap::new(),
            disturbed: BTreeMap::new(),
            respecified: BTreeMap::new(),
            started_with: BTreeMap::new(),
            policies: BTreeMap::new(),
            namespaces: BTreeSet::new(),
            clusters: Clusters::default(),
            orders: None,
            sessions: BTreeMap::new(),
            last_seconds: BTreeMap::new(),
            asked_roles: BTreeSet::new(),
            made_from: BTreeMap::new(),
            log: Log::default(),
            links: BTreeMap::new(),
            lease: None,
            changed: Arc::default(),
            alarm: alarm.clone(),
            faults: Faults::default(),
            latency: Duration::from_millis(60),
            auditor: Auditor::new(alarm),
            unrenewable_until: jiff::Timestamp::MIN,
            dies_after: None,
            died: false,
        })))
    }

    /// All of a world is one thread: whoever would wait here would wait for itself.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.try_lock().expect("the state is held once, and without a panic")
    }

    /// The same, where it is not held.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        self.0.try_lock().ok()
    }
}

impl State {
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    pub fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// A number that nothing else has had.
    pub fn next_identity(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// The object under `key` is as `after` is from `version` on, or gone.
    pub(super) fn commit(
        &mut self,
        kind: Kind,
        key: (&str, &str),
        after: Option<&Value>,
        version: u64,
    ) {
        let after = after.map(|object| Shown::new(kind, object));
        let now = self.now();
        self.log.commit((kind, key.0, key.1), after, (version, now));
        self.changed.notify_waiters();
    }

    /// One call leaves an instance, to the API server or the issuer: whether that instance lives to
    /// make it.
    pub fn lives_to_call(&mut self) -> bool {
        match &mut self.dies_after {
            Some(0) => {
                (self.died, self.dies_after) = (true, None);
                self.alarm.notify_one();
            }
            Some(left) => *left -= 1,
            None => {}
        }
        !self.died
    }

    /// Whether something with this chance (in thousandths) happens now.
    pub fn happens(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.random.u32(0..1000) < thousandths
    }

    /// Writes a resource; its generation rises with its specification.
    pub fn put_credential(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let version = self.next_version();
        let mut object = self.credentials.remove(key).unwrap_or_else(|| {
            let made = self.next_identity();
            json!({
                "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
                "metadata": {"namespace": key.0, "name": key.1, "uid": format!("uid-{made}-{}", key.1), "generation": 0},
                "spec": {}, "status": {"observedGeneration": -1},
            })
        });
        let before = object["spec"].clone();
        change(&mut object);
        if object["spec"] != before {
            object["metadata"]["generation"] =
                (object["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
            self.disturbed.insert(key.clone(), self.clock.now());
            let is_new = before.as_object().is_none_or(serde_json::Map::is_empty);
            if !is_new && super::truth::request(&object["spec"]) != super::truth::request(&before) {
                self.respecified.insert(key.clone(), self.clock.now());
            }
            if before["suspend"] == true {
                self.auditor.permitted_again.insert(key.clone(), self.clock.now());
            }
        }
        object["metadata"]["resourceVersion"] = version.to_string().into();
        let typed: Arc<RefreshableCredential> = Arc::new(
            serde_json::from_value(object.clone()).expect("a resource that the API would take"),
        );
        let (uid, status) = (typed.metadata.uid.clone(), typed.status.as_ref());
        if object["spec"] != before {
            let uid = uid.clone().unwrap_or_default();
            let roles = super::truth::wanted(&object["spec"]);
            self.asked_roles.extend(roles.into_iter().map(|wanted| (uid.clone(), wanted.role)));
        }
        let restarts = status.and_then(|s| s.restarts.as_ref()).and_then(|r| r.first());
        if let (Some(uid), Some(started)) = (uid, restarts.and_then(|r| r.restarted_for.as_ref())) {
            self.started_with.entry(uid).or_insert(started.0);
        }
        self.typed.insert(key.clone(), typed);
        self.commit(Kind::Credential, (&key.0, &key.1), Some(&object), version);
        self.credentials.insert(key.clone(), object);
    }

    /// Deletes a resource, and with it the Secrets that it owns.
    pub fn delete_credential(&mut self, key: &Key) {
        let Some(object) = self.credentials.remove(key) else { return };
        let uid = object["metadata"]["uid"].clone();
        self.typed.remove(key);
        let version = self.next_version();
        self.commit(Kind::Credential, (&key.0, &key.1), None, version);
        let owned: Vec<Key> = self
            .secrets
            .iter()
            .filter(|(k, s)| k.0 == key.0 && s.owners.iter().any(|o| o["uid"] == uid))
            .map(|(k, _)| k.clone())
            .collect();
        for key in owned {
            self.delete_secret(&key);
        }
    }

    pub fn put_secret(&mut self, mut secret: SimSecret) -> SimSecret {
        secret.version = self.next_version();
        if secret.uid.is_empty() {
            secret.uid = format!("secret-{}", self.next_identity());
        }
        let shown = secret.shown(true);
        self.commit(Kind::Secret, (&secret.namespace, &secret.name), Some(&shown), secret.version);
        let key = (secret.namespace.clone(), secret.name.clone());
        self.secrets.insert(key.clone(), secret.clone());
        self.collect_orphan(&key);
        secret
    }

    /// The garbage collector: what is left to owners that are all gone is deleted.
    fn collect_orphan(&mut self, key: &Key) {
        let owners = &self.secrets[key].owners;
        let lives = |owner: &Value| {
            let name = owner["name"].as_str().unwrap_or_default().to_owned();
            self.credentials
                .get(&(key.0.clone(), name))
                .is_some_and(|o| o["metadata"]["uid"] == owner["uid"])
        };
        if !owners.is_empty() && !owners.iter().any(lives) {
            self.delete_secret(key);
        }
    }

    /// Deletes a Secret: one with finalizers waits for them.
    pub fn delete_secret(&mut self, key: &Key) {
        let Some(secret) = self.secrets.get(key) else { return };
        if secret.finalizers.is_empty() {
            self.secrets.remove(key);
            self.disturbed.insert(key.clone(), self.clock.now());
            let version = self.next_version();
            self.commit(Kind::Secret, (&key.0, &key.1), None, version);
        } else if secret.terminating.is_none() {
            let now = self.now();
            self.change_secret(key, |secret| secret.terminating = Some(down_to_second(now)));
        }
    }

    /// Changes a Secret as somebody else does: with its last finalizer, one that waits for it goes.
    pub fn change_secret(&mut self, key: &Key, change: impl FnOnce(&mut SimSecret)) {
        let Some(mut secret) = self.secrets.get(key).cloned() else { return };
        change(&mut secret);
        let ends = secret.terminating.is_some() && secret.finalizers.is_empty();
        self.put_secret(secret);
        if ends {
            self.delete_secret(key);
        }
    }

    /// Tells an instance something about a Secret that is not true: that it went.
    pub fn mislead(&mut self, instance: usize, secret: &SimSecret) {
        self.log.lie(instance, &secret.shown(true));
        self.changed.notify_waiters();
    }

    /// The objects of a kind that belongs to no namespace.
    pub fn of_cluster(&mut self, kind: Kind) -> &mut BTreeMap<String, Value> {
        match kind {
            Kind::Policy => &mut self.policies,
            Kind::Cluster => &mut self.clusters.objects,
            kind => panic!("{kind:?} is kept elsewhere"),
        }
    }

    /// Writes the specification of such an object.
    pub fn put_of_cluster(&mut self, kind: Kind, name: &str, spec: Value) {
        let mut object = self.of_cluster(kind).get(name).cloned().unwrap_or_default();
        let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
        let changed = i64::from(object["spec"] != spec);
        object["spec"] = spec;
        object["metadata"]["generation"] = (generation + changed).into();
        self.write_of_cluster(kind, name, object);
    }

    /// Writes such an object as it is given, with a new version.
    pub fn write_of_cluster(&mut self, kind: Kind, name: &str, mut object: Value) {
        let version = self.next_version();
        let (named, prefix) = match kind {
            Kind::Policy => ("CredentialPolicy", "policy"),
            _ => ("ClusterRefreshableCredential", "cluster"),
        };
        object["apiVersion"] = "refreshable.dev/v1alpha1".into();
        object["kind"] = named.into();
        let metadata = &mut object["metadata"];
        metadata["name"] = name.into();
        if metadata["uid"].is_null() {
            metadata["uid"] = format!("{prefix}-{}", self.next_identity()).into();
        }
        metadata["resourceVersion"] = version.to_string().into();
        self.commit(kind, ("", name), Some(&object), version);
        self.of_cluster(kind).insert(name.to_owned(), object);
    }

    /// Writes a policy's specification.
    pub fn put_policy(&mut self, name: &str, spec: Value) {
        self.put_of_cluster(Kind::Policy, name, spec);
        super::auditor::policies_changed(self);
    }

    pub fn delete_policy(&mut self, name: &str) {
        if self.policies.remove(name).is_some() {
            let version = self.next_version();
            self.commit(Kind::Policy, ("", name), None, version);
            super::auditor::policies_changed(self);
        }
    }

    /// Orders `value` under `key` of the ConfigMap.
    pub fn order(&mut self, key: &str, value: &str) {
        let data = self.orders.get_or_insert_default();
        data.insert(key.to_owned(), value.to_owned());
        let version = self.next_version();
        let (namespace, name) = (super::driver::HOME, super::driver::ORDERS);
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": self.orders,
            "metadata": {"namespace": namespace, "name": name, "uid": "orders", "resourceVersion": version.to_string()},
        });
        self.commit(Kind::ConfigMap, (namespace, name), Some(&object), version);
    }

    pub fn put_namespace(&mut self, name: &str) {
        if self.namespaces.insert(name.to_owned()) {
            self.label_namespace(name, json!({}));
        }
    }

    /// Gives a namespace these labels, beside its own.
    pub fn label_namespace(&mut self, name: &str, mut labels: Value) {
        let version = self.next_version();
        labels["kubernetes.io/metadata.name"] = name.into();
        let object = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {
                "name": name, "uid": format!("namespace-{name}"), "resourceVersion": version.to_string(),
                "labels": labels,
            },
        });
        self.commit(Kind::Namespace, ("", name), Some(&object), version);
    }
}
