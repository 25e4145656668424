//! How fast the controller is, beside a client that makes the same two writes for each resource and
//! nothing else: `make bench`.
//!
//! Both run on the same API server, in turn, holding the same watches: what the machine and the API
//! server cost is in both figures, and their ratio says what the controller adds. An STS of the
//! bench's own answers at once (`--latency` in milliseconds says otherwise).
//!
//! `bench [--latency MS] [--write-page] CONTROLLER NUMBER...` measures so many resources, one
//! number after the other. `--write-page` puts the table into docs/performance.md.

mod bare;
mod course;
#[path = "../harness/mod.rs"]
mod harness;
mod stub;
mod table;

use course::Course;
use std::process::ExitCode;
use std::time::Duration;

/// An order to measure.
struct Order {
    latency: Duration,
    write_page: bool,
    program: String,
    numbers: Vec<usize>,
}

impl Order {
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let (mut latency, mut write_page) = (Duration::ZERO, false);
        let program = loop {
            match arguments.next()?.as_str() {
                "--latency" => latency = Duration::from_millis(arguments.next()?.parse().ok()?),
                "--write-page" => write_page = true,
                program => break program.to_owned(),
            }
        };
        let numbers: Vec<usize> = arguments.map(|n| n.parse().ok()).collect::<Option<_>>()?;
        (!numbers.is_empty()).then_some(Self { latency, write_page, program, numbers })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(order) = Order::read(std::env::args().skip(1)) else {
        eprintln!("usage: bench [--latency MS] [--write-page] CONTROLLER NUMBER...");
        return ExitCode::FAILURE;
    };
    let mut rows = Vec::new();
    for number in &order.numbers {
        // A cluster of its own for each: what etcd and the API server hold is the same for all.
        let course = Course::prepare(&order.program, order.latency).await;
        let row = course.run(*number).await;
        println!("{}", table::line(&row));
        rows.push(row);
    }
    let table = table::of(&rows, order.latency);
    println!("\n{table}");
    if order.write_page
        && let Err(error) = harness::page::renew("docs/performance.md", "bench", &table)
    {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
