//! The controller's log lines.

use super::Options;
use refreshable_agent::logging;
use tracing::Level;

/// Starts logging. kube's client is not heard below `error`: at `warn` it prints the body of an
/// answer that it cannot read, and that may be a Secret.
pub fn start(options: &Options) {
    let quiet =
        [("kube_client", Level::ERROR), ("aws_config", Level::ERROR), ("hyper_util", Level::ERROR)];
    logging::start(options.log_format, options.log_level, &quiet);
    std::panic::set_hook(Box::new(|panic| tracing::error!(place = place(panic), "a panic")));
}

/// Where it was. Not what it said: that may be a secret.
fn place(panic: &std::panic::PanicHookInfo<'_>) -> String {
    panic.location().map(ToString::to_string).unwrap_or_default()
}
