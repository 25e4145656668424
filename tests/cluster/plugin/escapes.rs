//! Text from the cluster reaches a terminal as text: no escape sequence, no line that is not the
//! plugin's own.

use super::super::stage::{SOON, Stage};
use super::{Run, User};
use crate::harness::eventually;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// Fills the clipboard, clears the screen (in 7 and in 8 bits), goes up a line, turns the reading
/// direction, begins a line.
const EVIL: &str = "x\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{9b}1A\r\u{202e}\u{2028}\nroot True";
/// The beginning of it as it is shown.
const SHOWN: &str = "x^[]52;c;ZXZpbA==^G^[[2J<U+009B>1A^M<U+202E><U+2028>";

/// Output and errors of a run, where nothing in them steers a terminal.
fn harmless(run: &Run) -> String {
    let text = format!("{}{}", run.output, run.errors);
    let steers = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}')
    };
    assert!(!text.contains(steers), "{text:?}");
    assert!(
        !text.lines().any(|l| l.starts_with("root True")),
        "a line of the cluster's own: {text}"
    );
    text
}

/// A resource in whose status and annotations everything that may hold any text holds this one.
async fn resource(stage: &Stage) {
    let arn = "arn:aws:iam::111122223333:role/x";
    stage
        .apply(json!({
            "apiVersion": "refreshable.dev/v1alpha1", "kind": "RefreshableCredential",
            "metadata": {"name": "reports", "namespace": stage.namespace.name, "annotations": {"note": EVIL}},
            "spec": {"roles": [{"roleArn": arn}]},
        }))
        .await;
    let condition = json!({
        "type": "Ready", "status": "False", "reason": "AccessDenied", "message": EVIL,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let status = json!({
        "conditions": [condition],
        "principal": {"arn": EVIL},
        "secret": {"name": EVIL, "keys": [EVIL]},
        "lastRefreshTime": "2026-01-01T00:00:00Z", "expiration": "2026-01-01T01:00:00Z",
        "permission": {"allowed": true, "policies": [EVIL]},
        "profiles": [{"name": EVIL, "arn": EVIL, "message": EVIL}],
        "failures": {
            "count": 3, "reason": EVIL, "class": EVIL, "code": EVIL, "requestId": EVIL, "message": EVIL,
            "nextTryTime": "2026-01-01T01:00:00Z", "attempted": "x",
        },
    });
    let patch = Patch::Merge(json!({"status": status}));
    stage
        .credentials()
        .patch_status("reports", &PatchParams::default(), &patch)
        .await
        .expect("a status");
}

#[tokio::test]
async fn a_status_steers_no_terminal() {
    let stage = Stage::without_controller().await;
    resource(&stage).await;
    let user = User::administrator(&stage).env("LANG", "C.UTF-8");
    let mut shown = 0;
    for arguments in [
        &["status", "-A"][..],
        &["status", "-A", "-o", "wide"],
        &["status", "-o", "name"],
        &["status", "reports", "-o", "wide", "--no-headers"],
        &["inspect", "reports"],
        &["refresh", "reports", "--wait", "--timeout", "1s"],
        &["refresh", "--all", "--wait", "--timeout", "1s"],
        &["process", "reports"],
        &["env", "reports"],
        &["exec", "reports", "--", "true"],
        &["login", "reports"],
        &["trust-policy", "reports"],
        &["version"],
        &["completion", "kubectl"],
    ] {
        let text = harmless(&user.run(arguments).await);
        shown += usize::from(text.contains(SHOWN));
    }
    // Names are offered where the API server gives them within two seconds.
    eventually(SOON, "the name is offered", async || {
        let mut completed = user.run(&["__complete", "inspect", ""]).await;
        // Tabs stand before what a candidate does.
        completed.output = completed.output.replace('\t', " ");
        let offered = harmless(&completed).contains("\nreports\n");
        if offered { Ok(()) } else { Err(format!("{completed:?}")) }
    })
    .await;
    assert!(shown >= 6, "the messages are shown, not dropped: in {shown} outputs");
    // On a terminal, too, there is no escape sequence but the plugin's own colours.
    let line = format!(
        "script --quiet --return --command '{} inspect reports' /dev/null",
        super::program()
    );
    let coloured = user.env("TERM", "xterm").shell(&line).await.good();
    let bare = ["\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m", "\r\n"]
        .into_iter()
        .fold(coloured.clone(), |text, own| text.replace(own, " "));
    assert!(coloured.contains("\x1b[0m") && !bare.contains(char::is_control), "{bare:?}");
}

#[tokio::test]
async fn json_and_yaml_keep_what_they_escape() {
    let stage = Stage::without_controller().await;
    resource(&stage).await;
    let user = User::administrator(&stage);
    for command in ["status", "inspect"] {
        for form in ["json", "yaml"] {
            let run = user.run(&[command, "reports", "-o", form]).await;
            harmless(&run);
            let value: Value = serde_saphyr::from_str(&run.good()).expect("it is read");
            let message = if command == "status" {
                &value["status"]["conditions"][0]["message"]
            } else {
                &value["message"]
            };
            assert_eq!(message, EVIL, "{command} -o {form}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_api_server_steers_no_terminal() {
    let stage = Stage::without_controller().await;
    resource(&stage).await;
    let kinds = json!({"apiGroups": ["refreshable.dev"], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["*"]});
    // An admission policy says this; its message may have no line break, nor a carriage return.
    let message = EVIL.split('\r').next().expect("a line");
    let shown = SHOWN.split("^M").next().expect("a line");
    stage.forbid("evil", kinds, "false", message).await;
    let user = User::administrator(&stage);
    eventually(SOON, "the policy refuses, and its words are shown", async || {
        let run = user.run(&["refresh", "reports"]).await;
        let text = harmless(&run);
        if run.code == 1 && text.contains(shown) { Ok(()) } else { Err(text) }
    })
    .await;
}
