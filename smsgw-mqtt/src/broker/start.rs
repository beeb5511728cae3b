//! How a broker is put together and begun.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt5::broker::resource_monitor::ResourceMonitor;
use mqtt5::broker::sys_topics::BrokerStats;
use smsgw_core::audit::AuditLog;
use smsgw_core::auth::{Authenticator, Failures};
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::key::{Credential, CredentialKind};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::{self, Way};
use super::bulletin::Bulletin;
use super::doorway::Doorway;
use super::gate::{GATEWAY_CLIENT_ID, GATEWAY_USER, Gate};
use super::roster::Roster;
use super::sessions::Sessions;
#[cfg(feature = "tls")]
use super::tls;
use super::{Broker, BrokerConfig, BrokerTls, GatewayAccount, NAME, Shared, library};
use crate::login::Door;
use crate::witness::Witness;

/// Events that wait for the transport.
const EVENTS: usize = 1_024;
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How often it is looked for connections whose keys have expired, where the clock that they expire by is not the one that
/// is slept by, and how long it is slept at least.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);
const EXPIRE_STEP: Duration = Duration::from_millis(1);

impl Broker {
    /// Listens, and lets in whom `authenticator` knows. Must be called inside a Tokio runtime, which it uses until it
    /// is closed; there may be any number of brokers in a process.
    ///
    /// # Errors
    /// `Invalid` where the configuration or a file of it cannot work; `Unsupported` where TLS is asked for and the feature
    /// `tls` is off; `Unavailable` where the port is taken, `Unauthorized` where it
    /// is one that this user may not listen on. The detail says what to do.
    pub async fn start(config: BrokerConfig, authenticator: Authenticator) -> Result<Self> {
        Self::begin(config, authenticator, Witness::default()).await
    }

    /// As [`start`](Self::start), and notes refused accesses in `audit`, too. The log is written from when the gateway
    /// starts that has it, too.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with_audit(
        config: BrokerConfig,
        authenticator: Authenticator,
        audit: AuditLog,
    ) -> Result<Self> {
        Self::begin(config, authenticator, Witness::new(audit)).await
    }

    async fn begin(config: BrokerConfig, authenticator: Authenticator, witness: Witness) -> Result<Self> {
        config.check()?;
        let password = Credential::generate(CredentialKind::Token).map_err(|error| {
            Error::new(ErrorKind::Internal, NAME, "start")
                .with_detail("the operating system has no random numbers to give")
                .with_source(error.to_string())
        })?;
        // Before anything is opened: files may not be usable.
        let tls = tls(config.tls.as_ref())?;
        let (way, address) = match config.listen {
            Some(address) => (Way::Plain, address),
            None => (Way::GatewayOnly, (Ipv4Addr::LOCALHOST, 0).into()),
        };
        let listener = accept::listen(address).await?;
        let local_addr = address_of(&listener)?;
        let mut listeners = vec![(listener, way)];
        let mut tls_addr = None;
        if let (Some(way), Some(tls)) = (&tls, &config.tls) {
            let listener = accept::listen(tls.listen).await?;
            tls_addr = Some(address_of(&listener)?);
            listeners.push((listener, way.clone()));
        }
        let gateway = GatewayAccount {
            address: reachable(local_addr),
            client_id: GATEWAY_CLIENT_ID.into(),
            username: GATEWAY_USER.into(),
            password: password.expose().into(),
        };
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            settings: library::settings(&config),
            gate: Gate::new(
                Door::new(authenticator, config.shared_account, witness),
                gateway.password.clone(),
            ),
            handshakes: Failures::new(),
            sessions: Sessions::new(config.max_queued_messages, config.max_connections.saturating_mul(2)),
            roster: Roster::default(),
            bulletin: Bulletin::default(),
            stats: Arc::new(BrokerStats::new()),
            monitor: Arc::new(ResourceMonitor::new(library::no_limits())),
            max_packet_rate: config.max_packet_rate,
            stop: stop.clone(),
            goodbye: broadcast::channel(1).0,
        });
        let (doorway, entering) = Doorway::new();
        let (teller, events) = mpsc::channel(EVENTS);
        let tasks = TaskTracker::new();
        tasks.spawn(accept::run(shared.clone(), listeners, entering, config.max_connections));
        tasks
            .spawn(until_stopped(shared.clone(), |shared| async move { shared.bulletin.tell(teller).await }));
        tasks.spawn(until_stopped(shared.clone(), |shared| async move {
            loop {
                tokio::time::sleep(SWEEP_EVERY).await;
                shared.sessions.sweep().await;
            }
        }));
        tasks.spawn(until_stopped(shared.clone(), |shared| async move {
            loop {
                shared.expire().await;
                let now = shared.gate.door.now();
                let end = shared.roster.next_end().map_or(EXPIRE_EVERY, |end| now.until(end));
                tokio::select! {
                    () = tokio::time::sleep(end.clamp(EXPIRE_STEP, EXPIRE_EVERY)) => {}
                    () = shared.roster.sooner() => {}
                }
            }
        }));
        #[cfg(feature = "tls")]
        if let Some(Way::Tls(certificates)) = tls {
            tasks.spawn(until_stopped(shared.clone(), |_| certificates.keep_renewed()));
        }
        tasks.close();
        if config.listen.is_some() {
            tracing::info!(address = %local_addr, "MQTT broker listens");
        }
        if let Some(address) = tls_addr {
            tracing::info!(%address, "MQTT broker listens with TLS");
        }
        let events = Mutex::new(Some(events));
        Ok(Self { shared, local_addr, tls_addr, gateway, doorway, events, tasks, _stop: stop.drop_guard() })
    }
}

/// Runs `task` until the broker stops.
async fn until_stopped<F: Future<Output = ()>>(shared: Arc<Shared>, task: impl FnOnce(Arc<Shared>) -> F) {
    let stop = shared.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = task(shared) => {}
    }
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|error| Error::new(ErrorKind::Unavailable, NAME, "listen").with_source(error))
}

/// How those who use TLS come in.
#[cfg(feature = "tls")]
fn tls(files: Option<&BrokerTls>) -> Result<Option<Way>> {
    let load = |files: &BrokerTls| tls::Certificates::load(files.clone());
    let certificates = files.map(load).transpose().map_err(|why| {
        Error::new(ErrorKind::Invalid, NAME, "start").with_detail(format!("TLS of the broker: {why}"))
    })?;
    Ok(certificates.map(|certificates| Way::Tls(Arc::new(certificates))))
}

#[cfg(not(feature = "tls"))]
fn tls(files: Option<&BrokerTls>) -> Result<Option<Way>> {
    match files {
        None => Ok(None),
        Some(_) => Err(Error::new(ErrorKind::Unsupported, NAME, "start")
            .with_detail("TLS of the broker needs a build with the feature `tls`")),
    }
}

/// Where to connect to what listens on `address`.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_connects_to_an_address_that_exists() {
        for (listens, connects) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            let listens = listens.parse().expect("an address");
            assert_eq!(reachable(listens).to_string(), connects);
        }
    }

    #[cfg(not(feature = "tls"))]
    #[tokio::test]
    async fn a_build_without_tls_does_not_listen_in_the_clear_instead() {
        let store = smsgw_core::memory::MemoryStore::new();
        let authenticator = Authenticator::new(store, smsgw_core::time::SystemClock);
        let config = BrokerConfig::tls_only(BrokerTls::new("/broker.crt", "/broker.key"));
        let error = Broker::start(config, authenticator).await.expect_err("it cannot be");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
