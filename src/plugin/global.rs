//! The flags that every kubectl command has, under kubectl's names.

use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

const HEADING: &str = "Flags of every kubectl command";

/// Which cluster, as whom, in which namespace.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = HEADING)]
pub struct Global {
    /// Path to the kubeconfig file. Left out: $KUBECONFIG, else ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// The kubeconfig's context to use.
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,

    /// The kubeconfig's cluster to use.
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,

    /// The kubeconfig's user to use.
    #[arg(long, global = true, value_name = "NAME")]
    pub user: Option<String>,

    /// Namespace. Left out: that of the context.
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Address and port of the API server.
    #[arg(short, long, global = true, value_name = "URL")]
    pub server: Option<String>,

    /// Bearer token for the API server. Seen by everybody on the machine: rather use a kubeconfig.
    #[arg(long, global = true, hide_env_values = true)]
    pub token: Option<secrecy::SecretString>,

    /// File with the certificate authority of the API server.
    #[arg(long, global = true, value_name = "FILE")]
    pub certificate_authority: Option<PathBuf>,

    /// Do not check the API server's certificate.
    #[arg(long, global = true)]
    pub insecure_skip_tls_verify: bool,

    /// Name to check the API server's certificate for.
    #[arg(long, global = true, value_name = "NAME")]
    pub tls_server_name: Option<String>,

    /// User to act as.
    #[arg(long = "as", global = true, value_name = "USER")]
    pub act_as: Option<String>,

    /// Group to act as; may be repeated.
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub act_as_group: Vec<String>,

    /// UID to act as.
    #[arg(long = "as-uid", global = true, value_name = "UID")]
    pub act_as_uid: Option<String>,

    /// Longest time for one request, like 5s or 2m; 0 for no limit.
    #[arg(long, global = true, default_value = "0", value_name = "DURATION", value_parser = duration)]
    pub request_timeout: Duration,
}

/// Reads a duration as Go writes it: `5s`, `1m30s`, `250ms`; a number alone is seconds.
///
/// # Errors
/// What to write instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write it like 5s, 2m or 1h30m");
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut whole = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0).ok_or_else(wrong)?;
        let unit = rest[number..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| number + at);
        let amount: u64 = rest[..number].parse().map_err(|_| wrong())?;
        let milliseconds: u64 = match &rest[number..unit] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let part = Duration::from_millis(amount.checked_mul(milliseconds).ok_or_else(wrong)?);
        whole = whole.checked_add(part).ok_or_else(wrong)?;
        rest = &rest[unit..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(whole) }
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn durations_are_written_as_kubectl_takes_them() {
        for (text, seconds) in [("0", 0.0), ("5", 5.0), ("5s", 5.0), ("1m30s", 90.0), ("1h", 3600.0), ("250ms", 0.25)] {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "s", "5x", "1m30", "-1s", "1.5h", "99999999999999999999s", "9999999999999999h"] {
            assert_eq!(duration(text), Err(format!("{text:?} is no duration: write it like 5s, 2m or 1h30m")));
        }
    }
}
