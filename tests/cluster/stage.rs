//! A stage for one test: a namespace, an AWS account behind a recording proxy, and a controller of
//! its own.

use crate::harness::eventually::eventually;
use crate::harness::{Cluster, Controller, Issuer, Proxy, canary, cluster, controller, scratch};
use aws_credential_types::Credentials;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use refreshable_api::RefreshableCredential;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longest time that anything on a stage takes, on a loaded machine.
pub const SOON: Duration = Duration::from_secs(30);

/// The stage.
pub struct Stage {
    /// The cluster, which other stages share.
    pub cluster: &'static Cluster,
    /// The namespace.
    pub namespace: cluster::Namespace,
    /// The proxy between this stage's controller and AWS.
    pub aws: Proxy,
    /// AWS.
    pub issuer: &'static Issuer,
    /// The account that the roles lie in.
    pub account: String,
    controller: Option<Controller>,
    user: Credentials,
}

impl Stage {
    /// Sets a stage whose controller watches this namespace, under the name of a user of `account`.
    pub async fn set() -> Self {
        Self::with_latency(Duration::ZERO).await
    }

    /// The same, with an issuer that takes its time.
    pub async fn with_latency(latency: Duration) -> Self {
        let mut stage = Self::empty(latency).await;
        stage.controller = Some(
            stage.program().args(["--no-leader-election", "--log-level", "debug"]).start().await,
        );
        stage
    }

    /// A stage on which the test starts controllers itself.
    pub async fn without_controller() -> Self {
        Self::empty(Duration::ZERO).await
    }

    /// A stage on a cluster of its own, for tests that stop its servers; on which the test starts
    /// controllers itself. Its servers run until [`strike_cluster`](Self::strike_cluster).
    pub async fn apart() -> Self {
        Self::on(Box::leak(Box::new(Cluster::start().await))).await
    }

    /// Ends the servers of a stage apart.
    pub fn strike_cluster(self) {
        drop(self.controller);
        self.cluster.control_plane.kill();
    }

    /// Starts the controller of a stage that has none, as `change` makes it.
    pub async fn started(
        mut self,
        change: impl FnOnce(controller::Builder) -> controller::Builder,
    ) -> Self {
        self.controller = Some(change(self.program().args(["--log-level", "debug"])).start().await);
        self
    }

    /// The same, with a controller that was started elsewhere.
    pub fn with_controller(mut self, controller: Controller) -> Self {
        self.controller = Some(controller);
        self
    }

    /// The same, on a cluster of one's own.
    pub async fn on(cluster: &'static Cluster) -> Self {
        Self::empty_on(cluster, Duration::ZERO).await
    }

    async fn empty(latency: Duration) -> Self {
        Self::empty_on(Cluster::shared().await, latency).await
    }

    async fn empty_on(cluster: &'static Cluster, latency: Duration) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let issuer = Issuer::shared().await;
        let account = format!("{:012}", 100_000_000_000 + COUNT.fetch_add(1, Ordering::Relaxed));
        let namespace = cluster.namespace("stage").create().await;
        let aws = Proxy::to(issuer.url()).latency(latency).start().await;
        let user = issuer.account(&account).user("controller").await;
        Self { cluster, namespace, aws, issuer, account, controller: None, user }
    }

    /// A controller for this namespace, to be started.
    pub fn program(&self) -> controller::Builder {
        self.bare_program().args(["--watch-namespace", &self.namespace.name])
    }

    /// A controller for every namespace of the cluster, which had better be the stage's own.
    pub fn bare_program(&self) -> controller::Builder {
        Controller::program(env!("CARGO_BIN_EXE_refreshable-controller"))
            .kubeconfig(self.cluster.control_plane.admin_kubeconfig())
            .env("AWS_ACCESS_KEY_ID", self.user.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", self.user.secret_access_key())
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL_STS", self.aws.url())
    }

    /// The stage's controller.
    pub fn controller(&self) -> &Controller {
        self.controller.as_ref().expect("a stage with a controller")
    }

    /// Kills the controller as a crash does, starts it again, and waits until it has looked at
    /// every resource: what it would do because of its start has been done by then.
    pub async fn restart(&mut self) {
        self.restart_within(SOON).await;
    }

    /// The same, with another patience.
    pub async fn restart_within(&mut self, patience: Duration) {
        self.controller.as_mut().expect("a stage with a controller").restart().await;
        self.looked_at_all(patience).await;
    }

    /// Waits until the controller has looked as often as there are resources.
    pub async fn looked_at_all(&self, patience: Duration) {
        let resources =
            self.credentials().list(&ListParams::default()).await.expect("resources").items.len();
        assert!(resources > 0, "there is something to look at");
        self.controller().looked_at(resources, patience).await;
    }

    /// A role that the controller's own identity may assume, and a policy that allows it.
    pub async fn role(&self, name: &str) -> String {
        self.role_allowing(name, &["s3:*", "sts:*"]).await
    }

    /// The same, with these actions alone.
    pub async fn role_allowing(&self, name: &str, actions: &[&str]) -> String {
        let account = self.issuer.account(&self.account);
        let trusted = account.user_arn("controller");
        let role = account.role(name).trusting(trusted).allowing(actions).create().await;
        self.allow(&[&role]).await;
        role
    }

    /// Lets this namespace assume these roles from the controller's own identity, under any name
    /// and with any tags.
    pub async fn allow(&self, arns: &[&str]) {
        let name = format!(
            "{}-{}",
            self.namespace.name,
            arns.join("-").replace([':', '/', '*'], "-").to_lowercase()
        );
        self.apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1",
            "kind": "CredentialPolicy",
            "metadata": {"name": name},
            "spec": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace.name}},
                "allow": {"roles": [{
                    "arns": arns, "sessionNames": ["*"], "sourceIdentities": ["*"], "tags": [{"key": "*"}],
                }]},
                "withdrawAfter": "Immediate",
            },
        }))
        .await;
    }

    /// Applies any object with kubectl.
    pub async fn apply(&self, object: Value) {
        let (ok, _, error) = self.try_apply(&object).await;
        assert!(ok, "{error}\n{object:#}");
    }

    /// Applies any object with kubectl: whether it was taken, and what kubectl said.
    pub async fn try_apply(&self, object: &Value) -> (bool, String, String) {
        let file = scratch::subfolder("object").join("object.json");
        let file = scratch::write(file, object.to_string());
        self.cluster.try_kubectl(&["apply", "--filename", &file.display().to_string()]).await
    }

    /// Applies a RefreshableCredential with this specification.
    pub async fn credential(&self, name: &str, spec: Value) {
        self.apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1",
            "kind": "RefreshableCredential",
            "metadata": {"name": name, "namespace": self.namespace.name},
            "spec": spec,
        }))
        .await;
    }

    /// The RefreshableCredentials of the namespace.
    pub fn credentials(&self) -> Api<RefreshableCredential> {
        self.namespace.api()
    }

    /// Makes a Secret with these texts.
    pub async fn secret(&self, name: &str, data: &[(&str, &str)]) {
        let secret = Secret {
            metadata: kube::core::ObjectMeta { name: Some(name.to_owned()), ..Default::default() },
            string_data: Some(
                data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            ),
            ..Secret::default()
        };
        self.namespace
            .api::<Secret>()
            .create(&PostParams::default(), &secret)
            .await
            .expect("the Secret is made");
    }

    /// Lets a Secret be adopted, as its owner does.
    pub async fn allow_adoption(&self, name: &str) {
        let namespace = self.namespace.name.as_str();
        let allowed = "refreshable.dev/allow-adoption=true";
        self.cluster
            .kubectl(&["annotate", "secret", "--namespace", namespace, name, allowed])
            .await;
    }

    /// Waits until the resource's Ready condition has this status and reason, and returns the
    /// resource.
    pub async fn until(&self, name: &str, status: &str, reason: &str) -> RefreshableCredential {
        let what = format!("{name} is Ready={status} ({reason})");
        self.until_it(name, &what, |c| ready(c) == Some((status.to_owned(), reason.to_owned())))
            .await
    }

    /// Waits until the resource meets a condition.
    pub async fn until_it(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&RefreshableCredential) -> bool,
    ) -> RefreshableCredential {
        let api = self.credentials();
        eventually(SOON, what, async || match api.get(name).await {
            Ok(object) if holds(&object) => Ok(object),
            Ok(object) => Err(format!("{:#?}\n{}", object.status, self.log_tail())),
            Err(error) => Err(error.to_string()),
        })
        .await
    }

    fn log_tail(&self) -> String {
        self.controller.as_ref().map(|c| c.process().log_tail(20)).unwrap_or_default()
    }

    /// Data of the published Secret.
    pub async fn published(&self, name: &str) -> BTreeMap<String, String> {
        let secret = self.namespace.api::<Secret>().get(name).await.expect("the Secret is there");
        let data = secret.data.unwrap_or_default();
        data.into_iter().map(|(k, v)| (k, String::from_utf8(v.0).expect("text"))).collect()
    }

    /// The access key id in the published process JSON.
    pub async fn key_id(&self, secret: &str) -> String {
        let published = self.published(secret).await;
        let json: Value = serde_json::from_str(&published["credentials.json"]).expect("JSON");
        json["AccessKeyId"].as_str().expect("a key id").to_owned()
    }

    /// Changes a resource by a merge patch.
    pub async fn patch(&self, name: &str, patch: Value) {
        self.credentials()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("it is patched");
    }

    /// Ends the stage: no secret stands in any output.
    pub async fn strike(self) {
        self.controller().assert_clean().await;
        let objects = self.credentials().list(&Default::default()).await.expect("a list");
        canary::assert_clean(&serde_json::to_string(&objects).expect("JSON"), "the resources");
        let events = self
            .cluster
            .kubectl(&["get", "events", "--namespace", &self.namespace.name, "--output", "json"])
            .await;
        canary::assert_clean(&events, "the events");
    }
}

/// Status and reason of the Ready condition.
pub fn ready(object: &RefreshableCredential) -> Option<(String, String)> {
    let condition = object.status.as_ref()?.conditions.iter().find(|c| c.type_ == "Ready")?;
    Some((condition.status.clone(), condition.reason.clone()))
}
