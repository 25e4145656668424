//! Log lines.

use super::{LogFormat, Options};
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. The level is that of the controller's own lines; libraries are
/// heard from `warn` on, and kube's client not below `error`: at `warn` it prints the body of an
/// answer that it cannot read, and that may be a Secret.
pub fn start(options: &Options) {
    let filter = EnvFilter::new(format!(
        "warn,refreshable={level},kube_client=error,aws_config=error,hyper_util=error",
        level = options.log_level
    ));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match options.log_format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).init(),
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
    }
}
