//! Measures a gateway and its stores.
//!
//! ```text
//! cargo run --release --all-features --example loadtest -- scale --svg scale.svg
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::error::Error;

use clap::{Parser, Subcommand};

mod crowd;
mod mqtt;
mod plot;
mod scale;
mod usage;

/// Measures a gateway and its stores
#[derive(Debug, Parser)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How the cost of a store's calls grows with its tables
    Scale(scale::ScaleFlags),
    /// What it takes to hold many devices that are connected through Mosquitto
    Devices(crowd::CrowdFlags),
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    match Flags::parse().command {
        Command::Scale(flags) => scale::run(&flags).await,
        Command::Devices(flags) => crowd::run(&flags).await,
    }
}
