//! Puts a device together and runs it.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::wire::{Hello, PROTOCOL, Sim};

use super::address::Address;
use super::agent::Agent;
use super::desk::Desk;
use super::error::DeviceError;
use super::handle::{COMMANDS, Command, Handle, Status};
use super::journal::Journal;
use super::link::{EVENTS, Link};
use super::radio::{self, Radio};
use super::secure::Secure;
use crate::transport::TlsConfig;

/// Collects what a device needs; begun by [`Device::builder`].
pub struct Builder {
    url: String,
    tls: TlsConfig,
    id: String,
    key: SecretString,
    journal: Option<PathBuf>,
    agent: String,
    sims: Vec<Sim>,
    keep_alive: Duration,
    remember: usize,
    backlog: usize,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("id", &self.id)
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// The certificates for an address that begins with `mqtts://`; otherwise the CAs of this machine count, and the device
    /// shows no certificate of its own.
    #[must_use]
    pub fn tls(mut self, files: TlsConfig) -> Self {
        self.tls = files;
        self
    }

    /// Keeps the journal in this file, which is made when it is not there. Without one the journal is in
    /// memory: what the device had is lost with the process, and nothing stops it from sending twice.
    #[must_use]
    pub fn journal(mut self, path: impl Into<PathBuf>) -> Self {
        self.journal = Some(path.into());
        self
    }

    /// The name and version that the device gives itself; `smsgw-device/VERSION` otherwise.
    #[must_use]
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.agent = agent.into();
        self
    }

    /// The SIM cards to announce; none otherwise.
    #[must_use]
    pub fn sims(mut self, sims: impl IntoIterator<Item = Sim>) -> Self {
        self.sims = sims.into_iter().collect();
        self
    }

    /// How often to ask an idle connection whether it is alive; 10 s otherwise, and no less than 5 s. A dead
    /// one is noticed within twice this. Phones save battery with a minute or more.
    #[must_use]
    pub fn keep_alive(mut self, every: Duration) -> Self {
        self.keep_alive = every.max(Duration::from_secs(5));
        self
    }

    /// How many finished ids to remember, so as to drop what is sent again; 20,000 otherwise. The gateway
    /// has at most 16 messages in doubt at a time, so this is generous.
    #[must_use]
    pub fn remember(mut self, ids: usize) -> Self {
        self.remember = ids;
        self
    }

    /// How many messages may wait for the radio before the device takes no more; 256 otherwise, at least 1.
    #[must_use]
    pub fn backlog(mut self, messages: usize) -> Self {
        self.backlog = messages.max(1);
        self
    }

    /// Opens the journal. Connects to nothing yet.
    ///
    /// # Errors
    /// [`DeviceError`]: an address, certificates or an id that cannot be used, or a journal that cannot.
    pub fn build(self) -> Result<Device, DeviceError> {
        let address = Address::parse(&self.url)?;
        if !is_topic_level(&self.id) {
            return Err(DeviceError::Id);
        }
        let tls = address.is_tls.then(|| Secure::load(&self.tls, &address.host)).transpose();
        let tls = tls.map_err(DeviceError::Tls)?;
        let journal = Journal::open(self.journal.as_deref(), self.remember)?;
        let (commands, orders) = mpsc::channel(COMMANDS);
        let (status, watcher) = watch::channel(Status::Offline);
        Ok(Device {
            link: Link { address, tls, id: self.id, key: self.key, keep_alive: self.keep_alive },
            hello: Hello { agent: self.agent, protocol: PROTOCOL, sims: self.sims },
            journal,
            backlog: self.backlog,
            handle: Handle::new(commands, watcher),
            orders,
            status,
        })
    }
}

/// One device: ready to [run](Self::run).
pub struct Device {
    link: Link,
    hello: Hello,
    journal: Journal,
    backlog: usize,
    handle: Handle,
    orders: mpsc::Receiver<Command>,
    status: watch::Sender<Status>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("id", &self.link.id).finish_non_exhaustive()
    }
}

impl Device {
    /// Begins a device that connects to `mqtt://host[:port]`, or with the feature `tls` to `mqtts://host[:port]`, with its id
    /// and API key. An IPv6 address goes into brackets.
    pub fn builder(url: impl Into<String>, id: impl Into<String>, key: impl Into<String>) -> Builder {
        Builder {
            url: url.into(),
            tls: TlsConfig::default(),
            id: id.into(),
            key: SecretString::from(key.into()),
            journal: None,
            agent: concat!("smsgw-device/", env!("CARGO_PKG_VERSION")).to_owned(),
            sims: Vec::new(),
            keep_alive: Duration::from_secs(10),
            remember: 20_000,
            backlog: 256,
        }
    }

    /// A way to speak to the device while it runs.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves the gateway until `shutdown` is ready; then lets the radio finish the message in hand (for 10 s
    /// at most), says goodbye and returns. Lost and refused connections are tried again for ever.
    ///
    /// # Cancel safety
    /// Dropping this is like a crash: nothing is lost, a message in the radio becomes `unknown`.
    ///
    /// # Errors
    /// [`DeviceError::Journal`]: the device stops before it does anything that it could not journal.
    pub async fn run(self, radio: impl Radio, shutdown: impl Future<Output = ()>) -> Result<(), DeviceError> {
        let (events, arrivals) = mpsc::channel(EVENTS);
        let (jobs, queue) = mpsc::channel(1);
        let (done, results) = mpsc::channel(1);
        drop(self.handle);
        let desk = Desk::new(self.journal, self.backlog, Instant::now());
        let agent = Agent::new(self.link.id.clone(), self.hello, desk, jobs);
        let link = self.link.drive(events, self.status);
        let radio = radio::serve(radio, queue, done);
        let work = agent.run(arrivals, results, self.orders, shutdown);
        // All in one task: dropping it drops all, and each may wait for another because all are polled.
        let helpers = async { tokio::join!(link, radio) };
        tokio::pin!(work, helpers);
        tokio::select! {
            result = &mut work => {
                result?;
                // The connection ends by itself after the goodbye.
                let _ = tokio::time::timeout(super::link::GOODBYE, helpers).await;
                Ok(())
            }
            _ = &mut helpers => work.await,
        }
    }
}

/// What may stand in a topic and in an ACL without meaning anything else.
fn is_topic_level(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
