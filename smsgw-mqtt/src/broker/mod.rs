//! An MQTT broker inside the gateway: MQTT 3.1.1 and 5 over TCP and TLS, sessions in memory, and rules that know the
//! dialects.
//!
//! | who | user name | password | client id | publishes | subscribes to |
//! |---|---|---|---|---|---|
//! | a native device | its id | its API key | its id | `smsgw/v1/{id}/up`, `…/presence` | `smsgw/v1/{id}/down` |
//! | an original device | its API key | its API key | up to 128 bytes | `devices/auth/{key}`, `devices/messages/{key}` | `devices/{key}/sms`, `server/auth/{key}` |
//! | the shared account | [`SharedAccount`] | | up to 128 bytes | the same of any one key | the same of any one key |
//! | the gateway | [`GatewayAccount`] | | `smsgw-gateway` | everything | everything |
//!
//! Whoever else connects is refused. Wildcards, `$share`, `$SYS` and every topic that is not in the table are for the
//! gateway alone. A refused publish is answered with 0x87, a refused subscription with 0x87 (0x80 in MQTT 3.1.1); MQTT
//! 3.1.1 has no words for a refused publish, so that one is acknowledged and goes nowhere. Only `…/presence` is
//! retained, since other topics may hold a key; what is to be retained under them is passed on and not kept. A payload
//! over 4 KiB is acknowledged and dropped, a packet over 8 KiB ends the connection. Last wills obey the same rules: a
//! client with one that it may not leave is refused.
//!
//! Refused accesses are logged to the target `smsgw::security`, with who, what and from where, and without any key.
//! **The broker's library names topics in its warnings, and a topic of the original protocol holds an API key**: let a
//! subscriber drop them, in the words of `tracing_subscriber::EnvFilter` by `mqtt5=error,mqtt5_protocol=error`.
//!
//! With [`BrokerTls`], and the feature `tls`, it listens with TLS, too; with [`BrokerConfig::tls_only`] devices come in by
//! no other way. The rules, limits and places are the same for all.
//!
//! Nothing survives the process: a device finds no session after a restart, and the gateway sends again from its store
//! what was not acknowledged.
//!
//! ```no_run
//! use smsgw_core::auth::Authenticator;
//! use smsgw_core::memory::MemoryStore;
//! use smsgw_core::time::SystemClock;
//! use smsgw_mqtt::broker::{Broker, BrokerConfig};
//!
//! # async fn run() -> smsgw_core::error::Result<()> {
//! let authenticator = Authenticator::new(MemoryStore::new(), SystemClock);
//! let broker = Broker::start(BrokerConfig::default(), authenticator).await?;
//! assert_eq!(broker.local_addr().port(), 1883);
//! broker.close().await;
//! # Ok(())
//! # }
//! ```

mod accept;
mod bulletin;
mod config;
mod connection;
mod library;
mod login;
mod roster;
mod rules;
mod sessions;
mod throttle;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mqtt5::broker::config::BrokerConfig as Settings;
use mqtt5::broker::resource_monitor::ResourceMonitor;
use mqtt5::broker::sys_topics::BrokerStats;
use smsgw_core::auth::Authenticator;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::id::DeviceId;
use smsgw_core::key::{Credential, CredentialKind};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use self::bulletin::BrokerEvent;
pub use self::config::{BrokerConfig, BrokerTls, GatewayAccount};
pub use crate::account::SharedAccount;

use self::accept::Way;
use self::bulletin::Bulletin;
use self::login::{Door, GATEWAY_CLIENT_ID, GATEWAY_USER};
use self::roster::{Life, Roster};
use self::sessions::Sessions;

/// What errors name as their backend.
const NAME: &str = "broker";
/// Events that wait for the transport.
const EVENTS: usize = 1_024;
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How often it is looked for connections whose keys have expired.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);
/// How long [`Broker::disconnect`] waits for the connections to end.
const KICK_WITHIN: Duration = Duration::from_secs(2);
/// More than the connections take for a last word.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// What the connections of one broker share.
struct Shared {
    door: Door,
    sessions: Sessions,
    roster: Roster,
    bulletin: Bulletin,
    settings: Settings,
    stats: Arc<BrokerStats>,
    monitor: Arc<ResourceMonitor>,
    max_packet_rate: u32,
    stop: CancellationToken,
    goodbye: broadcast::Sender<()>,
}

/// A running broker. Stops when it is closed, and also when it is dropped, without waiting then.
pub struct Broker {
    shared: Arc<Shared>,
    local_addr: SocketAddr,
    tls_addr: Option<SocketAddr>,
    gateway: GatewayAccount,
    events: Mutex<Option<mpsc::Receiver<BrokerEvent>>>,
    tasks: TaskTracker,
    _stop: DropGuard,
}

impl Broker {
    /// Listens, and lets in whom `authenticator` knows. Must be called inside a Tokio runtime, which it uses until it
    /// is closed; there may be any number of brokers in a process.
    ///
    /// # Errors
    /// `Invalid` where the configuration or a file of it cannot work; `Unsupported` where TLS is asked for and the feature
    /// `tls` is off; `Unavailable` where the port is taken, `Unauthorized` where it
    /// is one that this user may not listen on. The detail says what to do.
    pub async fn start(config: BrokerConfig, authenticator: Authenticator) -> Result<Self> {
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
            door: Door::new(authenticator, gateway.password.clone(), config.shared_account),
            sessions: Sessions::new(config.max_queued_messages, config.max_connections.saturating_mul(2)),
            roster: Roster::default(),
            bulletin: Bulletin::default(),
            stats: Arc::new(BrokerStats::new()),
            monitor: Arc::new(ResourceMonitor::new(library::no_limits())),
            max_packet_rate: config.max_packet_rate,
            stop: stop.clone(),
            goodbye: broadcast::channel(1).0,
        });
        let (teller, events) = mpsc::channel(EVENTS);
        let tasks = TaskTracker::new();
        tasks.spawn(accept::run(shared.clone(), listeners, config.max_connections));
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
                tokio::time::sleep(EXPIRE_EVERY).await;
                shared.roster.expire(shared.door.now());
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
        Ok(Self { shared, local_addr, tls_addr, gateway, events, tasks, _stop: stop.drop_guard() })
    }

    /// The address it listens on without TLS, with the real port. Where devices come in over TLS only, it is one of this
    /// machine that lets in the gateway alone.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address it listens on with TLS, with the real port, where it does.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_addr
    }

    /// How the gateway logs in.
    pub fn gateway_account(&self) -> GatewayAccount {
        self.gateway.clone()
    }

    /// What happens from the start on. There is one receiver: `None` where it has been taken. Up to 1,024 events wait
    /// in it; past that a key whose listeners come and go is told of once, as it then is.
    pub fn events(&self) -> Option<mpsc::Receiver<BrokerEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends what these devices have open, as after a revoked key, and waits for it, 2 s at most. A session whose key
    /// is no longer good is forgotten with all that waits in it; a device with a good key comes back. Devices behind
    /// the shared account are not known here.
    pub async fn disconnect(&self, devices: &[DeviceId]) {
        self.kicker().disconnect(devices).await;
    }

    /// What ends the sessions of devices, for the transport, which may outlive this.
    pub(crate) fn kicker(&self) -> Kicker {
        Kicker(self.shared.clone())
    }

    /// Says goodbye to all clients and closes their sockets, within half a second. All tasks have ended then. Closing
    /// twice is harmless.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        if timeout(CLOSE_WITHIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("the broker takes long to stop");
        }
    }
}

/// Ends the sessions of devices.
#[derive(Clone)]
pub(crate) struct Kicker(Arc<Shared>);

impl Kicker {
    /// As [`Broker::disconnect`].
    pub(crate) async fn disconnect(&self, devices: &[DeviceId]) {
        let mut ending = Vec::new();
        for device in devices {
            let lives = self.0.roster.kick(*device);
            if lives.is_empty() {
                // Its session waits for it; what is in it, the gateway has in its store.
                self.0.sessions.forget(&device.to_string()).await;
            }
            ending.extend(lives);
        }
        ended(&ending).await;
    }
}

/// Waits for the end of connections that were kicked.
async fn ended(lives: &[Life]) {
    let ended = async {
        for life in lives {
            life.over.cancelled().await;
        }
    };
    if timeout(KICK_WITHIN, ended).await.is_err() {
        tracing::warn!("a connection takes long to end");
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("local_addr", &self.local_addr).finish_non_exhaustive()
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
