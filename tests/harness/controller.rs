//! The controller's own program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::eventually::eventually;
use super::process::{self, Process};
use super::{canary, http, ports, scratch};

/// A start takes well under a second; a loaded machine takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running controller. It is killed when dropped, and its log searched for secrets if nobody has
/// done so.
pub struct Controller {
    command: process::Builder,
    process: Process,
    url: String,
    searched: AtomicBool,
}

impl Drop for Controller {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.searched.load(Ordering::Relaxed) {
            canary::assert_clean(&self.log(), "the controller's log");
        }
    }
}

/// A controller to be.
pub struct Builder {
    command: process::Builder,
    url: String,
}

impl Controller {
    /// A controller from this program, serving its metrics and health on a free port.
    pub fn program(program: impl Into<PathBuf>) -> Builder {
        let folder = scratch::subfolder("controller");
        let address = format!("127.0.0.1:{}", ports::free());
        let command = Process::builder("controller", program, &folder)
            .args(["--listen", &address])
            // The machine's own identity is not the controller's.
            .env("AWS_EC2_METADATA_DISABLED", "true");
        Builder { command, url: format!("http://{address}") }
    }

    /// Waits until it says that it is ready.
    pub async fn wait_ready(&self) {
        eventually(PATIENCE, "the controller is ready", async || {
            self.process.assert_running();
            match self.page("/readyz").await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&self) -> ExitStatus {
        self.process.kill()
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(&self) -> ExitStatus {
        self.process.stop(PATIENCE).await
    }

    /// Starts it again with the same arguments on the same port, after [`kill`](Self::kill)
    /// or [`stop`](Self::stop) or while it runs (which kills it). The log goes on.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = self.command.start();
        self.wait_ready().await;
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// One of its pages (`/metrics`, `/healthz`, `/readyz`): status and text.
    pub async fn page(&self, path: &str) -> Result<(u16, String), String> {
        http::get(&format!("{}{path}", self.url)).await
    }

    /// Its metrics, as Prometheus reads them.
    pub async fn metrics(&self) -> String {
        match self.page("/metrics").await {
            Ok((200, text)) => text,
            other => panic!("/metrics: {other:?}\n{}", self.process.log_tail(40)),
        }
    }

    /// Waits until it has looked as often as there are so many resources.
    pub async fn looked_at(&self, resources: usize, patience: Duration) {
        eventually(patience, "every resource has been looked at", async || {
            let page = self.metrics().await;
            let count = |name: &str| {
                let value = page.lines().find_map(|l| l.strip_prefix(name));
                value.and_then(|v| v.trim().parse().ok()).ok_or("no count of looks")
            };
            // Looks and attempts that have ended, without the attempts that have begun.
            let ended: usize = count("refreshable_reconcile_duration_seconds_count ")?;
            let attempts = count("refreshable_rate_limited_duration_seconds_count ")?;
            let looks = ended.saturating_sub(attempts);
            if looks >= resources {
                Ok(())
            } else {
                Err(format!("{looks} looks at {resources} resources"))
            }
        })
        .await;
    }

    /// All that it has said so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// # Panics
    ///
    /// Where a secret stands in its log or, while it runs, in its metrics.
    pub async fn assert_clean(&self) {
        self.searched.store(true, Ordering::Relaxed);
        canary::assert_clean(&self.log(), "the controller's log");
        if self.process.exit_status().is_none() {
            canary::assert_clean(&self.metrics().await, "the controller's metrics");
        }
    }
}

impl Builder {
    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command = self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command = self.command.args(arguments);
        self
    }

    /// Sets one variable of its environment, which is otherwise nearly empty.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command = self.command.env(name, value);
        self
    }

    /// Host and port that its pages will be served at.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// The cluster that it works in, and as whom.
    pub fn kubeconfig(self, file: &Path) -> Self {
        self.env("KUBECONFIG", file)
    }

    /// Starts it, and does not wait: for controllers that cannot become ready.
    pub fn spawn(self) -> Controller {
        let process = self.command.start();
        Controller {
            command: self.command,
            process,
            url: self.url,
            searched: AtomicBool::default(),
        }
    }

    /// Starts it, and waits until it is ready.
    pub async fn start(self) -> Controller {
        let controller = self.spawn();
        controller.wait_ready().await;
        controller
    }
}
