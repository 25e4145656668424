//! Flags of the controller, each also an environment variable.

use super::LeaseTimings;
use clap::Parser;
use jiff::SignedDuration;
use refreshable_agent::logging::LogFormat;
use refreshable_api::{ObjectName, is_namespace};
use refreshable_rules::attempts_limit::AttemptsLimit;
use refreshable_rules::duration;
use refreshable_rules::size_limit::SizeLimit;
use refreshable_rules::withdrawal::{self, Limits};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Keeps AWS temporary credentials fresh in Kubernetes Secrets.
#[derive(Clone, Debug, Parser)]
#[command(name = "refreshable-controller", version = refreshable_rules::version::long(), about, max_term_width = 100)]
pub struct Options {
    /// Address that /metrics, /healthz and /readyz are served on, without TLS.
    #[arg(long, env = "REFRESHABLE_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Address that /metrics is served on over TLS, to users that Kubernetes authenticates
    /// (TokenReview) and authorizes (SubjectAccessReview) by their bearer token. --listen serves
    /// /healthz and /readyz alone then. Takes the right to create both reviews.
    #[arg(long, env = "REFRESHABLE_SECURE_METRICS_LISTEN")]
    pub secure_metrics_listen: Option<SocketAddr>,

    /// Folder with the certificate for it and its key: tls.crt and tls.key, as a Secret of type
    /// kubernetes.io/tls is mounted. They are read again when they change. Defaults to a
    /// self-signed certificate, which no caller can verify.
    #[arg(
        long,
        env = "REFRESHABLE_METRICS_CERTIFICATE_DIR",
        requires = "secure_metrics_listen",
        value_name = "DIR"
    )]
    pub metrics_certificate_dir: Option<PathBuf>,

    /// How log lines look.
    #[arg(long, env = "REFRESHABLE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,

    /// Least level of the controller's own log lines: error, warn, info, debug or trace.
    #[arg(long, env = "REFRESHABLE_LOG_LEVEL", default_value = "info")]
    pub log_level: tracing::Level,

    /// Namespaces to serve, instead of all. With --no-policies no rights on cluster level are
    /// needed then.
    #[arg(long, env = "REFRESHABLE_WATCH_NAMESPACES", value_delimiter = ',', value_parser = namespace)]
    pub watch_namespace: Vec<String>,

    /// Read no CredentialPolicies and no namespaces: what needs a policy is denied.
    #[arg(long, env = "REFRESHABLE_NO_POLICIES")]
    pub no_policies: bool,

    /// Serve no ClusterRefreshableCredentials. Without policies, and where only some namespaces are
    /// watched, none are served either.
    #[arg(long, env = "REFRESHABLE_NO_CLUSTER_CREDENTIALS")]
    pub no_cluster_credentials: bool,

    /// Watch Pods with the label refreshable.dev/propagation: Prompt, and annotate them after a
    /// rotation, so that their kubelets bring the new files at once. Takes the right to patch Pods.
    #[arg(long, env = "REFRESHABLE_PROMPT_PROPAGATION")]
    pub prompt_propagation: bool,

    /// The cluster's name, for session tags that CredentialPolicies put on (sessionTags, from:
    /// Cluster). At most 256 characters of those that AWS takes in the value of a tag.
    #[arg(long, env = "REFRESHABLE_CLUSTER_NAME", value_parser = cluster_name)]
    pub cluster_name: Option<String>,

    /// File (YAML) that registers programs for source custom.process and PKCS#11 modules, by name.
    #[arg(long, env = "REFRESHABLE_REGISTRY")]
    pub registry: Option<PathBuf>,

    /// Namespace of the Lease that decides which replica leads.
    #[arg(long, env = "REFRESHABLE_LEASE_NAMESPACE", value_parser = namespace)]
    pub lease_namespace: Option<String>,

    /// Name of that Lease.
    #[arg(long, env = "REFRESHABLE_LEASE_NAME", default_value = "refreshable-controller", value_parser = object_name)]
    pub lease_name: String,

    /// How long other replicas respect a Lease that nobody renews. The same for all replicas.
    #[arg(long, env = "REFRESHABLE_LEASE_DURATION", default_value = "15s", value_parser = duration::parse)]
    pub lease_duration: Duration,

    /// How long the leader relies on the Lease after it sent a renewal.
    #[arg(long, env = "REFRESHABLE_LEASE_RENEW_DEADLINE", default_value = "10s", value_parser = duration::parse)]
    pub lease_renew_deadline: Duration,

    /// Pause between renewals of the Lease, and between attempts to get it.
    #[arg(long, env = "REFRESHABLE_LEASE_RETRY_PERIOD", default_value = "2s", value_parser = duration::parse)]
    pub lease_retry_period: Duration,

    /// This replica's name in the Lease. No two processes that run at the same time may share one.
    #[arg(long, env = "POD_NAME")]
    pub identity: Option<String>,

    /// Lead without a Lease. Only where nothing ever runs a second replica.
    #[arg(long, env = "REFRESHABLE_NO_LEADER_ELECTION")]
    pub no_leader_election: bool,

    /// Most looks at resources, and most attempts that do not hang, at the same time: so many of
    /// each.
    #[arg(long, env = "REFRESHABLE_CONCURRENCY", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub concurrency: u16,

    /// Most STS calls a second for one calling identity in one Region, in the long run. AWS grants
    /// 600.
    #[arg(long, env = "REFRESHABLE_STS_CALLS_PER_SECOND", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub sts_calls_per_second: u32,

    /// STS calls that may be made at once after a pause.
    #[arg(long, env = "REFRESHABLE_STS_BURST", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub sts_burst: u32,

    /// Most attempts a minute of the resources of one namespace, all together, where the Namespace
    /// has no annotation refreshable.dev/attempts-per-minute. Unlimited where this is left out.
    #[arg(long, env = "REFRESHABLE_ATTEMPTS_PER_MINUTE", value_parser = AttemptsLimit::parse)]
    pub attempts_per_minute: Option<AttemptsLimit>,

    /// How many bytes the resources of one namespace may take, all together, where the Namespace
    /// has no annotation refreshable.dev/total-size: for example 10Mi. Unlimited where this is
    /// left out.
    #[arg(long, env = "REFRESHABLE_TOTAL_SIZE", value_parser = SizeLimit::parse)]
    pub total_size: Option<SizeLimit>,

    /// How long a published Secret stays after its permission was taken back, where no policy says
    /// otherwise (withdrawAfter): a duration, or Immediate. The permission may come back meanwhile.
    #[arg(long, env = "REFRESHABLE_WITHDRAW_AFTER", default_value = "10m", value_parser = withdrawal::parse_after)]
    pub withdraw_after: SignedDuration,

    /// The share of all published Secrets, in percent, that may be withdrawn at once. What goes
    /// beyond it waits for a confirmation.
    #[arg(long, env = "REFRESHABLE_WITHDRAWAL_LIMIT_PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub withdrawal_limit_percent: u8,

    /// How many Secrets may be withdrawn at once in any case, also where that is a larger share.
    #[arg(long, env = "REFRESHABLE_WITHDRAWAL_LIMIT_LEAST", default_value_t = 10)]
    pub withdrawal_limit_least: usize,

    /// Expose metrics that name each resource: as many series as resources, at whoever scrapes.
    #[arg(long, env = "REFRESHABLE_OBJECT_METRICS")]
    pub object_metrics: bool,

    /// Whether metrics name namespaces: some ten series for each that has resources.
    #[arg(long, env = "REFRESHABLE_NAMESPACE_METRICS")]
    pub namespace_metrics: bool,

    /// Time limit for one call to the Kubernetes API, in seconds.
    #[arg(long, env = "REFRESHABLE_API_TIMEOUT_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub api_timeout_seconds: u64,

    /// How long work under way may take to end when the process is asked to stop, in seconds.
    #[arg(long, env = "REFRESHABLE_SHUTDOWN_SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub shutdown_seconds: u64,
}

/// Reads a name that can be the value of a session tag.
fn cluster_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    match (1..=256).contains(&text.chars().count()) && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => {
            Err("a cluster's name has 1 to 256 letters, digits, blanks and _.:/=+-@".to_owned())
        }
    }
}

/// Reads the name of a namespace.
fn namespace(text: &str) -> Result<String, String> {
    match is_namespace(text) {
        true => Ok(text.to_owned()),
        false => Err("a namespace has 1 to 63 lower-case letters, digits and hyphens".to_owned()),
    }
}

/// Reads the name of an object.
fn object_name(text: &str) -> Result<String, String> {
    ObjectName::check(text).map(str::to_owned)
}

impl Options {
    /// Limits of the reconciler.
    pub fn settings(&self) -> super::Settings {
        super::Settings {
            api_timeout: Duration::from_secs(self.api_timeout_seconds),
            calls_per_second: self.sts_calls_per_second,
            burst: self.sts_burst,
            withdrawal: Limits {
                after: self.withdraw_after,
                most_percent: self.withdrawal_limit_percent,
                least: self.withdrawal_limit_least,
            },
            attempts_limit: self.attempts_per_minute,
            size_limit: self.total_size,
            ..super::Settings::default()
        }
    }

    /// Timings of the Lease.
    ///
    /// # Errors
    /// Advice, where they do not go together.
    pub fn lease_timings(&self) -> Result<LeaseTimings, String> {
        LeaseTimings::new(self.lease_duration, self.lease_renew_deadline, self.lease_retry_period)
    }

    /// The controller's own namespace: of its Lease, and of the key of its digests.
    pub fn home(&self) -> Option<String> {
        self.lease_namespace
            .clone()
            .or_else(|| std::env::var("POD_NAMESPACE").ok())
            .filter(|n| !n.is_empty())
    }

    /// This replica's name in the Lease.
    pub fn identity(&self) -> String {
        self.identity.clone().unwrap_or_else(|| {
            let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "refreshable".to_owned());
            let started = jiff::Timestamp::now().as_millisecond();
            format!("{host}-{}-{started}", std::process::id())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_flags_are_consistent() {
        Options::command().debug_assert();
        assert_eq!(Options::parse_from(["c"]).lease_timings(), Ok(LeaseTimings::default()));
        let wrong = Options::parse_from(["c", "--lease-duration", "10s"]).lease_timings();
        assert!(wrong.is_err_and(|why| why.contains("--lease-renew-deadline")));
    }

    #[test]
    fn a_certificate_alone_makes_no_secure_port() {
        let folder = ["--metrics-certificate-dir", "/tls"];
        let alone = Options::try_parse_from(["c"].iter().chain(&folder));
        let said = alone.expect_err("it needs the port").to_string();
        assert!(said.contains("--secure-metrics-listen"), "{said}");
        let port = ["--secure-metrics-listen", "[::]:8443"];
        let both = Options::try_parse_from(["c"].iter().chain(&folder).chain(&port));
        assert!(both.is_ok_and(|o| o.secure_metrics_listen.is_some_and(|a| a.port() == 8443)));
    }

    #[test]
    fn a_cluster_s_name_fits_into_a_tag() {
        let long = "x".repeat(257);
        for (name, fits) in [
            ("prod", true),
            ("arn:aws:eks:eu-west-1:1:cluster/prod", true),
            ("", false),
            ("a{b", false),
            (&long, false),
        ] {
            let parsed = Options::try_parse_from(["c", "--cluster-name", name]);
            assert_eq!(parsed.is_ok(), fits, "{name}");
        }
    }

    #[test]
    fn namespaces_may_be_separated_by_commas() {
        let options =
            Options::parse_from(["c", "--watch-namespace", "a,b", "--watch-namespace", "c"]);
        assert_eq!(options.watch_namespace, ["a", "b", "c"]);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for flag in ["--watch-namespace", "--lease-namespace", "--lease-name"] {
            for (name, fits) in [
                ("team-a", true),
                ("?", false),
                ("a/b", false),
                ("..", false),
                ("Team", false),
                ("", false),
            ] {
                assert_eq!(
                    Options::try_parse_from(["c", flag, name]).is_ok(),
                    fits,
                    "{flag} {name:?}"
                );
            }
        }
    }
}
