//! The flags that every kubectl command has, under kubectl's names.

use clap::Args;
use refreshable_rules::duration;
use std::path::PathBuf;
use std::time::Duration;

const HEADING: &str = "Flags of every kubectl command";

/// Which cluster, as whom, in which namespace.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = HEADING)]
pub struct Global {
    /// Path to the kubeconfig file. Defaults to $KUBECONFIG, else ~/.kube/config.
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

    /// Namespace. Defaults to that of the context.
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Address and port of the API server.
    #[arg(short, long, global = true, value_name = "URL")]
    pub server: Option<String>,

    /// Bearer token for the API server. Visible to every user of the machine: prefer a kubeconfig.
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
    #[arg(long, global = true, default_value = "0", value_name = "DURATION", value_parser = duration::parse)]
    pub request_timeout: Duration,
}
