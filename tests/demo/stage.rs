//! The stage of the demo: the control plane, AWS, a node where there can be one, and the
//! controller.

use crate::harness::node::{Node, images};
use crate::harness::{Cluster, Controller, Issuer, background, canary, controlplane, programs};
use crate::terminal::{Outcome, Terminal};
use aws_credential_types::Credentials;
use std::path::{Path, PathBuf};
use std::time::Duration;

const HUB: &str = "111122223333";
const DATA: &str = "444455556666";
/// How often the kubelet looks at each Pod; a minute is Kubernetes' default.
const SYNC: Duration = Duration::from_secs(1);

/// Everything that runs; it ends when this is dropped.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) issuer: Issuer,
    home: Home,
}

/// Where the controller runs.
enum Home {
    /// As Pods of its Deployment.
    Node(Node),
    /// As a process beside a cluster that has no node.
    Beside(Controller),
}

impl Stage {
    /// Starts everything, the controller on a node unless there is an obstacle to one.
    pub(crate) async fn prepare(terminal: &Terminal, obstacle: Option<&str>) -> Outcome<Self> {
        let program = program()?;
        terminal.step("A control plane, AWS, and the controller");
        terminal.say("etcd, kube-apiserver and kube-controller-manager run as processes; ministack plays AWS.");
        let (cluster, issuer) = (Cluster::start().await, Issuer::start().await);
        commands(terminal, &cluster, &issuer)?;
        let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/install.yaml");
        terminal.file("install.yaml", std::fs::read(install).map_err(|e| e.to_string())?);
        let user = issuer.account(HUB).user("refreshable").await;
        let home = match obstacle {
            None => Home::Node(on_a_node(terminal, &cluster, &issuer, &user, program).await?),
            Some(obstacle) => {
                terminal.say(&format!("This cluster has no node: {obstacle}."));
                Home::Beside(beside(terminal, &cluster, &issuer, &user, program).await?)
            }
        };
        roles(terminal, &issuer).await?;
        Ok(Self { cluster, issuer, home })
    }

    /// Whether Pods run.
    pub(crate) fn has_node(&self) -> bool {
        matches!(self.home, Home::Node(_))
    }

    /// Last log lines of the controller, and of the node that it runs on.
    pub(crate) async fn log_tail(&self) -> String {
        match &self.home {
            Home::Beside(controller) => controller.process().log_tail(30),
            Home::Node(node) => {
                let arguments = [
                    "logs",
                    "-n",
                    "refreshable",
                    "-l",
                    "app.kubernetes.io/name=refreshable",
                    "--tail=30",
                ];
                let (_, log, errors) = self.cluster.try_kubectl(&arguments).await;
                [log, errors, node.log_tails()].join("\n")
            }
        }
    }
}

/// The controller's program lies beside the folder of the examples.
fn program() -> Outcome<PathBuf> {
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let folder = this.parent().and_then(Path::parent).ok_or("no target folder")?;
    let program = folder.join("refreshable-controller");
    if program.exists() {
        Ok(program)
    } else {
        Err(format!("{} is not built: use `make demo`", program.display()))
    }
}

/// Gives the terminal what the commands of the demo need: programs, variables, scripts.
fn commands(terminal: &Terminal, cluster: &Cluster, issuer: &Issuer) -> Outcome {
    terminal.programs(&programs::controlplane());
    terminal.programs(programs::python("python").parent().ok_or("no folder of Python programs")?);
    terminal.variable("KUBECONFIG", cluster.control_plane.admin_kubeconfig());
    terminal.variable("AWS_ENDPOINT_URL", issuer.url());
    terminal.variable("AWS_DEFAULT_REGION", "eu-west-1");
    terminal.variable("AWS_EC2_METADATA_DISABLED", "true");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    for script in ["demo_object.py", "demo_reader.py"] {
        let text = std::fs::read(scripts.join(script)).map_err(|e| e.to_string())?;
        terminal.file(script.trim_start_matches("demo_"), text);
    }
    Ok(())
}

const APPLY: &str = "kubectl apply --server-side --force-conflicts -f install.yaml";

async fn on_a_node(
    terminal: &Terminal,
    cluster: &Cluster,
    issuer: &Issuer,
    user: &Credentials,
    program: PathBuf,
) -> Outcome<Node> {
    terminal.say("containerd, kubelet and kube-scheduler make a node; the image was made without a container engine.");
    let images =
        background::blocking(move || [images::own("controller", &program), images::python()]).await;
    let node = Node::start(cluster, SYNC).await;
    for image in &images {
        node.import(image).await;
    }
    terminal.run(APPLY).await?;
    terminal.say("Its own identity in AWS: here the key of a user.");
    let key = format!(
        "AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}\n",
        user.access_key_id(),
        user.secret_access_key()
    );
    terminal.file("user.env", key);
    terminal
        .run("kubectl create secret generic user -n refreshable --from-env-file=user.env")
        .await?;
    let settings =
        format!("--from=secret/user AWS_REGION=eu-west-1 AWS_ENDPOINT_URL_STS={}", issuer.url());
    terminal
        .run(&format!("kubectl set env -n refreshable deployment/refreshable {settings}"))
        .await?;
    // How it comes up is told line by line, each as it happens to be looked at.
    let rollout =
        "kubectl rollout status -n refreshable deployment/refreshable --timeout=240s | tail -1";
    if !terminal.run(rollout).await?.contains("successfully rolled out") {
        return Err(node.log_tails());
    }
    Ok(node)
}

async fn beside(
    terminal: &Terminal,
    cluster: &Cluster,
    issuer: &Issuer,
    user: &Credentials,
    program: PathBuf,
) -> Outcome<Controller> {
    terminal.run(APPLY).await?;
    terminal.say("The controller runs beside it, under the rights of its ServiceAccount.");
    let kubeconfig = cluster.kubeconfig_for("refreshable", "refreshable").await;
    Ok(Controller::program(program)
        .kubeconfig(&kubeconfig)
        .args([
            "--lease-namespace",
            "refreshable",
            "--lease-name",
            "refreshable",
            "--identity",
            "demo",
        ])
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL_STS", issuer.url())
        .env("AWS_ACCESS_KEY_ID", user.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", user.secret_access_key())
        .start()
        .await)
}

async fn roles(terminal: &Terminal, issuer: &Issuer) -> Outcome {
    let (hub, data) = (issuer.account(HUB), issuer.account(DATA));
    let first = hub
        .role("refreshable-hub")
        .trusting(hub.user_arn("refreshable"))
        .allowing(&["sts:*"])
        .create()
        .await;
    data.role("reports").trusting(&first).external_id("4f2a").allowing(&["s3:*"]).create().await;
    let host = controlplane::TOKEN_ISSUER.trim_start_matches("https://");
    let subject = "system:serviceaccount:team-a:batch";
    data.role("batch").trusting_web_identity(host, subject).allowing(&["s3:*"]).create().await;
    data.role("payroll").trusting(hub.user_arn("somebody-else")).create().await;
    let root = data.root();
    terminal.say(
        "In AWS: account 111122223333 has the role refreshable-hub, which the controller's identity may assume;\n\
         account 444455556666 has the role reports, which trusts refreshable-hub with an external id.",
    );
    let keys = format!(
        "AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}",
        root.access_key_id(),
        root.secret_access_key()
    );
    canary::register(root.secret_access_key());
    let made = terminal.quietly(&format!("{keys} aws s3 mb s3://reports")).await?;
    if made.contains("make_bucket") { Ok(()) } else { Err(made) }
}
