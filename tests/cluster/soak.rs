//! Faults in a row on real processes, drawn from a seed, with a calm after each few: `make soak`.
//!
//! It stands apart from `make test`, because it takes as long as it is given (`MINUTES`). The world
//! tier draws far more faults in far less time; here the network, etcd, the API server and the
//! process are the real ones. `SEED` runs the faults of a printed seed again, in another timing.

use super::gap::through;
use super::scale::LIMIT;
use super::stage::{Stage, ready};
use crate::harness::environment::number;
use crate::harness::gate::Gate;
use crate::harness::{Controller, eventually, stays, usage};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use refreshable_api::RefreshableCredential;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long sessions live.
const LIFETIME: Duration = Duration::from_secs(40);
/// Faults before each calm.
const IN_A_ROW: usize = 6;
/// A lease that was left is taken over, watches are back, and pauses after failures are over.
const SETTLES: Duration = Duration::from_secs(150);
/// How long a calm is watched: two rotations of each resource.
const CALM: Duration = Duration::from_secs(45);
const RESOURCES: usize = 24;
const REPLICAS: usize = 2;

/// A fault, with what chance decides of it.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Crashes { replica: usize },
    Ends { replica: usize },
    StandsStill { replica: usize, seconds: u64 },
    IsCutOff { replica: usize, seconds: u64 },
    AllAreCutOff { seconds: u64 },
    ApiServerStandsStill { seconds: u64 },
    ApiServerRestarts,
    EtcdCrashes,
    EtcdIsRestored,
    Issuer { how: usize, seconds: u64 },
    SecretIsDeleted { of: usize },
    SecretIsAltered { of: usize },
    SecretLosesItsLabel { of: usize },
    IsMadeAnew { of: usize },
    Changes { of: usize },
    IsAskedFor { of: usize },
}

impl Fault {
    fn draw(random: &mut fastrand::Rng) -> Self {
        let (replica, of) = (random.usize(0..REPLICAS), random.usize(0..RESOURCES));
        // As many short ones as long ones.
        let seconds = 1 << random.u32(0..5);
        match random.u32(0..16) {
            0 => Self::Crashes { replica },
            1 => Self::Ends { replica },
            2 => Self::StandsStill { replica, seconds },
            3 => Self::IsCutOff { replica, seconds },
            4 => Self::AllAreCutOff { seconds },
            5 => Self::ApiServerStandsStill { seconds },
            6 => Self::ApiServerRestarts,
            7 => Self::EtcdCrashes,
            8 => Self::EtcdIsRestored,
            9 => Self::SecretIsDeleted { of },
            10 => Self::SecretIsAltered { of },
            11 => Self::SecretLosesItsLabel { of },
            12 => Self::IsMadeAnew { of },
            13 => Self::Changes { of },
            14 => Self::IsAskedFor { of },
            _ => Self::Issuer { how: random.usize(0..5), seconds },
        }
    }
}

/// One replica, and its own way to the API server.
struct Replica {
    controller: Controller,
    gate: Gate,
}

impl Replica {
    async fn start(stage: &Stage, number: usize) -> Self {
        let control_plane = &stage.cluster.control_plane;
        let gate = Gate::before(control_plane.url().trim_start_matches("https://")).await;
        let user = control_plane.kubeconfig_of(&identity(number), &["system:masters"]);
        let controller = stage
            .program()
            .kubeconfig(&through(&gate, stage.cluster, &user))
            .args(["--lease-namespace", &stage.namespace.name, "--identity", &identity(number)])
            .spawn();
        Self { controller, gate }
    }
}

/// Identity of a replica, and the user that it is to the API server.
fn identity(number: usize) -> String {
    format!("soaked-{number}")
}

fn name_of(number: usize) -> String {
    format!("soaked-{number:02}")
}

fn spec(role: &str) -> Value {
    json!({"roles": [{"roleArn": role}]})
}

/// The stage, its replicas, and the two roles that resources change between.
struct Soak {
    stage: Stage,
    replicas: Vec<Replica>,
    roles: [String; 2],
    snapshot: Option<PathBuf>,
}

impl Soak {
    async fn begin() -> Self {
        let stage = Stage::apart().await;
        let roles = [stage.role("first").await, stage.role("second").await];
        let mut replicas = Vec::new();
        for number in 0..REPLICAS {
            replicas.push(Replica::start(&stage, number).await);
        }
        let soak = Self { stage, replicas, roles, snapshot: None };
        soak.mend_issuer();
        for number in 0..RESOURCES {
            soak.stage.credential(&name_of(number), spec(&soak.roles[number % 2])).await;
        }
        soak
    }

    /// The issuer answers as it should; its sessions are short.
    fn mend_issuer(&self) {
        self.stage.aws.heal();
        let _ = self.stage.aws.on("AssumeRole").expires_in(LIFETIME);
    }

    async fn suffer(&mut self, fault: Fault) {
        let control_plane = &self.stage.cluster.control_plane;
        let replica = |number: usize| &self.replicas[number];
        match fault {
            Fault::Crashes { replica: r } => replica(r).controller.process().start_again(),
            Fault::Ends { replica: r } => {
                replica(r).controller.stop().await;
            }
            Fault::StandsStill { replica: r, seconds } => {
                replica(r).controller.process().freeze();
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                replica(r).controller.process().thaw();
            }
            Fault::IsCutOff { replica: r, seconds } => {
                replica(r).gate.close();
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                replica(r).gate.open();
            }
            Fault::AllAreCutOff { seconds } => {
                self.replicas.iter().for_each(|r| r.gate.close());
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                self.replicas.iter().for_each(|r| r.gate.open());
            }
            Fault::ApiServerStandsStill { seconds } => {
                control_plane.api_server().freeze();
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                control_plane.api_server().thaw();
            }
            Fault::ApiServerRestarts => control_plane.restart_api_server().await,
            Fault::EtcdCrashes => control_plane.etcd().start_again(),
            Fault::EtcdIsRestored => {
                if let Some(snapshot) = &self.snapshot {
                    control_plane.restore(snapshot).await;
                }
            }
            Fault::Issuer { how, seconds } => {
                let calls = self.stage.aws.on_everything();
                let fault = match how {
                    0 => calls.throttles(),
                    1 => calls.hangs(),
                    2 => calls.loses_its_answer(),
                    3 => calls.answers_html(200),
                    _ => calls.breaks(),
                };
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                fault.lift();
            }
            Fault::SecretIsDeleted { of } => self.delete_secret(of).await,
            Fault::SecretIsAltered { of } => {
                self.alter_secret(of, json!({"stringData": {"credentials": "[default]\n"}})).await;
            }
            Fault::SecretLosesItsLabel { of } => {
                let label = json!({"app.kubernetes.io/managed-by": null});
                self.alter_secret(of, json!({"metadata": {"labels": label}})).await;
            }
            Fault::IsMadeAnew { of } => {
                let api = self.stage.credentials();
                // A restore of older data may have taken it, and a server that is away may refuse.
                let _ = api.delete(&name_of(of), &DeleteParams::default()).await;
                self.apply(of, &self.roles[of % 2]).await;
            }
            Fault::Changes { of } => self.apply(of, &self.roles[(of + 1) % 2]).await,
            Fault::IsAskedFor { of } => {
                let now = Timestamp::now().to_string();
                let patch =
                    json!({"metadata": {"annotations": {"refreshable.dev/requested-at": now}}});
                let api = self.stage.credentials();
                let _ =
                    api.patch(&name_of(of), &PatchParams::default(), &Patch::Merge(patch)).await;
            }
        }
    }

    async fn delete_secret(&self, of: usize) {
        let api = self.stage.namespace.api::<Secret>();
        let _ = api.delete(&name_of(of), &DeleteParams::default()).await;
    }

    async fn alter_secret(&self, of: usize, patch: Value) {
        let api = self.stage.namespace.api::<Secret>();
        let _ = api.patch(&name_of(of), &PatchParams::default(), &Patch::Merge(patch)).await;
    }

    async fn apply(&self, of: usize, role: &str) {
        let object = json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": name_of(of)}, "spec": spec(role),
        });
        let apply = PatchParams::apply("soak").force();
        let _ = self.stage.credentials().patch(&name_of(of), &apply, &Patch::Apply(object)).await;
    }

    /// As a kubelet does: what has ended is started again.
    fn start_what_ended(&self) {
        for replica in &self.replicas {
            if replica.controller.process().exit_status().is_some() {
                replica.controller.process().start_again();
            }
        }
    }

    /// Every resource is Ready, and its Secret holds what it asks for, valid: else what is not.
    async fn judge(&self) -> Result<(), String> {
        self.start_what_ended();
        let text = |e: kube::Error| e.to_string();
        let list = ListParams::default();
        let resources = self.stage.credentials().list(&list).await.map_err(text)?;
        let secrets = self.stage.namespace.api::<Secret>().list(&list).await.map_err(text)?;
        let secrets: BTreeMap<String, Secret> =
            secrets.into_iter().map(|s| (s.metadata.name.clone().unwrap_or_default(), s)).collect();
        if resources.items.len() != RESOURCES {
            return Err(format!("{} resources", resources.items.len()));
        }
        let faults: Vec<String> = resources
            .iter()
            .filter_map(|object| {
                let name = object.metadata.name.as_deref().unwrap_or_default();
                let fault = fault_of(object, secrets.get(name))?;
                Some(format!("{name}: {fault}"))
            })
            .collect();
        match faults.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} of {RESOURCES}, as {first}", faults.len())),
        }
    }

    /// Waits until all is well, and watches that it stays so.
    async fn calm(&self) {
        self.mend_issuer();
        self.replicas.iter().for_each(|r| r.gate.open());
        eventually(SETTLES, "every resource has valid credentials", async || {
            self.judge().await.map_err(|seen| format!("{seen}\n{}", self.logs()))
        })
        .await;
        let before = self.stage.aws.calls_of("AssumeRole").len();
        stays(CALM, "every resource has valid credentials", async || {
            self.judge().await.map_err(|seen| format!("{seen}\n{}", self.logs()))
        })
        .await;
        let calls = self.stage.aws.calls_of("AssumeRole").len() - before;
        // Two rotations, and one more at an end of the time.
        assert!(calls <= RESOURCES * 4, "{calls} calls in {CALM:?} for {RESOURCES} resources");
        for replica in &self.replicas {
            let held = usage::memory(replica.controller.process().id(), "VmHWM");
            assert!(held < LIMIT, "{held} KiB");
            replica.controller.assert_clean().await;
            assert!(!replica.controller.log().contains("panicked"), "{}", self.logs());
        }
    }

    fn logs(&self) -> String {
        self.replicas.iter().map(|r| r.controller.process().log_tail(6)).collect()
    }

    /// Writes of one replica while the last write of the lease was another's.
    fn assert_one_writes_at_a_time(&self, since: Timestamp) {
        let audit = self.stage.cluster.audit().within(&self.stage.namespace.name).since(since);
        let audit = audit.writes().only(|r| r.code < 300 && r.user.starts_with("soaked-"));
        let mut requests = audit.requests().to_vec();
        requests.sort_by_key(|r| r.at);
        // Who held it before the first of its writes is not known.
        let mut holder = None;
        let (mut judged, mut wrong) = (0, Vec::new());
        for request in &requests {
            match (request.resource.as_str(), holder) {
                ("leases", _) => holder = Some(&request.user),
                ("secrets" | "refreshablecredentials", Some(holder)) => {
                    judged += 1;
                    if request.user != *holder {
                        wrong.push(format!("{request:?} while {holder} held the lease"));
                    }
                }
                _ => {}
            }
        }
        assert!(judged > RESOURCES, "{judged} writes were judged");
        assert!(wrong.is_empty(), "{} writes: {:#?}", wrong.len(), wrong.first());
    }
}

/// Why this resource is not as its user asked.
fn fault_of(object: &RefreshableCredential, secret: Option<&Secret>) -> Option<String> {
    let condition = ready(object);
    if condition.as_ref().is_none_or(|(status, _)| status != "True") {
        return Some(format!("{condition:?}"));
    }
    let status = object.status.as_ref()?;
    if status.observed_generation != object.metadata.generation {
        return Some("its last change was not seen".to_owned());
    }
    let role = object.spec.roles.first().map(|r| r.role_arn.rsplit('/').next().unwrap_or_default());
    let principal = status.principal.as_ref().and_then(|p| p.arn.as_deref()).unwrap_or_default();
    if !principal.contains(&format!("/{}/", role.unwrap_or_default())) {
        return Some(format!("{principal} instead of {role:?}"));
    }
    let Some(secret) = secret else { return Some("it has no Secret".to_owned()) };
    let data = secret.data.as_ref()?;
    let json = data.get("credentials.json").map(|bytes| bytes.0.as_slice()).unwrap_or_default();
    let Ok(json) = serde_json::from_slice::<Value>(json) else {
        return Some("its Secret cannot be read".to_owned());
    };
    let key = json["AccessKeyId"].as_str().unwrap_or_default();
    let file = data.get("credentials").map(|bytes| bytes.0.as_slice()).unwrap_or_default();
    if !String::from_utf8_lossy(file).contains(key) {
        return Some("its files are of two sessions".to_owned());
    }
    let expiration: Option<Timestamp> = json["Expiration"].as_str().and_then(|t| t.parse().ok());
    match expiration {
        Some(end) if end > Timestamp::now() => None,
        other => Some(format!("it ended at {other:?}")),
    }
}

#[tokio::test]
#[ignore = "takes as long as it is given: make soak"]
async fn real_servers_and_processes_fail_in_a_row_and_all_settles() {
    let minutes = number("REFRESHABLE_MINUTES").unwrap_or(10_u64);
    let seed = number("REFRESHABLE_SEED").unwrap_or_else(|| fastrand::u64(0..1_000_000));
    println!("{minutes} minutes of faults of seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let began = Instant::now();
    let mut soak = Soak::begin().await;
    soak.calm().await;
    let mut suffered = 0;
    while began.elapsed() < Duration::from_secs(minutes * 60) {
        let since = Timestamp::now() - SignedDuration::from_secs(5);
        soak.snapshot = Some(soak.stage.cluster.control_plane.snapshot());
        for _ in 0..IN_A_ROW {
            let fault = Fault::draw(&mut random);
            println!("{:?} {fault:?}", began.elapsed());
            soak.suffer(fault).await;
            suffered += 1;
            soak.start_what_ended();
            tokio::time::sleep(Duration::from_millis(random.u64(0..8_000))).await;
        }
        soak.calm().await;
        soak.assert_one_writes_at_a_time(since);
    }
    println!("{suffered} faults in {:?}, seed {seed}", began.elapsed());
    drop(soak.replicas);
    soak.stage.strike_cluster();
}
