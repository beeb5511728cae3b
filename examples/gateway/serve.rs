//! Without a subcommand: the gateway, from the first socket to the last message.

use std::error::Error;
use std::time::Duration;

use smsgw::audit::AuditLog;
use smsgw::gateway::Gateway;
use smsgw::http::{ApiConfig, DashboardConfig};
use smsgw::time::SystemClock;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::announce::Place;
use crate::demo::Demo;
use crate::results::Results;
use crate::settings::Settings;
use crate::{accounts, admin, backends, broker, demo, phones, results, secret};

/// How long requests, and then messages, that are under way may take after the gateway was told to stop.
const DRAIN: Duration = Duration::from_secs(4);

pub(crate) async fn run(settings: Settings, is_json: bool) -> Result<(), Box<dyn Error>> {
    let stop = stop_signals()?;
    let busy = |error| {
        format!("cannot listen on {} ({error}); choose another address by --http", settings.http.listen)
    };
    let listener = TcpListener::bind(settings.http.listen).await.map_err(busy)?;
    let http = format!("{}://{}", settings.http.scheme(), listener.local_addr()?);

    let store = backends::store(&settings).await?;
    // What is in the directory is for one gateway; a database elsewhere may be shared.
    let _lock =
        (settings.keeps_database || settings.is_demo).then(|| demo::lock(&settings.data)).transpose()?;
    let (sealer, pseudonyms) = secret::uses(&settings)?;
    let audit = AuditLog::new(store.clone(), SystemClock);
    let queue = backends::queue(&settings).await?;
    results::look(&settings).await?;
    let way = broker::open(&settings.mqtt, &store, &audit).await?;
    let place = Place::new(http, &way, &store, &queue);
    let guard = accounts::guard(&settings.mqtt, &store, &audit);
    let mut gateway = Gateway::builder(store, queue, way.transport.clone())
        .sealer(sealer)
        .pseudonyms(pseudonyms)
        .keep_contents(settings.retention)
        .keep_history(settings.history)
        .always_queue(settings.always_queue)
        .audit_log(audit);
    if let Some(provisioner) = accounts::provisioner(&settings.mqtt).await {
        gateway = gateway.provisioner(provisioner);
    }
    if let Some(limit) = settings.rate_limit {
        gateway = gateway.rate_limit(limit);
    }
    let mut running = gateway.build().start().await?;
    let results = Results::start(&settings, &running.handle());

    let demo = match settings.is_demo {
        true => Some(Demo::prepare(&running.handle(), &settings.data, settings.devices).await?),
        false => None,
    };
    let devices = demo.as_ref().map_or([].as_slice(), |demo| &demo.devices);
    let phones = phones::start(devices, &way, &settings.data)?;
    let admin = admin::ensure(&running.handle(), &settings).await?;
    place.announce(demo.as_ref(), admin.as_ref(), is_json);
    let dashboard = DashboardConfig { devices_connect_to: place.for_devices().map(str::to_owned) };
    let api = ApiConfig { account_rate: settings.account_rate, guard, dashboard };
    let router = smsgw::http::router_with(running.handle(), api);

    tokio::select! {
        served = smsgw::http::serve_with(listener, router, settings.http.serve, stop, DRAIN) => served?,
        error = running.failed() => return Err(error.into()),
    }
    let drained = running.drain(DRAIN).await;
    results.close().await;
    drop(phones);
    way.close().await;
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
