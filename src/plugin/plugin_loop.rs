//! Breaks a loop: the kubeconfig's credential plugin (`aws eks get-token`) takes its AWS
//! credentials from a profile whose `credential_process` is this program, which cannot ask the
//! cluster before that plugin has answered.
//!
//! Each plugin that this program starts finds in its environment which plugins are running above
//! it. A plugin for another cluster or another user may start: that chain is finite.

use super::error::{Error, Result};
use super::terminal::visible;
use kube::client::AuthError;
use kube::config::ExecConfig;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// Variable that lists the plugins that are running above a process, separated by commas.
pub const RUNNING: &str = "REFRESHABLE_CREDENTIAL_PLUGINS";
/// Hex digits of a plugin's identity.
const DIGITS: usize = 16;

/// Marks a plugin as running in its own environment. `running` is the value of [`RUNNING`] here,
/// `profile` that of `AWS_PROFILE`.
///
/// # Errors
/// Where it is running already, above this process.
pub fn enter(
    exec: &mut ExecConfig,
    server: &str,
    running: &str,
    profile: Option<&str>,
) -> Result<()> {
    let own = identity(exec, server);
    if running.split(',').any(|one| one == own) {
        let profile = profile.map(|p| format!(" (AWS_PROFILE is {p} here)")).unwrap_or_default();
        return Err(Error::Kubeconfig(format!(
            "the kubeconfig's credential plugin {} is waiting for this command: it would be called without end. It takes its AWS credentials from this program{profile}: give it others, by AWS_PROFILE in users[].user.exec.env of the kubeconfig",
            name(exec)
        )));
    }
    let above = if running.is_empty() { own } else { format!("{running},{own}") };
    let variable = [("name".to_owned(), RUNNING.to_owned()), ("value".to_owned(), above)];
    exec.env.get_or_insert_default().push(HashMap::from(variable));
    Ok(())
}

/// Identity of a plugin: program, arguments and environment, and the cluster.
fn identity(exec: &ExecConfig, server: &str) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    };
    add(server);
    add(exec.command.as_deref().unwrap_or_default());
    exec.args.iter().flatten().for_each(|argument| add(argument));
    for variable in exec.env.iter().flatten() {
        ["name", "value"]
            .into_iter()
            .for_each(|part| add(variable.get(part).map_or("", String::as_str)));
    }
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(DIGITS);
    digits
}

/// Arguments may hold secrets.
fn name(exec: &ExecConfig) -> &str {
    exec.command.as_deref().unwrap_or("without a command")
}

/// Why a plugin failed, in a text that repeats neither its arguments nor its output, which is
/// confidential; `None` for other errors.
pub fn failure(error: &kube::Error, exec: Option<&ExecConfig>) -> Option<Error> {
    let refused = match error {
        kube::Error::Auth(refused) => Some(refused),
        // The plugin is called again after its answer has expired.
        kube::Error::Service(error) => error.downcast_ref(),
        _ => None,
    };
    let Some(AuthError::AuthExecRun { out, .. }) = refused else { return None };
    let said = String::from_utf8_lossy(&out.stderr);
    let said = said.trim();
    let said = if said.is_empty() { String::new() } else { format!(": {}", visible(said)) };
    let plugin = exec.map(|e| format!(" {}", name(e))).unwrap_or_default();
    Some(Error::Kubeconfig(format!(
        "the kubeconfig's credential plugin{plugin} failed ({}){said}",
        out.status
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{ExitStatus, Output};

    fn plugin(arguments: &[&str]) -> ExecConfig {
        serde_json::from_value(serde_json::json!({"command": "aws", "args": arguments}))
            .expect("a plugin")
    }

    fn running(exec: &ExecConfig) -> &str {
        let set = exec.env.iter().flatten().find(|v| v["name"] == RUNNING).expect("it is marked");
        &set["value"]
    }

    #[test]
    fn a_plugin_is_not_started_below_itself() {
        let (mut a, mut b) = (plugin(&["a"]), plugin(&["b"]));
        enter(&mut a, "https://one", "", None).expect("the first");
        enter(&mut b, "https://one", running(&a), None).expect("another below it");
        assert_eq!(running(&b).split(',').count(), 2);
        for (mut again, server, stops) in [
            (plugin(&["a"]), "https://one", true),
            (plugin(&["b"]), "https://one", true),
            (plugin(&["a"]), "https://two", false),
            (plugin(&["c"]), "https://one", false),
            (plugin(&["a", ""]), "https://one", false),
        ] {
            let entered = enter(&mut again, server, running(&b), Some("reports"));
            assert_eq!(entered.is_err(), stops, "{again:?} {server}");
            if let Err(error) = entered {
                let said = error.to_string();
                assert!(
                    said.contains("plugin aws is waiting")
                        && said.contains("AWS_PROFILE is reports"),
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn a_failed_plugin_is_named_without_its_arguments_and_its_output() {
        let out = Output {
            status: ExitStatus::from_raw(256),
            stdout: b"the-token".to_vec(),
            stderr: b"no \x1b[31mcredentials\n".to_vec(),
        };
        let error =
            AuthError::AuthExecRun { cmd: "aws --secret hush".to_owned(), out: Box::new(out) };
        let said = failure(&kube::Error::Auth(error), Some(&plugin(&["--secret", "hush"])))
            .expect("a failure")
            .to_string();
        assert_eq!(
            said,
            "error: the kubeconfig's credential plugin aws failed (exit status: 1): no ^[[31mcredentials"
        );
        assert!(failure(&kube::Error::LinesCodecMaxLineLengthExceeded, None).is_none());
    }
}
