//! The table of what was measured.

use crate::course::Row;
use std::time::Duration;

/// One row as it is printed while the next is measured.
pub(crate) fn line(row: &Row) -> String {
    let bare = row.bare.map_or_else(String::new, |both| {
        let [before, after] = both.map(|d| d.as_secs_f64());
        format!("the bare client took {before:.1} and {after:.1} s, ")
    });
    format!("{}: {bare}the controller {:.1} s", row.number, row.cold.as_secs_f64())
}

/// All rows, as Markdown.
pub(crate) fn of(rows: &[Row], latency: Duration) -> String {
    let head = "| resources | bare client | controller | ratio | CPU for each | most memory | at rest | restart | CPU for each | memory then |";
    let rule = "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";
    let mut lines = vec![
        format!("An STS that answers after {} ms.\n", latency.as_millis()),
        head.to_owned(),
        rule.to_owned(),
    ];
    lines.extend(rows.iter().map(cells));
    lines.join("\n")
}

fn cells(row: &Row) -> String {
    let number = u32::try_from(row.number).unwrap_or(u32::MAX);
    let rate = |all: Duration| f64::from(number) / all.as_secs_f64();
    let each = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / f64::from(number);
    let mebibytes = |kibibytes: u64| kibibytes / 1024;
    let (bare, ratio) = match row.bare().map(rate) {
        Some(bare) => (format!("{bare:.0}/s"), format!("{:.0} %", rate(row.cold) / bare * 100.0)),
        None => ("-".to_owned(), "-".to_owned()),
    };
    format!(
        "| {} | {bare} | {:.0}/s | {ratio} | {:.2} ms | {} MiB | {:.2} % | {:.1} s | {:.3} ms | {} MiB |",
        row.number,
        rate(row.cold),
        each(row.cold_cpu),
        mebibytes(row.most),
        row.rest() * 100.0,
        row.restart.as_secs_f64(),
        each(row.restart_cpu),
        mebibytes(row.held),
    )
}
