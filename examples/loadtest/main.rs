//! A load run through a whole gateway: `cargo run --release --features amqp,postgres,redis --example loadtest -- --help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

mod flags;
mod gateway;
mod http;
mod mqtt;
mod phones;
mod report;
mod run;
mod servers;
mod tally;

use std::process::ExitCode;

use clap::Parser;

use flags::Flags;

fn main() -> ExitCode {
    let flags = Flags::parse();
    let outcome = flags.check().map_err(Into::into).and_then(|()| run::run(flags.clone()));
    match outcome {
        Ok(report) => {
            match flags.json {
                true => println!("{}", report.json()),
                false => println!("{}\n{}", report.table(), report.json()),
            }
            // A run that lost something is no measurement.
            ExitCode::from(u8::from(report.lost + report.duplicated > 0))
        }
        Err(problem) => {
            eprintln!("loadtest: {problem}");
            ExitCode::from(2)
        }
    }
}
