//! Measures a whole gateway under load, and what it and its stores cost as they grow.
//!
//! ```text
//! cargo run --release --features amqp,postgres,redis --example loadtest -- --store postgres --broker mosquitto
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

mod crowd;
mod flags;
mod gateway;
mod http;
mod mqtt;
mod phones;
mod plot;
mod report;
mod run;
mod scale;
mod servers;
mod tally;
mod usage;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use flags::{Command, Flags, RunFlags};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let Flags { command, run } = Flags::parse();
    let done = match command {
        None => load(run),
        Some(Command::Scale(flags)) => on_runtime(scale::run(&flags)),
        Some(Command::Devices(flags)) => on_runtime(crowd::run(&flags)),
    };
    done.unwrap_or_else(|problem| {
        eprintln!("loadtest: {problem}");
        ExitCode::from(2)
    })
}

fn load(flags: RunFlags) -> Outcome<ExitCode> {
    flags.check()?;
    let report = run::run(flags)?;
    if !report.flags.json {
        println!("{}", report.table());
    }
    println!("{}", report.json());
    // A run that lost something is no measurement.
    Ok(ExitCode::from(u8::from(report.lost + report.duplicated > 0)))
}

fn on_runtime(work: impl Future<Output = Outcome<()>>) -> Outcome<ExitCode> {
    tokio::runtime::Runtime::new()?.block_on(work)?;
    Ok(ExitCode::SUCCESS)
}
