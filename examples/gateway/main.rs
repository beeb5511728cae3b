//! The whole gateway in one process: HTTP in, phones on MQTT, SQLite below. `cargo run --example gateway`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

mod demo;
mod flags;
mod phones;

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use smsgw::auth::Authenticator;
use smsgw::error::with_causes;
use smsgw::gateway::Gateway;
use smsgw::memory::MemoryQueue;
use smsgw::mqtt::{broker::Broker, broker::BrokerConfig, transport::MqttTransport};
use smsgw::sqlite::{SqliteConfig, SqliteStore};
use smsgw::time::SystemClock;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use flags::Flags;

/// How long requests, and then messages, that are under way may take after the gateway was told to stop.
const DRAIN: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::read();
    // The broker's warnings name topics, and topics of the original protocol hold keys.
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(format!("{filter},mqtt5=error,mqtt5_protocol=error"))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("smsgw: {}", with_causes(&*problem));
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let stop = stop_signals()?;
    let busy = |error| format!("cannot listen on {} ({error}); choose another address by --http", flags.http);
    let listener = TcpListener::bind(flags.http).await.map_err(busy)?;
    let http = listener.local_addr()?;

    let store =
        SqliteStore::open(SqliteConfig::new(flags.data.join("smsgw.db")), Arc::new(SystemClock)).await;
    let store = Arc::new(store.map_err(|error| format!("{}; see --data DIR", with_causes(&error)))?);
    let _lock = demo::lock(&flags.data)?;
    let mut config = BrokerConfig::new(flags.mqtt);
    config.shared_account = flags.shared_account();
    let broker = Broker::start(config, Authenticator::new(store.clone(), SystemClock)).await;
    let broker = broker.map_err(|error| format!("{}; see --mqtt", with_causes(&error)))?;
    let gateway = Gateway::builder(store, MemoryQueue::new(), MqttTransport::embedded(&broker));
    let gateway = flags.rate_limit.into_iter().fold(gateway, |gateway, limit| gateway.rate_limit(limit));
    let mut running = gateway.build().start().await?;

    let demo = demo::Demo::prepare(&running.handle(), &flags).await?;
    let mqtt = format!("mqtt://{}", broker.local_addr());
    let phones = phones::start(&demo.devices, &mqtt, &flags.data)?;
    demo.announce(&flags, &format!("http://{http}"), &mqtt);

    tokio::select! {
        served = smsgw::http::serve(listener, smsgw::http::router(running.handle()), stop, DRAIN) => served?,
        error = running.failed() => return Err(error.into()),
    }
    let drained = running.drain(DRAIN).await;
    drop(phones);
    broker.close().await;
    Ok(drained?)
}

/// Cancelled by the first Ctrl-C or SIGTERM; a second one ends the process at once.
fn stop_signals() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = terminate.recv() => told.cancel(),
                _ = interrupt.recv() => told.cancel(),
            }
            tracing::info!("draining; once more to stop at once");
        }
        std::process::exit(1);
    });
    Ok(stop)
}
