//! The gateway as a program: `cargo run --example gateway`. A subcommand a file; the settings are in `settings`, what is
//! made of them in `backends`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

mod accounts;
mod admin;
mod announce;
mod backends;
mod broker;
mod certs;
mod check;
mod demo;
mod flags;
mod owner;
mod phones;
mod results;
mod secret;
mod serve;
mod settings;
mod token;

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;

use smsgw::error::{ErrorKind, with_causes};

use flags::{Command, Flags};
use settings::Settings;
use token::TokenCommand;

/// Half a gateway's allocations are freed by another thread than made them, and many are larger than what the system's
/// allocator keeps at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let Flags { command, settings, serve } = Flags::read();
    log_to_stderr();
    // For `tests/chaos` alone.
    #[cfg(feature = "crash-points")]
    std::env::var("SMSGW_CRASH").iter().for_each(|at| smsgw::crash::arm(at).expect("a crash point"));
    match command {
        None => match Settings::read_or_explain(&settings, serve.devices) {
            Ok(settings) => ended(serve::run(settings, serve.json).await),
            Err(code) => code,
        },
        Some(Command::Token { command: Some(TokenCommand::Generate), .. }) => ended(token::generate()),
        Some(
            Command::Token { command: Some(TokenCommand::Create(create)), .. }
            | Command::Token { create, .. },
        ) => match Settings::read_or_explain(&create.settings, None) {
            Ok(settings) => ended(token::create(&settings, create).await),
            Err(code) => code,
        },
        Some(Command::Certs { out, host, renew }) => ended(certs::run(&out, &host, renew)),
        Some(Command::Check { settings, json }) => check::run(&settings, json).await,
    }
}

fn log_to_stderr() {
    // The broker's warnings name topics, and topics of the original protocol hold keys.
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(format!("{filter},mqtt5=error,mqtt5_protocol=error"))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

fn ended(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("smsgw: {}", with_causes(&*problem));
            // The broker has no place for this gateway as it is set up: started again, it would only push out another.
            let refused = problem.downcast_ref::<smsgw::error::Error>();
            match refused.is_some_and(|error| error.kind() == ErrorKind::Unauthorized) {
                true => ExitCode::from(78),
                false => ExitCode::FAILURE,
            }
        }
    }
}
