//! Types what pages say to type: their `sh` blocks, as a reader who has kubectl, helm, the AWS CLI
//! and the plugin.

use crate::harness::process::Process;
use crate::harness::{background, programs, scratch};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A whole page, on a machine that builds at the same time.
pub const A_PAGE: Duration = Duration::from_secs(240);

/// A page, as it lies in the project.
pub struct Page {
    name: String,
    /// Its commands, block by block.
    pub blocks: Vec<String>,
    folder: PathBuf,
}

impl Page {
    /// A page by its path in the project, and a folder to type in that holds what a clone holds.
    pub fn of(name: &str) -> Self {
        let blocks = blocks(name);
        assert!(!blocks.is_empty(), "{name} has no commands");
        let folder = scratch::subfolder("page");
        std::fs::create_dir(folder.join("tests")).expect("a folder");
        for part in ["charts", "crds", "deploy", "tests/chart", "tests/crds"] {
            let copied = Command::new("cp")
                .arg("-R")
                .args([Path::new(ROOT).join(part), folder.join(part)])
                .status()
                .expect("cp");
            assert!(copied.success(), "{part}");
        }
        Self { name: name.to_owned(), blocks, folder }
    }

    /// The folder that its commands are typed in, which is their home, too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A shell that types all blocks.
    pub async fn begin(&self, kubeconfig: &Path, environment: &[(&str, String)]) -> Process {
        self.shell(&self.blocks.concat(), kubeconfig, environment).await
    }

    /// Types all blocks, and gives what was said.
    pub async fn typed(&self, kubeconfig: &Path, environment: &[(&str, String)]) -> String {
        self.ended(&self.begin(kubeconfig, environment).await).await
    }

    /// Types these commands of it, and gives what was said.
    pub async fn types(
        &self,
        commands: &str,
        kubeconfig: &Path,
        environment: &[(&str, String)],
    ) -> String {
        self.ended(&self.shell(commands, kubeconfig, environment).await).await
    }

    /// Waits until a shell has ended well.
    pub async fn ended(&self, shell: &Process) -> String {
        let status = shell.ended(A_PAGE).await;
        let status =
            status.unwrap_or_else(|| panic!("{}: no end\n{}", self.name, shell.log_tail(60)));
        assert!(status.success(), "{}: {status}\n{}", self.name, shell.log_tail(60));
        shell.log()
    }

    async fn shell(
        &self,
        commands: &str,
        kubeconfig: &Path,
        environment: &[(&str, String)],
    ) -> Process {
        let script = format!("set -euo pipefail\nset -v\n{commands}");
        let script = scratch::write(scratch::subfolder("typed").join("page.sh"), script);
        let folders = background::blocking(|| {
            let parent = |program: PathBuf| program.parent().expect("a folder").to_owned();
            let own = Path::new(env!("CARGO_BIN_EXE_kubectl-refreshable")).to_owned();
            [
                programs::controlplane(),
                parent(programs::tool("helm")),
                parent(programs::aws_cli_2()),
                parent(own),
            ]
        })
        .await;
        let system = std::env::var("PATH").unwrap_or_default();
        let path = folders
            .iter()
            .map(|f| f.display().to_string())
            .chain([system])
            .collect::<Vec<_>>()
            .join(":");
        let shell = Process::builder("page", "bash", &self.folder).arg(script);
        let shell = shell.env("PATH", path).env("KUBECONFIG", kubeconfig);
        let shell = shell.env("AWS_DEFAULT_REGION", "eu-west-1").env("AWS_PAGER", "");
        environment.iter().fold(shell, |shell, (name, value)| shell.env(name, value)).start()
    }
}

/// The commands of a page, block by block: what a reader types. All other blocks only show.
pub fn blocks(name: &str) -> Vec<String> {
    fenced(name, "sh")
}

/// Contents of a page's fenced blocks of this kind.
pub fn fenced(name: &str, kind: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(name))
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    text.split(&format!("```{kind}\n"))
        .skip(1)
        .map(|rest| rest.split("```").next().expect("a block").to_owned())
        .collect()
}
