//! A simulated native device as a process of its own.
//!
//! ```text
//! cargo run --example device -- --mqtt mqtt://127.0.0.1:1883 --id ID --key KEY --journal device.journal
//! ```
//!
//! It keeps the device's half of the protocol in full; only its radio is made up. Each touch of the radio
//! appends one JSON line to the radio file, synced before anything is reported, so that a test can count what
//! "went out over the air".
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use smsgw::error::with_causes;
use smsgw::mqtt::device::{Device, DeviceError, Outcome, Radio, RadioError, Sms, Status};
use smsgw::mqtt::transport::TlsConfig;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::signal::unix::{SignalKind, signal};

/// A simulated phone for smsgw
#[derive(Parser)]
#[command(version, arg_required_else_help = false)]
struct Args {
    /// The gateway's broker: mqtt://HOST[:PORT], or mqtts:// for TLS
    #[arg(long, value_name = "URL")]
    mqtt: String,
    /// The device id that the gateway gave
    #[arg(long)]
    id: String,
    /// The API key that the gateway gave
    #[arg(long, env = "SMSGW_DEVICE_KEY", hide_env_values = true)]
    key: String,
    /// With mqtts: the CA of the broker's certificate [default: those of this machine]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// With mqtts: the certificate to show, where the broker wants one
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    tls_key: Option<PathBuf>,
    /// Where to keep what must survive a crash [default: memory only]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Where to write each touch of the radio
    #[arg(long, value_name = "FILE")]
    radio: Option<PathBuf>,
    /// How long the radio takes for a message
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// How long after `sent` the network reports `delivered`, or `never`
    #[arg(long, value_name = "MS", default_value = "0", value_parser = wait_or_never)]
    delivery: Delay,
    /// The share of messages that the radio refuses, from 0 to 1
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = share)]
    fail: f64,
    /// Makes the refusals repeatable
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy)]
struct Delay(Option<Duration>);

fn wait_or_never(text: &str) -> Result<Delay, String> {
    match text {
        "never" => Ok(Delay(None)),
        _ => match text.parse() {
            Ok(ms) => Ok(Delay(Some(Duration::from_millis(ms)))),
            Err(_) => Err("give milliseconds, or `never`".to_owned()),
        },
    }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate)).ok_or("give a number from 0 to 1".to_owned())
}

struct SimulatedRadio {
    log: Option<File>,
    latency: Duration,
    delivery: Option<Duration>,
    fail: f64,
    random: fastrand::Rng,
}

impl SimulatedRadio {
    /// Written before anything is known of the outcome: the radio was touched.
    async fn touch(&self, sms: &Sms) -> std::io::Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let log = log.try_clone()?;
        let at = OffsetDateTime::now_utc().format(&Rfc3339).map_err(std::io::Error::other)?;
        let line = serde_json::json!({"id": sms.id, "to": sms.to, "at": at, "attempt": sms.attempt});
        let write = move || {
            (&log).write_all(format!("{line}\n").as_bytes())?;
            log.sync_data()
        };
        tokio::task::spawn_blocking(write).await?
    }
}

#[async_trait::async_trait]
impl Radio for SimulatedRadio {
    async fn transmit(&mut self, sms: &Sms) -> Result<Outcome, RadioError> {
        self.touch(sms).await.map_err(|e| RadioError::new("radio_file").with_detail(e.to_string()))?;
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        if self.random.f64() < self.fail {
            return Err(RadioError::new("radio_error"));
        }
        Ok(self.delivery.map_or(Outcome::Sent, Outcome::DeliveredAfter))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) if e.use_stderr() => return usage(&first_line(&e.to_string())),
        Err(help) => {
            print!("{help}");
            return ExitCode::SUCCESS;
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match serve(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(why)) => usage(&why),
        Err(Failure::Run(e)) => {
            eprintln!("{}", with_causes(&e));
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Usage(String),
    Run(DeviceError),
}

async fn serve(args: Args) -> Result<(), Failure> {
    let log = args.radio.as_deref().map(append).transpose().map_err(Failure::Usage)?;
    let radio = SimulatedRadio {
        log,
        latency: Duration::from_millis(args.latency),
        delivery: args.delivery.0,
        fail: args.fail,
        random: args.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
    };
    let mut builder = Device::builder(&args.mqtt, &args.id, args.key)
        .tls(TlsConfig { ca: args.ca, cert: args.cert, key: args.tls_key })
        .agent(concat!("smsgw-example/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &args.journal {
        builder = builder.journal(path);
    }
    let device = builder.build().map_err(|e| Failure::Usage(cure(&e, args.journal.as_deref())))?;
    let mut status = device.handle().status();
    let connected = async {
        while status.changed().await.is_ok() {
            if *status.borrow_and_update() == Status::Online {
                println!("device {} connected to {}", args.id, args.mqtt);
            }
        }
        std::future::pending().await
    };
    let signals = signal(SignalKind::terminate()).map_err(|e| Failure::Usage(format!("no signals: {e}")))?;
    tokio::select! {
        result = device.run(radio, stop(signals)) => result.map_err(Failure::Run),
        never = connected => never,
    }
}

/// Ctrl-C or SIGTERM; a second one stops at once.
async fn stop(mut terminate: tokio::signal::unix::Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping");
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        std::process::exit(1);
    });
}

fn append(path: &Path) -> Result<File, String> {
    OpenOptions::new().append(true).create(true).open(path).map_err(|e| {
        format!("cannot write the radio file {}: {e}; give --radio a file that can be made", path.display())
    })
}

fn usage(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(2)
}

fn cure(error: &DeviceError, journal: Option<&Path>) -> String {
    match (error, journal) {
        (DeviceError::Journal(e), Some(path)) => format!(
            "cannot use the journal {}: {e}; give --journal a file that can be made, one for each device",
            path.display()
        ),
        _ => with_causes(error),
    }
}

/// clap's explanation is a paragraph; its first line says what is wrong.
fn first_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let missing: Vec<&str> = lines.take_while(|line| line.starts_with("--")).collect();
    format!("{} {}; try --help", first.trim_end_matches(':'), missing.join(" ")).replace(" ;", ";")
}
