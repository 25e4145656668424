//! The demo's end where there is a node: a Pod reads S3, before, across and after a refresh.

use crate::harness::eventually::within;
use crate::stage::Stage;
use crate::steps::{SOON, manifest};
use crate::terminal::{Outcome, Terminal};

const LOGS: &str = "kubectl logs -n team-a deployment/reader";

pub(crate) async fn reads(terminal: &Terminal, stage: &Stage) -> Outcome {
    terminal.step("A Pod reads S3, across a refresh");
    terminal.file("reader.yaml", manifest("reader.yaml").replace("http://aws.example", stage.issuer.url()));
    terminal.run("cat reader.yaml").await?;
    terminal.run("kubectl create configmap reader -n team-a --from-file=reader.py").await?;
    terminal.say("Both at once: the Pod waits for the Secret, and starts by itself when it is there.");
    terminal.run("kubectl apply -n team-a -f reader.yaml").await?;
    terminal.run("kubectl rollout status -n team-a deployment/reader --timeout=120s | tail -1").await?;
    let signed = async |times: usize| {
        within(SOON, "the Pod signs with a new key", async || {
            let log = terminal.quietly(LOGS).await?;
            if log.matches("signed with").count() >= times { Ok(()) } else { Err(log) }
        })
        .await
    };
    signed(1).await?;
    terminal.run("kubectl annotate -n team-a rcred/reader refreshable.dev/requested-at=$(date +%s)").await?;
    signed(2).await?;
    terminal.say("What the program in the Pod printed:");
    terminal.run(LOGS).await?;
    terminal.run("kubectl get pods -n team-a").await?;
    terminal.run("kubectl delete -n team-a deployment/reader").await?;
    Ok(())
}
