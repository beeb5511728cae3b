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
//! Refused accesses are noted in the audit log that [`Broker::start_with_audit`] is given, and are events of `tracing` to
//! the target `smsgw::audit` in any case, with who, what and from where, and without any key. Of one connection the first
//! 16 are noted one by one, then those whose number is a power of two and what is left at its end, each with the count of
//! those that it stands for. After ten refused connections in a minute from one address with one key, nothing more is
//! checked for that address and key for a minute, and nothing noted: such a client hears 0x9F, in MQTT 3.1.1 0x03.
//!
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
mod doorway;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod gate;
mod kicker;
mod library;
mod roster;
mod sessions;
mod start;
mod throttle;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mqtt5::broker::config::BrokerConfig as Settings;
use mqtt5::broker::resource_monitor::ResourceMonitor;
use mqtt5::broker::sys_topics::BrokerStats;
use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::auth::Failures;
use smsgw_core::id::DeviceId;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use self::bulletin::BrokerEvent;
pub use self::config::{BrokerConfig, BrokerTls, GatewayAccount};
pub use crate::account::SharedAccount;

use self::bulletin::Bulletin;
pub(crate) use self::doorway::Doorway;
use self::gate::Gate;
pub(crate) use self::kicker::Kicker;
use self::roster::Roster;
use self::sessions::Sessions;

/// What errors name as their backend.
const NAME: &str = "broker";
/// More than the connections take for a last word.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// What the connections of one broker share.
struct Shared {
    gate: Gate,
    /// TLS handshakes that came to nothing: noted only so often.
    handshakes: Failures,
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

impl Shared {
    /// Ends the connections whose keys have expired. What is published from then on does not reach them.
    async fn expire(&self) {
        for client_id in self.roster.expire(self.gate.door.now()) {
            self.sessions.router.unregister_client(&client_id).await;
        }
    }

    /// Notes that a client and the broker did not come to terms over TLS. Ports are scanned: a few times a minute.
    fn no_handshake(&self, origin: IpAddr, why: &str) {
        let (door, from) = (&self.gate.door, Some(origin));
        if self.handshakes.pause(from, None, door.now()).is_none() {
            self.handshakes.count(from, None, door.now());
            let act = Act::refused(AuditAction::Connect, format!("no TLS handshake: {why}"));
            door.witness().note(Act { origin: from, ..act });
        }
    }
}

/// A running broker. Stops when it is closed, and also when it is dropped, without waiting then.
pub struct Broker {
    shared: Arc<Shared>,
    local_addr: SocketAddr,
    tls_addr: Option<SocketAddr>,
    gateway: GatewayAccount,
    doorway: Doorway,
    events: Mutex<Option<mpsc::Receiver<BrokerEvent>>>,
    tasks: TaskTracker,
    _stop: DropGuard,
}

impl Broker {
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

    /// The gateway's own way in.
    pub(crate) fn doorway(&self) -> Doorway {
        self.doorway.clone()
    }

    /// What ends the sessions of devices, for the transport, which may outlive this.
    pub(crate) fn kicker(&self) -> Kicker {
        Kicker::new(self.shared.clone())
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

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}
