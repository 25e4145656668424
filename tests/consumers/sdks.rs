//! The programs that call AWS, and the ways of giving them credentials.

use crate::harness::{background, programs};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A way of giving a program credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// The mounted `credentials` file.
    File,
    /// The mounted `config` file, whose `credential_process` reads the process JSON.
    Process,
    /// The container credentials endpoint that the sidecar serves.
    Endpoint,
    /// Environment variables, as `envFrom` sets them at the start.
    Environment,
}

impl Way {
    /// All of them, in the order of the table's columns.
    pub(super) const ALL: [Self; 4] =
        [Self::File, Self::Process, Self::Endpoint, Self::Environment];

    /// As the table calls it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::File => "`credentials` file",
            Self::Process => "`config` file (`credential_process`)",
            Self::Endpoint => "container endpoint (sidecar)",
            Self::Environment => "environment variables",
        }
    }
}

/// Fate of a program's calls when its credentials are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// None fails.
    Whole,
    /// All fail from the end of the first session on, because of the SDK's design.
    Fails(&'static str),
    /// One may fail at the end of a session, because of the SDK's design.
    Edge(&'static str),
}

impl Fate {
    /// Why calls fail.
    pub(super) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Fails(why) | Self::Edge(why) => Some(why),
        }
    }
}

/// An SDK, by a program that calls AWS with it all the time.
pub(super) struct Sdk {
    /// The row of the table.
    pub(super) name: &'static str,
    /// The way that the documentation recommends for it.
    pub(super) recommended: Way,
    /// Fate of its calls on the mounted `credentials` file.
    pub(super) file: Fate,
    /// And on the mounted `config` file.
    pub(super) process: Fate,
    /// Between two calls, with sessions of seconds.
    pub(super) pause: Duration,
    /// The program and its arguments.
    pub(super) command: fn() -> Vec<OsString>,
    /// A program without which the row is left out: whoever does not write Java need not have it.
    pub(super) needs: &'static [&'static str],
    /// The release of Debian that has its packages, without which the row is left out.
    pub(super) debian: Option<&'static str>,
}

/// Why calls fail in the environment, whatever the SDK.
pub(super) const ENVIRONMENT_FAILS: &str = "a process keeps the environment that it was started with. For programs that end before the session does.";

const OFTEN: Duration = Duration::from_millis(500);
/// A command of the CLI takes a second of one processor's time.
const SELDOM: Duration = Duration::from_secs(6);
const READ_ONCE: &str = "read once, and kept as long as the process lives.";
const NO_PROCESS: &str = "it knows no `credential_process`.";
const KEPT_PATH: &str = "PHP remembers for two minutes where a path leads (`realpath_cache_ttl`), and after a change of the mounted files nothing is there.";
const AT_THE_END: &str = "taken anew when they have expired, not before: a call under way at that moment may fail, one at each.";

/// The release whose packages `tests/consumers/build` unpacks.
const UNPACKED: Option<&str> = Some("bookworm");

/// All of them, in the order of the table's rows.
pub(super) const ALL: [Sdk; 11] = [
    Sdk {
        name: "Python: boto3",
        recommended: Way::Process,
        file: Fate::Fails(READ_ONCE),
        process: Fate::Whole,
        pause: OFTEN,
        command: || vec![programs::python("python").into(), source("python/consumer.py")],
        needs: &[],
        debian: None,
    },
    Sdk {
        name: "AWS CLI 1",
        recommended: Way::Process,
        file: Fate::Whole,
        process: Fate::Whole,
        pause: SELDOM,
        command: || vec!["bash".into(), source("cli/consumer.sh"), programs::python("aws").into()],
        needs: &[],
        debian: None,
    },
    Sdk {
        name: "AWS CLI 2",
        recommended: Way::Process,
        file: Fate::Whole,
        process: Fate::Whole,
        pause: SELDOM,
        command: || vec!["bash".into(), source("cli/consumer.sh"), programs::aws_cli_2().into()],
        needs: &[],
        debian: None,
    },
    Sdk {
        name: "JavaScript: SDK v3",
        recommended: Way::Process,
        file: Fate::Fails(READ_ONCE),
        process: Fate::Whole,
        pause: OFTEN,
        command: || vec!["node".into(), programs::node_packages().join("consumer.js").into()],
        needs: &[],
        debian: None,
    },
    Sdk {
        name: "Java: SDK v2",
        recommended: Way::Process,
        file: Fate::Whole,
        process: Fate::Whole,
        pause: OFTEN,
        command: || {
            let folder = programs::consumer("java");
            let classes = format!("{}:{}", folder.join("lib/*").display(), folder.display());
            // Small and quick to start, as four of them share two processors with all others.
            let flags = [
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                &classes,
                "Consumer",
            ];
            std::iter::once("java").chain(flags).map(OsString::from).collect()
        },
        needs: &["java", "javac", "mvn"],
        debian: None,
    },
    Sdk {
        name: "Go: SDK v2",
        recommended: Way::Endpoint,
        file: Fate::Fails(READ_ONCE),
        process: Fate::Edge(AT_THE_END),
        pause: OFTEN,
        command: || vec![programs::consumer("go").join("consumer").into()],
        needs: &[],
        debian: None,
    },
    Sdk {
        name: "Go: minio-go",
        recommended: Way::Endpoint,
        file: Fate::Whole,
        process: Fate::Whole,
        pause: OFTEN,
        command: || vec![programs::consumer("go").join("minio").into()],
        needs: &[],
        debian: None,
    },
    Sdk {
        name: "Ruby: SDK v3",
        recommended: Way::Process,
        file: Fate::Fails(READ_ONCE),
        process: Fate::Whole,
        pause: OFTEN,
        command: || unpacked("ruby/run"),
        needs: &[],
        debian: UNPACKED,
    },
    Sdk {
        name: "PHP: AsyncAws",
        recommended: Way::Endpoint,
        file: Fate::Fails(KEPT_PATH),
        process: Fate::Fails(NO_PROCESS),
        pause: OFTEN,
        command: || unpacked("php/run"),
        needs: &[],
        debian: UNPACKED,
    },
    Sdk {
        name: "Rust: SDK",
        recommended: Way::Endpoint,
        file: Fate::Fails(READ_ONCE),
        process: Fate::Whole,
        pause: OFTEN,
        command: || vec![example().into()],
        needs: &[],
        debian: None,
    },
    Sdk {
        name: "C++: SDK",
        recommended: Way::Endpoint,
        file: Fate::Whole,
        process: Fate::Whole,
        pause: OFTEN,
        command: || vec![programs::python("python").into(), source("cpp/consumer.py")],
        needs: &[],
        debian: None,
    },
];

impl Sdk {
    /// Fate of its calls in this way.
    pub(super) fn fate(&self, way: Way) -> Fate {
        match way {
            Way::File => self.file,
            Way::Process => self.process,
            Way::Endpoint => Fate::Whole,
            Way::Environment => Fate::Fails(ENVIRONMENT_FAILS),
        }
    }

    /// A program, or Debian release, that is missing on this machine, if any.
    pub(super) fn missing(&self) -> Option<String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let there = |program: &str| {
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        };
        let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let is = |release: &str| {
            system.lines().any(|line| line.strip_prefix("VERSION_CODENAME=") == Some(release))
        };
        let program = self.needs.iter().find(|program| !there(program));
        let release = self.debian.filter(|release| !is(release));
        program
            .map(|program| (*program).to_owned())
            .or_else(|| release.map(|release| format!("Debian's {release}")))
    }

    /// The command that starts it, built where it must be.
    pub(super) async fn prepared(&self) -> Vec<OsString> {
        background::blocking(self.command).await
    }
}

fn source(path: &str) -> OsString {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consumers").join(path).into()
}

/// A script that runs a program of a language whose interpreter and libraries are unpacked from
/// Debian's packages.
fn unpacked(script: &str) -> Vec<OsString> {
    let folders = ["interpreters", "libraries"].map(|part| programs::consumer(part).into());
    std::iter::once(source(script)).chain(folders).collect()
}

/// The example `consumer`, which lies beside the programs.
fn example() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_refreshable-controller"))
        .with_file_name("examples")
        .join("consumer");
    assert!(program.is_file(), "{} is missing: cargo build --example consumer", program.display());
    program
}
