//! A program that the administrator registered with the controller, speaking the credential process
//! protocol.
//!
//! It runs without a shell, in its own process group, with a time limit, a limit on its output, and
//! only the registered environment. Its stderr is dropped: it may contain secrets.

use super::{Obtained, Request, Source};
use crate::aws::call::counted;
use crate::aws::region::Home;
use crate::registry::Process;
use futures::future::BoxFuture;
use refreshable_api::CustomProcessSource;
use refreshable_rules::issuer::{IssueError, json};
use secrecy::{ExposeSecret as _, SecretSlice};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

const OPERATION: &str = "RunProcess";
/// Most bytes that are read of a program's output.
const LARGEST_OUTPUT: u64 = 64 * 1024;

impl Source for CustomProcessSource {
    fn name(&self) -> &'static str {
        "custom.process"
    }

    fn secrets(&self) -> Vec<&str> {
        Vec::new()
    }

    fn rate_limit_key(&self, _namespace: &str) -> String {
        format!("process/{}", self.name)
    }

    fn endpoint(&self) -> Option<String> {
        Some(format!("process/{}", self.name))
    }

    fn calls(&self) -> u32 {
        1
    }

    fn home(&self) -> Home<'_> {
        Home::Unknown
    }

    fn obtain<'a>(
        &'a self,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<Obtained, IssueError>> {
        Box::pin(counted(OPERATION, request.sts.meter(), async {
            let process = registered(self, request)?;
            let output = run(self, process).await?;
            let issued = json::read(OPERATION, output.expose_secret(), None, request.now)?;
            Ok(Obtained::Session(Box::new(issued)))
        }))
    }
}

fn registered<'a>(
    source: &CustomProcessSource,
    request: &Request<'a>,
) -> Result<&'a Process, IssueError> {
    let processes = &request.source_context.registry.processes;
    let specification = |field: &str, what: String| IssueError::Specification {
        field: format!("spec.source.custom.process.{field}"),
        what,
    };
    let process = processes.get(&source.name).ok_or_else(|| {
        let known: Vec<&str> = processes.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        specification(
            "name",
            format!("no process {} is registered with the controller (registered: {known}); an administrator can add it to the file of --registry", source.name),
        )
    })?;
    if !process.takes_args && source.args.as_ref().is_some_and(|a| !a.is_empty()) {
        return Err(specification(
            "args",
            format!("process {} takes no arguments of a resource: leave args out", source.name),
        ));
    }
    Ok(process)
}

async fn run(
    source: &CustomProcessSource,
    process: &Process,
) -> Result<SecretSlice<u8>, IssueError> {
    let failed = |what: String| IssueError::Process { name: source.name.clone(), what };
    let limit = Duration::from_secs(process.timeout_seconds);
    let (program, first) =
        process.command.split_first().ok_or_else(|| failed("it has no command".to_owned()))?;
    let inherited =
        process.inherited.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut command = Command::new(program);
    command
        .args(first)
        .args(source.args.iter().flatten())
        .env_clear()
        .envs(inherited)
        .envs(&process.environment)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let group = Group::start(&mut command);
    let mut group =
        group.map_err(|e| failed(format!("{program} cannot be started: {}", e.kind())))?;
    let work = async {
        let stdout = group.0.stdout.take().ok_or_else(|| failed("it has no output".to_owned()))?;
        let output = capped(stdout)
            .await
            .map_err(|e| failed(format!("its output cannot be read: {}", e.kind())))?;
        let output =
            output.ok_or_else(|| failed(format!("it printed more than {LARGEST_OUTPUT} bytes")))?;
        let status = group.0.wait().await.map_err(|e| failed(e.kind().to_string()))?;
        if !status.success() {
            return Err(failed(format!("it ended with {status}")));
        }
        Ok(output)
    };
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(failed(format!("it did not end within {} s", limit.as_secs()))),
    }
}

/// Reads all of it; `None` where it is too much.
async fn capped(stream: impl AsyncRead + Unpin) -> std::io::Result<Option<SecretSlice<u8>>> {
    let mut output = Vec::new();
    stream.take(LARGEST_OUTPUT + 1).read_to_end(&mut output).await?;
    Ok((output.len() as u64 <= LARGEST_OUTPUT).then(|| output.into()))
}

/// A program and all that it started. They end with it. (The plugin, which has this module, too, also
/// runs on Windows, which lacks process groups. It starts none of these programs.)
struct Group(Child);

impl Group {
    fn start(command: &mut Command) -> std::io::Result<Self> {
        #[cfg(unix)]
        command.process_group(0);
        command.spawn().map(Self)
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        // `id` is `None` once the child was waited for: its number may then be another process's.
        if let Some(pid) = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
