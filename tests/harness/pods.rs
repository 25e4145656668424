//! Pods as processes: what a node does with the controller's Pods, without containers.
//!
//! For each Pod of a namespace a controller is started with the environment, the mounted files and
//! the ServiceAccount that the Pod asks for, probed as the Pod says, and what was seen is reported
//! in the Pod's status. So a Deployment becomes available when the program really becomes ready
//! with what the chart gives it, and `--wait` waits for that.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, Secret, Volume};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::cluster::Cluster;
use super::controller::{Builder, Controller};
use super::scratch;

/// Between two looks at the Pods.
const PAUSE: Duration = Duration::from_millis(200);

/// The node. Its processes end when it is dropped.
pub struct Pods {
    running: Running,
    _work: AbortOnDropHandle<()>,
}

type Running = Arc<Mutex<BTreeMap<String, Arc<Controller>>>>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pods {
    /// Runs the Pods of a namespace from this program, whatever image they name.
    pub async fn run(cluster: &Arc<Cluster>, namespace: &str, program: &'static str) -> Self {
        let running = Running::default();
        let node = Node {
            client: cluster.client().await,
            cluster: cluster.clone(),
            namespace: namespace.to_owned(),
            program,
            running: running.clone(),
        };
        Self { running, _work: AbortOnDropHandle::new(tokio::spawn(node.work())) }
    }

    /// The controllers that run, by the names of their Pods.
    pub fn running(&self) -> BTreeMap<String, Arc<Controller>> {
        locked(&self.running).clone()
    }
}

struct Node {
    client: Client,
    cluster: Arc<Cluster>,
    namespace: String,
    program: &'static str,
    running: Running,
}

impl Node {
    async fn work(self) {
        loop {
            if let Err(error) = self.look().await {
                eprintln!("the Pods of {}: {error}", self.namespace);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&self) -> Result<(), kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let pods = api.list(&ListParams::default()).await?;
        let known = locked(&self.running).clone();
        for (name, controller) in &known {
            // Pods that no scheduler placed are gone at once when they are deleted.
            if !pods
                .iter()
                .any(|pod| pod.name_any() == *name && pod.metadata.deletion_timestamp.is_none())
            {
                controller.stop().await;
                locked(&self.running).remove(name);
            }
        }
        for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
            let name = pod.name_any();
            let container = &pod.spec.as_ref().expect("a Pod has a specification").containers[0];
            match known.get(&name) {
                Some(controller) => self.report(&api, pod, container, controller).await?,
                None => {
                    let controller = Arc::new(self.start(pod, container).await?.spawn());
                    locked(&self.running).insert(name, controller);
                }
            }
        }
        Ok(())
    }

    async fn start(&self, pod: &Pod, container: &Container) -> Result<Builder, kube::Error> {
        let spec = pod.spec.as_ref().expect("a specification");
        let account = spec.service_account_name.as_deref().unwrap_or("default");
        let folder = scratch::subfolder("pod");
        let mut mounts = Vec::new();
        for volume in spec.volumes.iter().flatten() {
            let local = folder.join(&volume.name);
            std::fs::create_dir_all(&local).expect("a folder for a volume");
            self.fill(volume, account, &local).await?;
            let all = container.volume_mounts.iter().flatten().filter(|m| m.name == volume.name);
            mounts.extend(all.map(|m| (m.mount_path.clone(), local.display().to_string())));
        }
        let token = self.cluster.token(&self.namespace, account, &[]).await;
        // A file of its own: others read theirs meanwhile.
        let kubeconfig = self
            .cluster
            .control_plane
            .token_kubeconfig(&format!("{}.kubeconfig", pod.name_any()), &token);
        let mut builder = Controller::program(self.program).kubeconfig(&kubeconfig);
        for variable in container.env.iter().flatten() {
            let mut value = variable.value.clone().unwrap_or_default();
            if let Some(source) = &variable.value_from {
                value = match (&source.field_ref, &source.secret_key_ref) {
                    (Some(field), _) if field.field_path == "metadata.name" => pod.name_any(),
                    (Some(field), _) if field.field_path == "metadata.namespace" => {
                        self.namespace.clone()
                    }
                    (_, Some(reference)) => {
                        let secret =
                            Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
                        let data = secret.get(&reference.name).await?.data.unwrap_or_default();
                        String::from_utf8_lossy(&data[&reference.key].0).into_owned()
                    }
                    other => panic!("{}: {other:?} is not known here", variable.name),
                };
            }
            for (inside, outside) in &mounts {
                if let Some(rest) =
                    value.strip_prefix(inside.as_str()).filter(|rest| rest.starts_with('/'))
                {
                    value = format!("{outside}{rest}");
                }
            }
            builder = builder.env(&variable.name, value);
        }
        Ok(builder)
    }

    async fn fill(&self, volume: &Volume, account: &str, folder: &Path) -> Result<(), kube::Error> {
        let write = |name: &str, content: &[u8]| drop(scratch::write(folder.join(name), content));
        if let Some(source) = &volume.config_map {
            let map = Api::<ConfigMap>::namespaced(self.client.clone(), &self.namespace)
                .get(&source.name)
                .await?;
            map.data.iter().flatten().for_each(|(name, text)| write(name, text.as_bytes()));
        } else if let Some(source) = &volume.secret {
            let name = source.secret_name.as_deref().unwrap_or_default();
            let secret =
                Api::<Secret>::namespaced(self.client.clone(), &self.namespace).get(name).await?;
            secret.data.iter().flatten().for_each(|(name, bytes)| write(name, &bytes.0));
        } else if let Some(source) = &volume.projected {
            for projection in source.sources.iter().flatten() {
                let token = projection.service_account_token.as_ref().expect("a projected token");
                let audience = token.audience.as_deref().unwrap_or_default();
                write(
                    &token.path,
                    self.cluster.token(&self.namespace, account, &[audience]).await.as_bytes(),
                );
            }
        } else {
            panic!("volume {} is not known here", volume.name);
        }
        Ok(())
    }

    async fn report(
        &self,
        api: &Api<Pod>,
        pod: &Pod,
        container: &Container,
        controller: &Controller,
    ) -> Result<(), kube::Error> {
        let probe = container
            .readiness_probe
            .as_ref()
            .and_then(|p| p.http_get.as_ref())
            .expect("a readiness probe");
        let path = probe.path.as_deref().unwrap_or("/");
        let ready = matches!(controller.page(path).await, Ok((200, _)));
        let ended = controller.process().exit_status();
        let status = if ready { "True" } else { "False" };
        let conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
        if conditions.clone().any(|c| c.type_ == "Ready" && c.status == status) {
            return Ok(());
        }
        if ended.is_some() {
            eprintln!("{} ended: {ended:?}\n{}", pod.name_any(), controller.process().log_tail(20));
        }
        let now = jiff::Timestamp::now().to_string();
        let condition =
            |kind: &str| json!({"type": kind, "status": status, "lastTransitionTime": now});
        let body = json!({"status": {
            "phase": "Running",
            "conditions": [condition("Ready"), condition("ContainersReady")],
            "containerStatuses": [{
                "name": container.name, "image": container.image, "imageID": "", "ready": ready, "restartCount": 0,
                "started": true, "state": {"running": {"startedAt": now}},
            }],
        }});
        match api
            .patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(&body))
            .await
        {
            // It was deleted meanwhile.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => other.map(drop),
        }
    }
}
