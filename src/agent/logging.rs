//! Log lines, on standard error.

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Starts logging. `level` is that of this project's own lines; libraries log from `warn` on, and
/// those in `quiet` from the level given there.
pub fn start(format: LogFormat, level: Level, quiet: &[(&str, Level)]) {
    let heard = Targets::new()
        .with_default(Level::WARN)
        .with_target("refreshable", level)
        .with_targets(quiet.iter().map(|(target, level)| ((*target).to_owned(), *level)));
    let lines = tracing_subscriber::registry().with(heard);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Json => {
            lines.with(layer.json().flatten_event(true).with_current_span(false)).init()
        }
        LogFormat::Text => {
            lines
                .with(layer.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())))
                .init();
        }
    }
}
