//! What the demo does, step by step.

use crate::harness::eventually::within;
use crate::harness::mounted::Mount;
use crate::harness::process::Process;
use crate::harness::{Cluster, Controller, Issuer, controlplane, programs};
use crate::terminal::{Outcome, Terminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

const HUB: &str = "111122223333";
const DATA: &str = "444455556666";
const SOON: Duration = Duration::from_secs(60);

/// What runs behind the demo.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) controller: Controller,
    /// Runs until it is dropped.
    _issuer: Issuer,
}

fn manifest(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/manifests").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The controller's program lies beside the folder of the examples.
fn program() -> Outcome<PathBuf> {
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let folder = this.parent().and_then(Path::parent).ok_or("no target folder")?;
    let program = folder.join("refreshable-controller");
    if program.exists() { Ok(program) } else { Err(format!("{} is not built: use `make demo`", program.display())) }
}

/// All steps.
pub(crate) async fn all(terminal: &Terminal, stage: &mut Option<Stage>) -> Outcome {
    let stage = &*stage.insert(prepare(terminal).await?);
    first_credential(terminal).await?;
    let secrets = kube::Api::namespaced(stage.cluster.client().await, "team-a");
    let folder = terminal.folder().join("aws");
    let mount = Mount::of(secrets, "reports-aws", folder.clone(), Vec::new()).await?;
    use_it(terminal, &folder).await?;
    renew(terminal, &folder).await?;
    denied(terminal).await?;
    drop(mount);
    delete(terminal).await
}

async fn prepare(terminal: &Terminal) -> Outcome<Stage> {
    let program = program()?;
    terminal.step("A control plane, AWS, and the controller");
    terminal.say("etcd, kube-apiserver and kube-controller-manager run as processes; ministack plays AWS.");
    let cluster = Cluster::start().await;
    let issuer = Issuer::start().await;
    let control_plane = programs::controlplane();
    terminal.programs(&control_plane);
    terminal.programs(programs::python("python").parent().ok_or("no folder of Python programs")?);
    terminal.variable("KUBECONFIG", cluster.control_plane.admin_kubeconfig());
    terminal.variable("AWS_ENDPOINT_URL", issuer.url());
    terminal.variable("AWS_DEFAULT_REGION", "eu-west-1");
    terminal.variable("AWS_EC2_METADATA_DISABLED", "true");

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    terminal.file("install.yaml", std::fs::read(root.join("deploy/install.yaml")).map_err(|e| e.to_string())?);
    for script in ["demo_object.py", "demo_reader.py"] {
        let text = std::fs::read(root.join("tests/python").join(script)).map_err(|e| e.to_string())?;
        terminal.file(script.trim_start_matches("demo_"), text);
    }
    terminal.run("kubectl apply --server-side --force-conflicts -f install.yaml").await?;
    terminal.say("This cluster has no node: the controller runs beside it, under the rights of its ServiceAccount.");
    let kubeconfig = cluster.kubeconfig_for("refreshable", "refreshable").await;
    let user = issuer.account(HUB).user("refreshable").await;
    let controller = Controller::program(program)
        .kubeconfig(&kubeconfig)
        .args(["--lease-namespace", "refreshable", "--lease-name", "refreshable", "--identity", "demo"])
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL_STS", issuer.url())
        .env("AWS_ACCESS_KEY_ID", user.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", user.secret_access_key())
        .start()
        .await;
    roles(terminal, &issuer).await?;
    Ok(Stage { cluster, controller, _issuer: issuer })
}

async fn roles(terminal: &Terminal, issuer: &Issuer) -> Outcome {
    let (hub, data) = (issuer.account(HUB), issuer.account(DATA));
    let first = hub.role("refreshable-hub").trusting(hub.user_arn("refreshable")).allowing(&["sts:*"]).create().await;
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
    let keys = format!("AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}", root.access_key_id(), root.secret_access_key());
    crate::harness::canary::register(root.secret_access_key());
    let made = terminal.quietly(&format!("{keys} aws s3 mb s3://reports")).await?;
    if made.contains("make_bucket") { Ok(()) } else { Err(made) }
}

async fn first_credential(terminal: &Terminal) -> Outcome {
    terminal.step("A chain of two roles across two accounts");
    let mount = terminal.folder().join("aws").display().to_string();
    terminal.file("policy.yaml", manifest("policy.yaml"));
    terminal.file("reports.yaml", manifest("reports.yaml").replace("MOUNT", &mount));
    terminal.run("cat policy.yaml reports.yaml").await?;
    terminal.run("kubectl create namespace team-a").await?;
    terminal.run("kubectl apply -n team-a -f policy.yaml -f reports.yaml").await?;
    terminal.run("kubectl wait -n team-a --for=condition=Ready --timeout=60s rcred/reports").await?;
    terminal.run("kubectl get rcred -n team-a -o wide").await?;
    Ok(())
}

async fn use_it(terminal: &Terminal, folder: &Path) -> Outcome {
    terminal.step("boto3 calls S3 with the Secret, as a Pod mounts it");
    let folder = folder.display();
    terminal.run(&format!("ls {folder}")).await?;
    terminal.say("The credentials file, for programs that read it afresh:");
    terminal.run(&format!("AWS_SHARED_CREDENTIALS_FILE={folder}/credentials python object.py")).await?;
    terminal.say("The config file, which reads credentials.json again and again, for long-lived programs:");
    terminal.run(&format!("AWS_CONFIG_FILE={folder}/config python object.py")).await?;
    terminal.say("Environment variables, here of a namespace's own ServiceAccount, for which no policy is needed:");
    terminal.file("batch.yaml", manifest("batch.yaml"));
    terminal.run("kubectl apply -n team-a -f batch.yaml").await?;
    terminal.run("kubectl wait -n team-a --for=condition=Ready --timeout=60s rcred/batch").await?;
    let export = "kubectl get secret -n team-a batch -o go-template='{{range $k, $v := .data}}export {{$k}}={{base64decode $v}}{{\"\\n\"}}{{end}}'";
    terminal.run(&format!("eval \"$({export})\" && python object.py")).await?;
    Ok(())
}

async fn renew(terminal: &Terminal, folder: &Path) -> Outcome {
    terminal.step("A refresh reaches the program that runs");
    terminal.say("This session lives 15 minutes, within boto3's refresh window: it looks before every request.");
    let python = programs::python("python");
    let mut reader = Process::builder("reader", python, terminal.folder())
        .arg(terminal.folder().join("reader.py"))
        .env("AWS_CONFIG_FILE", folder.join("config"));
    for (name, value) in terminal.variables() {
        reader = reader.env(&name, value);
    }
    let reader = reader.start();
    let signed = async |times: usize| {
        within(SOON, "the reader signs with a new key", async || {
            let log = reader.log();
            if log.matches("signed with").count() >= times { Ok(()) } else { Err(log) }
        })
        .await
    };
    signed(1).await?;
    terminal.run("kubectl annotate -n team-a rcred/reports refreshable.dev/requested-at=$(date +%s)").await?;
    signed(2).await?;
    terminal.say("What the running program printed:");
    terminal.file("reader.txt", reader.log());
    terminal.run("cat reader.txt").await?;
    reader.kill();
    Ok(())
}

async fn denied(terminal: &Terminal) -> Outcome {
    terminal.step("What AWS denies, and what is wrong, says what to do");
    terminal.file("payroll.yaml", manifest("payroll.yaml"));
    terminal.run("kubectl apply -n team-a -f payroll.yaml").await?;
    terminal.run("kubectl wait -n team-a --for=condition=Ready=False --timeout=60s rcred/payroll").await?;
    terminal.run("kubectl get rcred -n team-a payroll").await?;
    let message = "{.status.failures.reason}{\": \"}{.status.failures.message}{\"\\n\"}";
    let read = terminal.run(&format!("kubectl get rcred -n team-a payroll -o jsonpath='{message}'")).await?;
    if !read.contains("AccessDenied") {
        return Err(format!("no denial: {read}"));
    }
    terminal.file("two-hours.yaml", manifest("two-hours.yaml"));
    let refused = terminal.refused("kubectl apply -n team-a -f two-hours.yaml").await?;
    if refused.contains("3600 or less") { Ok(()) } else { Err(refused) }
}

async fn delete(terminal: &Terminal) -> Outcome {
    terminal.step("Deleted, and the Secret with it");
    terminal.run("kubectl get secrets -n team-a").await?;
    terminal.run("kubectl delete rcred -n team-a --all").await?;
    terminal.run("kubectl wait -n team-a --for=delete --timeout=60s secret/reports-aws secret/batch").await?;
    terminal.run("kubectl get secrets -n team-a").await?;
    Ok(())
}
