//! Memory and processor time that a running program uses, as Linux counts it (proc(5)).

use std::time::Duration;

/// Memory of a process in KiB: `VmRSS`, what it holds, or `VmHWM`, the most that it ever held.
pub fn memory(process: u32, which: &str) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line =
        status.lines().find_map(|line| line.strip_prefix(&format!("{which}:"))).expect("a figure");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Processor time that a process has used.
pub fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a running process");
    let after_name = stat.rsplit_once(')').expect("a name in brackets").1;
    // Fields 14 and 15, in user and in kernel mode; field 3 is the first behind the name.
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|n| n.parse::<u64>().expect("ticks"))
        .sum();
    // Linux counts in hundredths of a second for every program (USER_HZ).
    Duration::from_millis(ticks * 10)
}
