//! Steps of the demo, in their order.

use crate::harness::eventually::within;
use crate::harness::mounted::Mount;
use crate::harness::process::Process;
use crate::harness::programs;
use crate::pod;
use crate::stage::Stage;
use crate::terminal::{Outcome, Terminal};
use std::path::Path;
use std::time::Duration;

/// Longest time that a program takes to see something.
const SOON: Duration = Duration::from_secs(60);

pub(crate) fn manifest(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/manifests").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All steps; `obstacle` is why there is no node.
pub(crate) async fn all(
    terminal: &Terminal,
    obstacle: Option<&str>,
    stage: &mut Option<Stage>,
) -> Outcome {
    let stage = &*stage.insert(Stage::prepare(terminal, obstacle).await?);
    first_credential(terminal).await?;
    let secrets = kube::Api::namespaced(stage.cluster.client().await, "team-a");
    let folder = terminal.folder().join("aws");
    let mount = Mount::of(secrets, "reports-aws", folder.clone(), Vec::new()).await?;
    use_it(terminal, &folder).await?;
    renew(terminal, &folder).await?;
    denied(terminal).await?;
    drop(mount);
    if stage.has_node() {
        pod::reads(terminal, stage).await?;
    }
    delete(terminal).await
}

async fn first_credential(terminal: &Terminal) -> Outcome {
    terminal.step("A chain of two roles across two accounts");
    let mount = terminal.folder().join("aws").display().to_string();
    terminal.file("policy.yaml", manifest("policy.yaml"));
    terminal.file("reports.yaml", manifest("reports.yaml").replace("MOUNT", &mount));
    terminal.run("cat policy.yaml reports.yaml").await?;
    terminal.run("kubectl create namespace team-a").await?;
    terminal.run("kubectl apply -n team-a -f policy.yaml -f reports.yaml").await?;
    terminal
        .run("kubectl wait -n team-a --for=condition=Ready --timeout=60s rcred/reports")
        .await?;
    terminal.run("kubectl get rcred -n team-a -o wide").await?;
    Ok(())
}

async fn use_it(terminal: &Terminal, folder: &Path) -> Outcome {
    terminal.step("boto3 calls S3 with the Secret, as a Pod mounts it");
    let folder = folder.display();
    terminal.run(&format!("ls {folder}")).await?;
    terminal.say("The credentials file, for programs that read it afresh:");
    terminal
        .run(&format!("AWS_SHARED_CREDENTIALS_FILE={folder}/credentials python object.py"))
        .await?;
    terminal.say(
        "The config file, which reads credentials.json again and again, for long-lived programs:",
    );
    terminal.run(&format!("AWS_CONFIG_FILE={folder}/config python object.py")).await?;
    terminal.say("Environment variables, here of a namespace's own ServiceAccount, for which no policy is needed:");
    terminal.file("batch.yaml", manifest("batch.yaml"));
    terminal.run("kubectl apply -n team-a -f batch.yaml").await?;
    terminal.run("kubectl wait -n team-a --for=condition=Ready --timeout=60s rcred/batch").await?;
    let export = "kubectl get secret -n team-a batch -o go-template='{{range $k, $v := .data}}export {{$k}}={{base64decode $v}}{{\"\\n\"}}{{end}}'";
    terminal.run(&format!("eval \"$({export})\" && python object.py")).await?;
    Ok(())
}

/// Waits until a reader has said of so many keys that it signs with them.
pub(crate) async fn signed_with(
    keys: usize,
    mut log: impl AsyncFnMut() -> Outcome<String>,
) -> Outcome {
    within(SOON, &format!("the reader has signed with {keys} keys"), async || {
        let log = log().await?;
        if log.matches("signed with").count() >= keys { Ok(()) } else { Err(log) }
    })
    .await
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
    signed_with(1, async || Ok(reader.log())).await?;
    terminal
        .run("kubectl annotate -n team-a rcred/reports refreshable.dev/requested-at=$(date +%s)")
        .await?;
    signed_with(2, async || Ok(reader.log())).await?;
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
    terminal
        .run("kubectl wait -n team-a --for=condition=Ready=False --timeout=60s rcred/payroll")
        .await?;
    terminal.run("kubectl get rcred -n team-a payroll").await?;
    let message = "{.status.failures.reason}{\": \"}{.status.failures.message}{\"\\n\"}";
    let read = terminal
        .run(&format!("kubectl get rcred -n team-a payroll -o jsonpath='{message}'"))
        .await?;
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
    terminal
        .run("kubectl wait -n team-a --for=delete --timeout=60s secret/reports-aws secret/batch secret/reader")
        .await?;
    terminal.run("kubectl get secrets -n team-a").await?;
    Ok(())
}
