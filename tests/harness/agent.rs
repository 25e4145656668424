//! The sidecar's own program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::eventually::eventually;
use super::process::{self, Process};
use super::{canary, http, ports, scratch};

/// A start takes milliseconds; a loaded machine takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running sidecar. It is killed when dropped.
pub struct Agent {
    process: Process,
    address: String,
    token_file: PathBuf,
}

/// A sidecar to be.
pub struct Builder {
    command: process::Builder,
    address: String,
    token_file: PathBuf,
}

impl Agent {
    /// A sidecar from this program that serves this file on a free port, with a token that it makes
    /// itself.
    pub fn program(program: impl Into<PathBuf>, credentials: &Path) -> Builder {
        let folder = scratch::subfolder("agent");
        let address = format!("127.0.0.1:{}", ports::free());
        let token_file = folder.join("token");
        let command = Process::builder("agent", program, &folder)
            .args(["--listen", &address, "--create-token", "--log-level", "debug"])
            .args(["--token-file".as_ref(), token_file.as_os_str()])
            .args(["--credentials".as_ref(), credentials.as_os_str()]);
        Builder { command, address, token_file }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it serves credentials.
    pub fn url(&self) -> String {
        format!("http://{}/v1/credentials", self.address)
    }

    /// The file with its token.
    pub fn token_file(&self) -> &Path {
        &self.token_file
    }

    /// Its token.
    pub fn token(&self) -> String {
        std::fs::read_to_string(&self.token_file).expect("a token")
    }

    /// The environment in which an SDK takes its credentials from here.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", self.url()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", self.token_file.display().to_string()),
        ]
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// One of its pages that need no token (`/healthz`, `/readyz`): status and text.
    pub async fn page(&self, path: &str) -> Result<(u16, String), String> {
        http::get(&format!("http://{}{path}", self.address)).await
    }

    /// # Panics
    ///
    /// Where a secret stands in its log.
    pub fn assert_clean(&self) {
        canary::assert_clean(&self.process.log(), "the sidecar's log");
    }
}

impl Builder {
    /// Adds arguments.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.command = self.command.args(arguments);
        self
    }

    /// Starts it, and waits until it serves: whether it has something to serve is another matter.
    pub async fn start(self) -> Agent {
        let agent = Agent {
            process: self.command.start(),
            address: self.address,
            token_file: self.token_file,
        };
        eventually(PATIENCE, "the sidecar serves", async || {
            agent.process.assert_running();
            match agent.page("/healthz").await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        canary::register(&agent.token());
        agent
    }
}
