//! The whole gateway in one process: HTTP in, phones on MQTT, SQLite below. `cargo run --example gateway`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

mod flags;
mod phones;
mod setup;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use smsgw::auth::Authenticator;
use smsgw::error::with_causes;
use smsgw::gateway::Gateway;
use smsgw::memory::MemoryQueue;
use smsgw::mqtt::broker::{Broker, BrokerConfig};
use smsgw::mqtt::transport::MqttTransport;
use smsgw::sqlite::{SqliteConfig, SqliteStore};
use smsgw::time::SystemClock;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use flags::Flags;

/// How long what is under way may take after the gateway was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    let flags = match Flags::read() {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    // Below a warning the broker names topics, and topics of the original protocol are keys.
    let quiet = "mqtt5=error,mqtt5_protocol=error";
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(format!("{filter},{quiet}"))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("smsgw: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> Result<(), String> {
    let stop = stop_signals()?;
    setup::make_private(&flags.data)?;
    let listener = TcpListener::bind(flags.http).await.map_err(|error| {
        format!(
            "cannot listen on {} for HTTP ({error}); free it, or choose another by --http ADDR",
            flags.http
        )
    })?;
    let http = listener.local_addr().map_err(|error| error.to_string())?;
    let store = Arc::new(
        SqliteStore::open(SqliteConfig::new(flags.data.join("smsgw.db")), Arc::new(SystemClock))
            .await
            .map_err(|error| with_causes(&error))?,
    );

    let mut config = BrokerConfig::new(flags.mqtt);
    config.shared_account = flags.shared_account();
    let broker =
        Broker::start(config, Authenticator::new(store.clone(), SystemClock)).await.map_err(|error| {
            format!("{}; free {}, or choose another address by --mqtt ADDR", with_causes(&error), flags.mqtt)
        })?;
    let mut builder = Gateway::builder(store, MemoryQueue::new(), MqttTransport::embedded(&broker));
    if let Some(limit) = flags.rate_limit {
        builder = builder.rate_limit(limit);
    }
    let running = builder.build().start().await.map_err(|error| with_causes(&error))?;

    let demo = setup::Demo::prepare(&running.handle(), &flags.data, flags.devices).await?;
    let mqtt = format!("mqtt://{}", broker.local_addr());
    let phones = phones::start(&demo.devices, &mqtt, &flags.data)?;
    setup::announce(&flags, http, &mqtt, &demo);

    let router = smsgw::http::router(running.handle());
    smsgw::http::serve(listener, router, stop, DRAIN)
        .await
        .map_err(|error| format!("cannot serve HTTP: {error}"))?;
    let drained = running.drain(DRAIN).await.map_err(|error| with_causes(&error));
    phones.stop().await;
    broker.close().await;
    drained
}

/// Cancelled by the first Ctrl-C or SIGTERM; a second one ends the process at once.
fn stop_signals() -> Result<CancellationToken, String> {
    let no_signals = |error: std::io::Error| format!("cannot wait for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        next(&mut terminate, &mut interrupt).await;
        tracing::info!("draining; once more to stop at once");
        told.cancel();
        next(&mut terminate, &mut interrupt).await;
        std::process::exit(1);
    });
    Ok(stop)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
