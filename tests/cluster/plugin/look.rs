//! `status`, `inspect`, `version`, `completion`: what shows, and never a secret.

use super::super::stage::{SOON, Stage};
use super::{Run, User, program, reader};
use crate::harness::{canary, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// A stage with a resource that is issued and one that AWS denies.
async fn stage() -> Stage {
    let stage = Stage::set().await;
    let role = stage.role("reports").await;
    let denied = format!("arn:aws:iam::{}:role/payroll", stage.account);
    stage.allow(&[&denied]).await;
    stage
        .credential(
            "reports",
            json!({"roles": [{"roleArn": role, "externalId": "4f2a-of-the-partner"}]}),
        )
        .await;
    stage.credential("payroll", json!({"roles": [{"roleArn": denied}]})).await;
    stage.until("reports", "True", "Issued").await;
    stage.until("payroll", "False", "AccessDenied").await;
    stage
}

#[tokio::test]
async fn status_is_a_table_and_a_timeline() {
    let stage = stage().await;
    let user = User::with_rules(&stage, "looker", reader()).await;
    let text = user.kubectl(&["status"]).await.clean();
    let mut lines = text.lines();
    assert_eq!(
        lines.next().map(|l| l.split_whitespace().collect::<Vec<_>>()),
        Some(vec!["NAME", "READY", "REASON", "EXPIRES", "REFRESH", "SECRET", "AGE"])
    );
    assert!(
        lines.next().is_some_and(|l| l.starts_with("payroll   False   AccessDenied")),
        "{text}"
    );
    let reports = lines.next().expect("a row");
    assert!(
        reports.starts_with("reports   True    Issued") && reports.contains("in 59m"),
        "{text}"
    );
    let timeline: Vec<&str> = lines.filter(|l| l.starts_with("reports")).collect();
    assert!(
        timeline.len() == 1 && timeline[0].contains('R') && timeline[0].ends_with(']'),
        "{text}"
    );

    let wide = user.run(&["status", "-o", "wide", "--no-timeline"]).await.clean();
    assert!(wide.contains(":assumed-role/reports/") && !wide.contains("expiry"), "{wide}");
    let names = user.run(&["status", "-o", "name"]).await.clean();
    let expected = "refreshablecredential.refreshable.dev/payroll\nrefreshablecredential.refreshable.dev/reports\n";
    assert_eq!(names, expected);
    let json: Value =
        serde_json::from_str(&user.run(&["status", "rcred/reports", "-o", "json"]).await.clean())
            .expect("JSON");
    assert_eq!(
        (json["kind"].as_str(), json["spec"]["roles"][0]["externalId"].as_str()),
        (Some("RefreshableCredential"), Some("4f2a-of-the-partner"))
    );
    let yaml: Value =
        serde_saphyr::from_str(&user.run(&["status", "-o", "yaml"]).await.clean()).expect("YAML");
    assert_eq!(
        (yaml["kind"].as_str(), yaml["items"].as_array().map(Vec::len)),
        (Some("List"), Some(2))
    );

    let everywhere = User::administrator(&stage).run(&["status", "-A"]).await.clean();
    assert!(
        everywhere.starts_with("NAMESPACE") && everywhere.contains(&stage.namespace.name),
        "{everywhere}"
    );
    let other = user.run(&["status", "-A"]).await.failed();
    assert!(other.starts_with("Error from server (Forbidden): "), "{other}");
    let missing = user.run(&["status", "nobody"]).await.failed();
    assert!(
        missing.starts_with("Error from server (NotFound): ")
            && missing.contains("\"nobody\" not found"),
        "{missing}"
    );
    let none = User::administrator(&stage).run(&["status", "-n", "default"]).await;
    assert_eq!(
        (none.code, none.output.as_str(), none.errors.as_str()),
        (0, "", "No resources found in default namespace.\n")
    );
    stage.strike().await;
}

#[tokio::test]
async fn a_terminal_gets_colours_and_a_pipe_none() {
    let stage = stage().await;
    let line = format!("script --quiet --return --command '{} status' /dev/null", program());
    let on_terminal = async |variables: &[(&str, &str)]| {
        let user = User::administrator(&stage).env("TERM", "xterm").env("LANG", "C.UTF-8");
        let user = variables.iter().fold(user, |u, (n, v)| u.env(n, *v));
        user.shell(&line).await.clean()
    };
    let coloured = on_terminal(&[]).await;
    assert!(coloured.contains("\x1b[32mTrue\x1b[0m") && coloured.contains('┤'), "{coloured}");
    let plain = on_terminal(&[("NO_COLOR", "1")]).await;
    assert!(!plain.contains('\x1b') && plain.contains('┤'), "{plain}");
    let piped = User::administrator(&stage).env("TERM", "xterm").run(&["status"]).await.clean();
    assert!(piped.is_ascii() && !piped.contains('\x1b'), "{piped}");
    stage.strike().await;
}

#[tokio::test]
async fn a_watch_shows_changes_as_they_come() {
    let stage = stage().await;
    let user = User::with_rules(&stage, "looker", reader()).await;
    let mut child = user
        .start(std::path::Path::new(program()), &["status", "-w", "-o", "wide", "reports"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a start");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut next = async || {
        let line = tokio::time::timeout(SOON, lines.next_line())
            .await
            .expect("a line in time")
            .expect("a line");
        line.expect("it goes on")
    };
    assert!(next().await.starts_with("NAME"));
    assert!(next().await.starts_with("reports   True"));
    stage.patch("reports", json!({"spec": {"suspend": true}})).await;
    let mut seen = next().await;
    while !seen.contains("Suspended") {
        assert!(seen.starts_with("reports"), "of the others nothing is shown: {seen}");
        seen = next().await;
    }
    canary::assert_clean(&seen, "the watch");
    child.kill().await.expect("killed");

    let may_not =
        User::with_rules(&stage, "getter", json!([])).await.run(&["status", "-w"]).await.failed();
    assert!(
        may_not.contains("(Forbidden)") && may_not.contains("-w needs the verbs list and watch"),
        "{may_not}"
    );
    stage.strike().await;
}

#[tokio::test]
async fn inspect_tells_chain_permission_error_and_consumers() {
    let stage = stage().await;
    let pod = json!({
        "containers": [{"name": "app", "image": "example.com/app", "volumeMounts": [{"name": "aws", "mountPath": "/aws"}]}],
        "volumes": [{"name": "aws", "secret": {"secretName": "reports"}}],
    });
    let template = json!({"metadata": {"labels": {"app": "reports"}}, "spec": pod});
    stage
        .apply(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "reports", "namespace": stage.namespace.name},
            "spec": {"selector": {"matchLabels": {"app": "reports"}}, "template": template},
        }))
        .await;
    let job = json!({"metadata": {"annotations": {"refreshable.dev/inject": "reports"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "example.com/app"}]}});
    stage
        .apply(json!({
            "apiVersion": "batch/v1", "kind": "CronJob",
            "metadata": {"name": "nightly", "namespace": stage.namespace.name},
            "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": job}}},
        }))
        .await;
    let administrator = User::administrator(&stage);
    let text = eventually(SOON, "the Deployment's Pod is there", async || {
        let text = administrator.run(&["inspect", "reports"]).await.clean();
        if text.contains("  Pod/reports-") { Ok(text) } else { Err(text) }
    })
    .await;
    for part in [
        "Ready:       True (Issued)\n".to_owned(),
        format!("     roleArn: arn:aws:iam::{}:role/reports\n", stage.account),
        "     externalId: (set)\n".to_owned(),
        format!("     roleSessionName: {}.reports (by default)\n", stage.namespace.name),
        format!("  allowed by CredentialPolicy {}", stage.namespace.name),
        "  Deployment/reports\n    mounted at /aws in container app\n".to_owned(),
        "(of ReplicaSet/reports-".to_owned(),
        "  CronJob/nightly\n    annotation refreshable.dev/inject\n".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}\n{text}");
    }
    assert!(!text.contains("4f2a-of-the-partner"), "{text}");
    let denied = administrator.run(&["inspect", "payroll"]).await.clean();
    for part in [
        "Last error:\n",
        "AWS's error code AccessDenied",
        "AWS's request id ",
        "sts:AssumeRole",
        "next try in ",
    ] {
        assert!(denied.contains(part), "{part}\n{denied}");
    }

    // Who may see the resource alone is told what that says, and what else there is to see.
    let user = User::with_rules(&stage, "looker", reader()).await;
    let less = user.run(&["inspect", "reports"]).await.clean();
    let allowed = format!("  allowed by CredentialPolicy {}", stage.namespace.name);
    assert!(less.contains(&allowed), "by what the status says: {less}");
    assert!(
        less.contains("not visible to you: objects of kind Deployment, StatefulSet, DaemonSet, CronJob, Job, Pod"),
        "{less}"
    );

    // No policy allows it: the rule that would is told to both.
    let role = format!("arn:aws:iam::{}:role/other", stage.account);
    stage.credential("other", json!({"roles": [{"roleArn": role}]})).await;
    stage.until("other", "False", "NotPermitted").await;
    let rule = format!("spec.allow.roles: [{{\"arns\":[\"{role}\"]}}]");
    for user in [&administrator, &user] {
        let text = user.run(&["inspect", "other"]).await.clean();
        assert!(
            text.contains("\nPermission:\n  no CredentialPolicy allows") && text.contains(&rule),
            "{text}"
        );
    }
    let json: Value =
        serde_json::from_str(&administrator.run(&["inspect", "other", "-o", "json"]).await.clean())
            .expect("JSON");
    assert_eq!(
        (json["permission"]["verdict"].as_str(), json["chain"][0]["step"].as_str()),
        (Some("No"), Some("ambient"))
    );
    stage.strike().await;
}

#[tokio::test]
async fn version_says_what_it_can_see_of_the_controller() {
    let stage = Stage::without_controller().await;
    let user = User::with_rules(&stage, "looker", reader()).await;
    let own = concat!("Client Version: ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(user.run(&["version", "--client"]).await.clean(), own);
    let blind = user.run(&["version"]).await.clean();
    assert!(
        blind.starts_with(own)
            && blind.contains("Controller: not visible (deployments.apps is forbidden"),
        "{blind}"
    );
    let labels =
        json!({"app.kubernetes.io/name": "refreshable", "app.kubernetes.io/version": "9.8.7"});
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    stage
        .apply(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "refreshable", "namespace": stage.namespace.name, "labels": labels},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template},
        }))
        .await;
    let seen = User::administrator(&stage).run(&["version"]).await.clean();
    assert!(
        seen.contains(&format!(
            "Controller Version: 9.8.7 (Deployment {}/refreshable, 0 ready)",
            stage.namespace.name
        )),
        "{seen}"
    );
}

#[tokio::test]
async fn kubectl_completes_the_plugin_s_arguments() {
    let stage = stage().await;
    let user = User::with_rules(&stage, "looker", reader()).await;
    let script = user.run(&["completion", "kubectl"]).await.clean();
    let folder = crate::harness::scratch::subfolder("completion");
    let file = crate::harness::scratch::write(folder.join("kubectl_complete-refreshable"), script);
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("executable");
    // What a shell asks of kubectl when somebody types.
    let complete = async |words: &str| {
        let line =
            format!("PATH={}:$PATH kubectl __complete refreshable {words}", folder.display());
        let Run { output, .. } = user.shell(&line).await;
        canary::assert_clean(&output, "a completion");
        output
    };
    let commands = complete("ins").await;
    assert!(commands.starts_with("inspect\tShow everything"), "{commands}");
    assert_eq!(complete("inspect rep").await.lines().next(), Some("reports"));
    assert!(complete("status ''").await.contains("payroll\n"));
    assert!(complete("status --no-h").await.starts_with("--no-headers"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(user.run(&["completion", shell]).await.clean().contains("inspect"), "{shell}");
    }
    stage.strike().await;
}

#[tokio::test]
async fn wrong_command_lines_and_clusters_end_as_kubectl_s_do() {
    let stage = Stage::without_controller().await;
    let user = User::administrator(&stage);
    let usage = user.run(&["refresh"]).await;
    assert_eq!((usage.code, usage.output.as_str()), (1, ""), "{usage:?}");
    assert!(usage.errors.contains("Usage: kubectl refreshable refresh"), "{usage:?}");
    assert_eq!(user.run(&["--help"]).await.code, 0);
    let absent = user.run(&["status", "--context", "elsewhere"]).await.failed();
    assert!(absent.starts_with("error: ") && absent.contains("elsewhere"), "{absent}");
    let dead = user.run(&["status", "--server", "https://127.0.0.1:1"]).await.failed();
    assert!(dead.starts_with("error: ") && dead.contains("127.0.0.1:1"), "{dead}");
    let none = user.run(&["status", "--kubeconfig", "/nowhere"]).await.failed();
    assert!(none.starts_with("error: /nowhere: "), "{none}");
    // Who acts as somebody has their rights.
    let nobody = user.run(&["status", "--as", "nobody"]).await.failed();
    assert!(nobody.contains("User \"nobody\" cannot list resource"), "{nobody}");
}
