//! The gateway as a program: `cargo run --example gateway`. A subcommand a file; the settings are in `settings`, what is
//! made of them in `backends`, and what `device` and `send` ask a gateway in `client`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

mod accounts;
mod admin;
mod announce;
mod backends;
mod broker;
mod certs;
mod check;
mod client;
mod config;
mod demo;
mod device;
mod exit;
mod flags;
mod log;
mod migrate;
mod owner;
mod phones;
mod results;
mod secret;
mod send;
mod serve;
mod settings;
mod table;
mod token;

use std::process::ExitCode;

use exit::{ended, served};
use flags::{Command, Flags, ServeFlags, SettingFlags};
use log::Format;
use settings::{Settings, explain};

/// Half a gateway's allocations are freed by another thread than made them, and many are larger than what the system's
/// allocator keeps at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::read();
    let format = flags.settings().map(Settings::log_format).unwrap_or_default();
    let _log = log::start(format);
    // For `tests/chaos` alone.
    #[cfg(feature = "crash-points")]
    std::env::var("SMSGW_CRASH").iter().for_each(|at| smsgw::crash::arm(at).expect("a crash point"));
    let Flags { command, serve, settings } = flags;
    if !matches!(command, None | Some(Command::Serve { .. })) {
        exit::when_nobody_reads();
    }
    match command {
        None => serving(&serve, &settings, format).await,
        Some(Command::Serve { serve, settings }) => serving(&serve, &settings, format).await,
        Some(Command::Check { settings, output }) => check::run(&settings, output.is_json()).await,
        Some(Command::Config { settings, output }) => config::run(&settings, output.is_json()),
        Some(Command::Migrate { settings, output }) => match Settings::read_or_explain(&settings, None) {
            Ok(settings) => ended(migrate::run(&settings, output.is_json()).await),
            Err(code) => code,
        },
        Some(Command::Certs { out, host, renew }) => ended(certs::run(&out, &host, renew)),
        Some(Command::Token { command, create }) => token::run(command, create).await,
        Some(Command::Device(flags)) => client::blocking(move || device::run(&flags)).await,
        Some(Command::Send(flags)) => client::blocking(move || send::run(&flags)).await,
        Some(Command::Openapi) => {
            println!("{}", smsgw::http::openapi());
            ExitCode::SUCCESS
        }
        Some(Command::Completions { shell }) => {
            print!("{}", Flags::completions(shell));
            ExitCode::SUCCESS
        }
    }
}

async fn serving(flags: &ServeFlags, settings: &SettingFlags, format: Format) -> ExitCode {
    match Settings::read(settings, flags.devices) {
        Ok(settings) => served(serve::run(settings, flags.output.is_json()).await, format),
        Err(problems) => explain(&problems, format),
    }
}
