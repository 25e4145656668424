//! The credentials that the programs are given: a real controller's, mounted as a kubelet does it,
//! in sessions of seconds.

use super::sdks::Way;
use crate::cluster::peers::{Desk, allow};
use crate::cluster::stage::Stage;
use crate::harness::agent::Agent;
use crate::harness::mounted::Mount;
use crate::harness::standin::StandIn;
use crate::harness::{issuer, scratch};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a session lives, in seconds, unless told.
pub(super) const LIFE: i32 = 20;
/// AWS's shortest session, in seconds.
const SHORTEST: i32 = 900;
/// From the change of a Secret to the change of the file, in seconds, as measured on a kubelet with
/// its defaults.
const KUBELET_DELAYS: [u32; 3] = [47, 81, 72];

/// The credentials, their files and the sidecar.
pub(super) struct Given {
    pub(super) stage: Stage,
    pub(super) mount: Mount,
    pub(super) folder: PathBuf,
    pub(super) sidecar: Agent,
    /// When each session that was issued ends.
    ends: Arc<Mutex<Vec<Timestamp>>>,
    pub(super) life: i32,
    _source: StandIn,
}

impl Given {
    /// With sessions that live for so many seconds.
    pub(super) async fn out(life: i32) -> Self {
        let stage = Stage::set().await;
        let desk = Desk::of(&stage, "consumer").await;
        let ends = Arc::new(Mutex::new(Vec::new()));
        let noted = ends.clone();
        let server = StandIn::start(move |_| {
            let (desk, noted) = (desk.clone(), noted.clone());
            async move {
                let session = desk.session_of(life).await;
                noted.lock().expect("no panic inside").push(session.expiration);
                (200, session.process_json())
            }
        })
        .await;
        allow(&stage, "consumers", json!({"urls": [server.url()]})).await;
        let folder = scratch::subfolder("mount");
        let spec = json!({
            "source": {"custom": {"http": {"url": format!("{}/credentials", server.url())}}},
            "sts": {"region": issuer::REGION},
            "secret": {"mountPath": folder, "formats": ["Credentials", "Config", "ProcessJson", "Environment"]},
        });
        stage.credential("consumer", spec).await;
        stage.until("consumer", "True", "Issued").await;
        let scale = f64::from(life) / f64::from(SHORTEST);
        let delays = KUBELET_DELAYS
            .map(|seconds| Duration::from_secs(seconds.into()).mul_f64(scale))
            .to_vec();
        let secrets = stage.namespace.api();
        let mount =
            Mount::of(secrets, "consumer", folder.clone(), delays).await.expect("a mounted Secret");
        let sidecar = Agent::program(
            env!("CARGO_BIN_EXE_refreshable-agent"),
            &folder.join("credentials.json"),
        )
        .start()
        .await;
        Self { stage, mount, folder, sidecar, ends, life, _source: server }
    }

    /// The variables that a Pod's manifest sets.
    pub(super) async fn environment(&self, way: Way) -> Vec<(String, String)> {
        let file = |variable: &str, name: &str| {
            vec![(variable.to_owned(), self.folder.join(name).display().to_string())]
        };
        match way {
            Way::File => file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            Way::Process => file("AWS_CONFIG_FILE", "config"),
            Way::Endpoint => {
                self.sidecar.environment().map(|(name, value)| (name.to_owned(), value)).to_vec()
            }
            Way::Environment => {
                let data = self.stage.published("consumer").await;
                data.into_iter().filter(|(name, _)| name.starts_with("AWS_")).collect()
            }
        }
    }

    /// When the last of the sessions ends that the files no longer hold.
    pub(super) fn former_end(&self) -> Timestamp {
        let text =
            std::fs::read_to_string(self.folder.join("credentials.json")).expect("a mounted file");
        let mounted: Value = serde_json::from_str(&text).expect("JSON");
        let mounted: Timestamp =
            mounted["Expiration"].as_str().and_then(|t| t.parse().ok()).expect("an expiration");
        let ends = self.ends.lock().expect("no panic inside");
        ends.iter().copied().filter(|end| *end < mounted).max().expect("a former session")
    }
}
