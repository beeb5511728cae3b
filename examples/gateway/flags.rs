//! The command line.

mod settings;

use std::path::PathBuf;
use std::process::exit;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use self::settings::SettingFlags;
use crate::device::DeviceFlags;
use crate::exit::{CODES, USAGE};
use crate::send::SendFlags;
use crate::token::{CreateFlags, TokenCommand};

/// An SMS gateway. Without a command it serves; with nothing set, it is a demo: everything in one process.
#[derive(Debug, Parser)]
#[command(
    name = "gateway",
    version,
    args_override_self = true,
    args_conflicts_with_subcommands = true,
    after_help = CODES
)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeFlags,
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
}

#[derive(Debug, Args)]
pub(crate) struct ServeFlags {
    /// How many simulated phones to start; 1 where neither a database nor a broker is named, else none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub(crate) devices: Option<u16>,
    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

/// How what is printed is written.
#[derive(Debug, Args)]
pub(crate) struct OutputFlags {
    /// Write words and tables for people, or JSON for programs
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Output,
    /// The same as --output json
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway; the same as no command
    #[command(after_help = CODES)]
    Serve {
        #[command(flatten)]
        serve: ServeFlags,
        #[command(flatten)]
        settings: Box<SettingFlags>,
    },
    /// Test the settings and each backend, and name the cure
    #[command(after_help = CODES)]
    Check {
        #[command(flatten)]
        output: OutputFlags,
        #[command(flatten)]
        settings: Box<SettingFlags>,
    },
    /// Print the settings in force and where each comes from; secrets are hidden
    #[command(after_help = CODES)]
    Config {
        #[command(flatten)]
        output: OutputFlags,
        #[command(flatten)]
        settings: Box<SettingFlags>,
    },
    /// Bring the database's schema up to date
    #[command(after_help = CODES)]
    Migrate {
        #[command(flatten)]
        output: OutputFlags,
        #[command(flatten)]
        settings: Box<SettingFlags>,
    },
    /// Make certificates of a server and a client, and a CA where there is none, for TLS
    #[command(after_help = CODES)]
    Certs {
        /// Where to put them; a ca.crt and ca.key that are there sign them
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// A name or an address by which clients reach the server, beside localhost and this machine's name
        #[arg(long, value_name = "NAME_OR_IP")]
        host: Vec<String>,
        /// Replace the certificates and keys of server and client that are there; never the CA
        #[arg(long)]
        renew: bool,
    },
    /// API tokens, in the database beside the gateway; without a command, make one and print it
    #[command(args_conflicts_with_subcommands = true, after_help = CODES)]
    Token {
        #[command(subcommand)]
        command: Option<TokenCommand>,
        #[command(flatten)]
        create: CreateFlags,
    },
    /// Phones and modems of a gateway that runs
    #[command(after_help = CODES)]
    Device(DeviceFlags),
    /// Send an SMS through a gateway that runs
    #[command(after_help = CODES)]
    Send(SendFlags),
    /// Print the OpenAPI document of the HTTP API
    #[command(after_help = CODES)]
    Openapi,
    /// Print what a shell needs to complete this command line
    #[command(after_help = CODES)]
    Completions {
        /// For which shell
        shell: Shell,
    },
}

impl OutputFlags {
    pub(crate) fn is_json(&self) -> bool {
        self.json || self.output == Output::Json
    }
}

impl Flags {
    /// Reads the command line; ends the process where it is wrong, with one sentence.
    pub(crate) fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            let text = error.to_string();
            if !error.use_stderr() {
                print!("{text}");
                exit(0);
            }
            let line: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            eprintln!("smsgw: {}; try --help", line.join(" ").trim_start_matches("error: "));
            exit(USAGE.into());
        })
    }

    /// The settings that the command was given, where it reads any.
    pub(crate) fn settings(&self) -> Option<&SettingFlags> {
        match &self.command {
            None => Some(&self.settings),
            Some(
                Command::Serve { settings, .. }
                | Command::Check { settings, .. }
                | Command::Config { settings, .. }
                | Command::Migrate { settings, .. },
            ) => Some(settings),
            Some(Command::Token { command, create }) => match command {
                None => Some(&create.settings),
                Some(command) => command.settings(),
            },
            Some(_) => None,
        }
    }

    /// What a shell needs to complete it.
    pub(crate) fn completions(shell: Shell) -> String {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Self::command(), "gateway", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}

pub(crate) fn span(text: &str) -> Result<Duration, &'static str> {
    let wrong = "expected a whole number and s, m, h, d or w, as 90d";
    let unit = text.chars().last().ok_or(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong),
    };
    let count: u64 = text.trim_end_matches(unit).parse().map_err(|_| wrong)?;
    match count.checked_mul(seconds) {
        Some(seconds) if (1..=100 * 366 * 86_400).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected more than nothing and less than 100 years"),
    }
}
