//! Flags of the sidecar, each also an environment variable.

use crate::{logging::LogFormat, version};
use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Serves mounted AWS credentials to the SDKs of a Pod, over the container credentials protocol.
#[derive(Clone, Debug, Parser)]
#[command(name = "refreshable-agent", version = version::long(), about, max_term_width = 100)]
pub struct Options {
    /// File with the credentials, in the JSON of the credential process protocol. Other profiles
    /// are the files `<profile>.json` beside it.
    #[arg(
        long,
        env = "REFRESHABLE_AGENT_CREDENTIALS",
        default_value = "/var/run/secrets/refreshable.dev/aws/credentials.json"
    )]
    pub credentials: PathBuf,

    /// Address that is served on.
    #[arg(long, env = "REFRESHABLE_AGENT_LISTEN", default_value = "127.0.0.1:9911")]
    pub listen: SocketAddr,

    /// Serve also on an address that others than this Pod can reach.
    #[arg(long, env = "REFRESHABLE_AGENT_ALLOW_NON_LOOPBACK")]
    pub allow_non_loopback: bool,

    /// File with the token that callers must send in `Authorization`. It is read for each request.
    #[arg(long, env = "REFRESHABLE_AGENT_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// Write a random token into the token file at the start, unless there is one. It is readable
    /// by every user of the containers that share the folder.
    #[arg(long, env = "REFRESHABLE_AGENT_CREATE_TOKEN", requires = "token_file")]
    pub create_token: bool,

    /// Serve every client that reaches the address, without a token.
    #[arg(long, env = "REFRESHABLE_AGENT_WITHOUT_TOKEN", conflicts_with = "token_file")]
    pub without_token: bool,

    /// How log lines look.
    #[arg(long, env = "REFRESHABLE_AGENT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,

    /// Least level of log lines: error, warn, info, debug or trace.
    #[arg(long, env = "REFRESHABLE_AGENT_LOG_LEVEL", default_value = "info")]
    pub log_level: tracing::Level,

    /// How long requests in progress may take to end after a signal to stop, in seconds.
    #[arg(long, env = "REFRESHABLE_AGENT_SHUTDOWN_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub shutdown_seconds: u64,

    /// Serve nothing: ask the sidecar at the address whether it is ready (`readyz`) or alive
    /// (`healthz`), and exit with status 0 if it is. For probes: the kubelet itself cannot call a
    /// Pod's loopback address.
    #[arg(long, value_enum)]
    pub probe: Option<Probe>,
}

/// Question of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Probe {
    /// Whether the process responds.
    Healthz,
    /// Does it have credentials that have not expired?
    Readyz,
}

impl Options {
    /// How long requests under way may take to end.
    pub fn shutdown(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    #[test]
    fn the_flags_are_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (wrong, kind) in [
            (&["a", "--create-token"][..], ErrorKind::MissingRequiredArgument),
            (&["a", "--without-token", "--token-file", "/t"], ErrorKind::ArgumentConflict),
            (&["a", "--listen", "localhost"], ErrorKind::ValueValidation),
            (&["a", "--probe", "startupz"], ErrorKind::InvalidValue),
        ] {
            assert_eq!(
                Options::try_parse_from(wrong).map_err(|e| e.kind()).expect_err("refused"),
                kind,
                "{wrong:?}"
            );
        }
        let options = Options::try_parse_from(["a", "--create-token", "--token-file", "/t"])
            .expect("consistent");
        assert!(options.listen.ip().is_loopback());
    }
}
