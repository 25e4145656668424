//! A kubeconfig whose credential plugin asks this program for the AWS credentials that it needs to
//! let it in.

use super::program;
use crate::harness::{background, programs, scratch};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// A loop that goes on takes longer than any of these runs.
const PATIENCE: Duration = Duration::from_secs(120);
/// A plugin of these tests gives up where it was called more often.
const CALLS: usize = 12;

/// A folder with a kubeconfig and a count of its plugins' calls.
struct Home {
    folder: PathBuf,
}

impl Home {
    /// A kubeconfig with these users, the first of which is used, and no server that would answer.
    fn with(users: &[(&str, Value)]) -> Self {
        let folder = scratch::subfolder("loop");
        let cluster = json!({"name": "c", "cluster": {"server": "http://127.0.0.1:9"}});
        let context = |name: &str| json!({"name": name, "context": {"cluster": "c", "user": name, "namespace": "team-a"}});
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": users[0].0, "clusters": [cluster],
            "contexts": users.iter().map(|(name, _)| context(name)).collect::<Vec<_>>(),
            "users": users.iter().map(|(name, exec)| json!({"name": name, "user": {"exec": exec}})).collect::<Vec<_>>(),
        });
        scratch::write(folder.join("kubeconfig"), config.to_string());
        Self { folder }
    }

    /// A user's plugin that counts its calls, and then runs this line of sh.
    fn plugin(name: &str, then: &str) -> Value {
        let script = format!(
            "echo {name} >> \"$HOME/calls\"; [ $(wc -l < \"$HOME/calls\") -le {CALLS} ] || exit 99; {then}"
        );
        json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script],
            "interactiveMode": "IfAvailable", "provideClusterInfo": false,
        })
    }

    /// The exit code and the errors of a run, and the calls of plugins.
    async fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
        let kubectl = background::blocking(programs::controlplane).await;
        let own = Path::new(program()).parent().expect("a folder").to_owned();
        let machine = std::env::var_os("PATH").unwrap_or_default();
        let path = [own, kubectl].into_iter().chain(std::env::split_paths(&machine));
        let output = Command::new(program())
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::join_paths(path).expect("a PATH"))
            .env("HOME", &self.folder)
            .env("KUBECONFIG", self.folder.join("kubeconfig"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output).await.expect("it ends").expect("a run");
        let calls = std::fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&output.stderr).into_owned(),
            calls,
        )
    }
}

#[tokio::test]
async fn a_credential_plugin_that_waits_for_this_program_is_called_once() {
    for arguments in [
        &["process", "reports"][..],
        &["env", "reports"],
        &["exec", "reports", "--", "true"],
        &["login", "reports"],
        &["status"],
        &["refresh", "reports"],
        &["inspect", "reports"],
        &["trust-policy", "reports"],
        &["migrate", "access-key", "legacy"],
    ] {
        let home = Home::with(&[(
            "loop",
            Home::plugin("loop", "exec kubectl-refreshable process reports"),
        )]);
        let (code, errors, calls) = home.run(arguments, &[]).await;
        assert_eq!((code, calls.as_str()), (1, "loop\n"), "{arguments:?}: {errors}");
        assert!(
            errors.contains("is waiting for this command: it would be called without end"),
            "{errors}"
        );
        assert!(
            errors.contains("the kubeconfig's credential plugin sh failed"),
            "the outer one says so: {errors}"
        );
    }
}

#[tokio::test]
async fn the_aws_cli_s_token_from_a_profile_of_this_program_ends_with_advice() {
    let aws = background::blocking(|| programs::python("aws")).await.display().to_string();
    let token =
        format!("exec {aws} eks get-token --cluster-name c --region eu-west-1 --output json");
    let home = Home::with(&[("eks", Home::plugin("eks", &token))]);
    let config = "[profile reports]\nregion = eu-west-1\ncredential_process = kubectl refreshable process reports\n";
    let config = scratch::write(home.folder.join("aws-config"), config).display().to_string();
    let environment = [("AWS_PROFILE", "reports"), ("AWS_CONFIG_FILE", config.as_str())];
    let (code, errors, calls) = home.run(&["process", "reports"], &environment).await;
    assert_eq!((code, calls.as_str()), (1, "eks\n"), "{errors}");
    for part in ["would be called without end", "AWS_PROFILE is reports", "users[].user.exec.env"] {
        assert!(errors.contains(part), "{part}\n{errors}");
    }
}

/// A way to one cluster may lead over another: the plugins are different ones, and it ends.
#[tokio::test]
async fn a_credential_plugin_may_use_this_program_for_another_user() {
    let next = "kubectl-refreshable --context inner process reports 2>> \"$HOME/inner\"; exit 3";
    let token = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"},
    });
    let inner = Home::plugin("inner", &format!("echo '{token}'"));
    let home = Home::with(&[("outer", Home::plugin("outer", next)), ("inner", inner)]);
    let (code, errors, calls) = home.run(&["process", "reports"], &[]).await;
    // The client asks a plugin that answers for a token and for a certificate.
    let outer = calls.lines().filter(|l| *l == "outer").count();
    assert_eq!((code, outer), (1, 1), "{calls}{errors}");
    assert!(calls.starts_with("outer\ninner\n"), "{calls}");
    let said = std::fs::read_to_string(home.folder.join("inner")).expect("what the inner one said");
    assert!(
        said.contains("the API server at http://127.0.0.1:9/") && !said.contains("without end"),
        "{said}"
    );
}
