//! Why a command failed: in kubectl's words, with kubectl's exit code.

use super::plugin_loop;
use super::terminal::visible;
use kube::core::Status;

/// Exit code of every failure, also of a wrong command line, as kubectl has it.
pub const FAILURE: u8 = 1;

/// Result of a command.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command failed. Its text is the line that the user reads, in which no character steers a
/// terminal; no variant holds secret material.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused. Followed by what to do about it, where that is known.
    #[error("Error from server ({}): {}{}", visible(&.status.reason), visible(&.status.message), advice_after(.advice))]
    Server {
        /// The API server's status.
        status: Box<Status>,
        /// Advice; may be empty.
        advice: String,
    },
    /// The API server cannot be reached, or does not respond.
    #[error("error: {}", visible(.0))]
    Unreachable(String),
    /// The API server did not respond within `--request-timeout`.
    #[error("error: the API server did not answer within {0:?} (--request-timeout)")]
    Slow(std::time::Duration),
    /// The kubeconfig, or a flag that changes it, cannot be used.
    #[error("error: {}", visible(.0))]
    Kubeconfig(String),
    /// The command cannot do its work; the text says why, with advice.
    #[error("error: {}", visible(.0))]
    Failed(String),
    /// Nobody reads the output any more (`| head`).
    #[error("the output was closed")]
    Closed,
    /// The output cannot be written.
    #[error("error: writing the output: {}", visible(&.0.to_string()))]
    Output(std::io::Error),
}

fn advice_after(advice: &str) -> String {
    if advice.is_empty() { String::new() } else { format!("\n{}", visible(advice)) }
}

impl Error {
    /// A failure with this text.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::Failed(what.into())
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        FAILURE
    }

    /// Whether the API server answered that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Server { status, .. } if status.code == 404)
    }

    /// Whether the API server answered that this user may not do that.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Server { status, .. } if status.code == 403)
    }

    /// The same error; if it is a refusal for missing rights, with advice.
    pub fn advise(self, forbidden: &str) -> Self {
        match self {
            Self::Server { status, .. } if status.code == 403 => {
                Self::Server { status, advice: forbidden.to_owned() }
            }
            other => other,
        }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Server { status, advice: String::new() },
            other => plugin_loop::failure(&other, None)
                .unwrap_or_else(|| Self::Unreachable(chain(&other))),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Output(error),
        }
    }
}

/// An error's text without the word that begins a line.
pub(super) fn words(error: &Error) -> String {
    error.to_string().trim_start_matches("error: ").to_owned()
}

/// An error with its causes, each text once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !said.contains(&text) {
            said.push_str(": ");
            said.push_str(&text);
        }
        source = cause.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_words_are_kubectl_s() {
        let status = Status {
            code: 404,
            reason: "NotFound".into(),
            message: "x not found".into(),
            ..Status::default()
        };
        let error = Error::from(kube::Error::Api(Box::new(status)));
        assert_eq!(error.to_string(), "Error from server (NotFound): x not found");
        assert!(error.is_not_found() && !error.is_forbidden());
    }

    #[test]
    fn want_of_rights_gets_advice_and_nothing_else_does() {
        let refused = |code| {
            let status =
                Status { code, reason: "R".into(), message: "m".into(), ..Status::default() };
            Error::from(kube::Error::Api(Box::new(status))).advise("ask").to_string()
        };
        assert_eq!(refused(403), "Error from server (R): m\nask");
        assert_eq!(refused(409), "Error from server (R): m");
    }

    #[test]
    fn no_error_steers_a_terminal() {
        let evil = "x\u{1b}]52;c;eA==\u{7}\u{9b}2J\u{202e}\nerror: run this\r";
        let status =
            Status { code: 403, reason: evil.into(), message: evil.into(), ..Status::default() };
        for error in [
            Error::Server { status: Box::new(status), advice: evil.to_owned() },
            Error::Unreachable(evil.to_owned()),
            Error::Kubeconfig(evil.to_owned()),
            Error::failed(evil),
            Error::Output(std::io::Error::other(evil)),
        ] {
            let said = error.to_string();
            assert!(
                said.contains("x^[]52;c;eA==^G<U+009B>2J<U+202E> error: run this^M"),
                "{said:?}"
            );
            assert!(
                !said.contains(|c: char| c != '\n' && super::super::terminal::steers(c)),
                "{said:?}"
            );
            assert!(said.lines().count() <= 2, "one line, and one of advice: {said:?}");
        }
    }
}
