//! The demo's end where there is a node: a Pod reads S3, before, across and after a refresh.

use crate::stage::Stage;
use crate::steps::{manifest, signed_with};
use crate::terminal::{Outcome, Terminal};

const LOGS: &str = "kubectl logs -n team-a deployment/reader";

pub(crate) async fn reads(terminal: &Terminal, stage: &Stage) -> Outcome {
    terminal.step("A Pod reads S3, across a refresh");
    terminal.file(
        "reader.yaml",
        manifest("reader.yaml").replace("http://aws.example", stage.issuer.url()),
    );
    terminal.run("cat reader.yaml").await?;
    terminal.run("kubectl create configmap reader -n team-a --from-file=reader.py").await?;
    terminal
        .say("Both at once: the Pod waits for the Secret, and starts by itself when it is there.");
    terminal.run("kubectl apply -n team-a -f reader.yaml").await?;
    terminal
        .run("kubectl rollout status -n team-a deployment/reader --timeout=120s | tail -1")
        .await?;
    signed_with(1, async || terminal.quietly(LOGS).await).await?;
    terminal
        .run("kubectl annotate -n team-a rcred/reader refreshable.dev/requested-at=$(date +%s)")
        .await?;
    signed_with(2, async || terminal.quietly(LOGS).await).await?;
    terminal.say("What the program in the Pod printed:");
    terminal.run(LOGS).await?;
    terminal.run("kubectl get pods -n team-a").await?;
    terminal.run("kubectl delete -n team-a deployment/reader").await?;
    Ok(())
}
