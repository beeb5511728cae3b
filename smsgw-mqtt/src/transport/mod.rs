//! [`MqttTransport`]: devices on an MQTT 5 broker.

mod config;
mod connection;
#[cfg(feature = "broker")]
mod embedded;
mod eventloop;
mod limits;
mod link;
mod login;
mod rivals;
mod socket;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::id::{DeviceId, ReportId};
use smsgw_core::transport::{Command, Downlink, Inbox, Sent, Transport, TransportCapabilities, inbox};
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

pub use config::{MqttConfig, TlsConfig};

use self::connection::{ANSWER, Connection, INBOX, Signals, WINDOW};
pub(crate) use self::limits::Limits;
use self::link::{Link, not_connected};
pub(crate) use self::login::Login;
use self::rivals::Rivals;
use self::socket::Way;
#[cfg(all(feature = "tls", feature = "device"))]
pub(crate) use self::{login::End, tls::Tls};
use crate::dialect::{self, Publication};

const BACKEND: &str = "mqtt";
/// Publishes that are requested at once.
const CHUNK: usize = 128;
/// Report ids of one receipt, 39 bytes each: more would not fit into the 4 KiB that a device takes.
const RECEIPTS: usize = 100;

/// Devices on an MQTT 5 broker.
///
/// Device traffic is acknowledged to the broker when the gateway has stored it; a publish counts as taken when the
/// broker's PUBACK says so. What was under way when a connection broke has an unknown fate, is answered as
/// [`Sent::Failed`], and is sent again from the store under the same id.
///
/// Where another gateway connects with the same client id, the broker ends this one's connection. It comes back, as
/// after any other break, but at the third time within a minute it gives up: the inbox ends, and
/// [`ready`](Transport::ready) and [`send`](Transport::send) say `Unauthorized`, and why.
///
/// A broker that says it cannot do what the gateway needs is tried again at longer intervals, as one that refuses it;
/// meanwhile [`ready`](Transport::ready) says `Unsupported`, and what to change: subscriptions with wildcards must be there,
/// and shared ones where [`share`](MqttConfig::share) is set. One without retained messages serves, with a warning: two
/// gateways with one client id are then noticed only where the broker says so.
pub struct MqttTransport {
    config: MqttConfig,
    link: Arc<Link>,
    signals: Arc<Signals>,
    window: Arc<Semaphore>,
    // The connection's task, once opened; it ends with the transport. A close that is dropped half-way leaves it here
    // for the next one.
    tasks: Mutex<Option<JoinSet<()>>>,
    #[cfg(feature = "broker")]
    embedded: Option<embedded::Embedded>,
}

impl MqttTransport {
    /// A transport that connects when it is opened. What can be wrong with `config` is told then, or by
    /// [`MqttConfig::check`].
    pub fn new(config: MqttConfig) -> Self {
        Self {
            config,
            link: Arc::default(),
            signals: Arc::default(),
            window: Arc::new(Semaphore::new(WINDOW)),
            tasks: Mutex::new(None),
            #[cfg(feature = "broker")]
            embedded: None,
        }
    }

    /// A transport on an embedded broker: connects as the gateway itself, hears from the broker what is not
    /// published, and can end the sessions of devices. One for each broker.
    #[cfg(feature = "broker")]
    pub fn embedded(broker: &crate::broker::Broker) -> Self {
        let account = broker.gateway_account();
        let address = account.address;
        let mut config = MqttConfig::new(address.ip().to_string(), address.port())
            .with_account(account.username, account.password);
        config.client_id = account.client_id;
        Self { embedded: Some(embedded::Embedded::new(broker)), ..Self::new(config) }
    }

    /// How many payloads of devices could not be understood so far. They were acknowledged and dropped.
    pub fn unreadable(&self) -> u64 {
        self.signals.unreadable.load(Ordering::Relaxed)
    }

    /// Requests publishes as soon as the window has room for all of them.
    async fn request(&self, publications: Vec<Option<Publication>>, deadline: Instant) -> Vec<Answer> {
        let wanted = u32::try_from(publications.iter().flatten().count()).unwrap_or(u32::MAX);
        let places = timeout_at(deadline, self.window.clone().acquire_many_owned(wanted)).await;
        let Ok(Ok(mut places)) = places else {
            // The window is never closed: a full one means that the broker does not keep up.
            return publications.iter().map(|_| Answer::Known(Sent::NotSent(no_answer()))).collect();
        };
        let silent: Vec<bool> = publications.iter().map(Option::is_none).collect();
        let requests =
            publications.into_iter().flatten().map_while(|publication| Some((publication, places.split(1)?)));
        let mut answered = self.link.publish(requests).into_iter();
        let answer = |silent| match silent {
            // What the dialect has no words for has come as far as it ever will.
            true => Answer::Known(Sent::Taken),
            false => {
                answered.next().map_or_else(|| Answer::Known(Sent::Failed(not_connected())), Answer::Awaited)
            }
        };
        silent.into_iter().map(answer).collect()
    }

    /// How to get to the broker, and who else may claim to be this gateway there.
    fn surroundings(&self) -> (Way, Rivals) {
        #[cfg(feature = "broker")]
        if let Some(embedded) = &self.embedded {
            // Nobody else has the account of a gateway on its own broker.
            return (embedded.way(), Rivals::impossible());
        }
        (Way::Network, Rivals::new(&self.config.client_id))
    }

    /// What is wrong, in words that follow the broker's name.
    fn error(&self, kind: ErrorKind, operation: &'static str, words: &str) -> Error {
        let MqttConfig { host, port, .. } = &self.config;
        Error::new(kind, BACKEND, operation).with_detail(format!("the broker at {host}:{port} {words}"))
    }

    fn closed(operation: &'static str) -> Error {
        Error::new(ErrorKind::Closed, BACKEND, operation)
    }
}

/// What is known of a publish that was requested.
enum Answer {
    Known(Sent),
    Awaited(oneshot::Receiver<Sent>),
}

/// What a downlink takes to say: `None` where its protocol has no words for it. Only a receipt may take several parts.
fn parts(downlink: &Downlink) -> impl Iterator<Item = Option<Publication>> {
    let (whole, ids) = match &downlink.command {
        Command::Receipt(ids) if ids.len() > RECEIPTS => (None, ids.as_slice()),
        _ => (Some(dialect::write(downlink)), [].as_slice()),
    };
    let part = |ids: &[ReportId]| {
        let command = Command::Receipt(ids.to_vec());
        dialect::write(&Downlink { address: downlink.address.clone(), command })
    };
    whole.into_iter().chain(ids.chunks(RECEIPTS).map(part))
}

fn no_answer() -> Error {
    Error::new(ErrorKind::Timeout, BACKEND, "send").with_detail("the broker does not answer")
}

#[async_trait]
impl Transport for MqttTransport {
    fn capabilities(&self) -> TransportCapabilities {
        let capabilities = TransportCapabilities {
            tells_no_subscriber: self.config.tells_no_subscriber,
            tells_listening: false,
            redelivers: true,
            disconnects: false,
            shares_traffic: self.config.share.is_some(),
        };
        #[cfg(feature = "broker")]
        if self.embedded.is_some() {
            return TransportCapabilities {
                // The embedded broker answers every publish with success; it tells who listens instead.
                tells_no_subscriber: false,
                tells_listening: true,
                disconnects: true,
                ..capabilities
            };
        }
        capabilities
    }

    async fn open(&self) -> Result<Inbox> {
        let mut tasks = self.tasks.lock().await;
        if self.signals.closed.is_cancelled() {
            return Err(Self::closed("open"));
        }
        if tasks.is_some() {
            return Err(Error::new(ErrorKind::Invalid, BACKEND, "open").with_detail("it is open already"));
        }
        let login = Login::new(self.config.clone(), "open")?;
        let (sender, receiver) = inbox(INBOX);
        let (way, rivals) = self.surroundings();
        let connection =
            Connection { way, login, link: self.link.clone(), shared: self.signals.clone(), rivals };
        let tasks = tasks.insert(JoinSet::new());
        #[cfg(feature = "broker")]
        if let Some(events) = self.embedded.as_ref().and_then(embedded::Embedded::events) {
            tasks.spawn(embedded::forward(events, sender.clone(), self.signals.closed.clone()));
        }
        tasks.spawn(connection.drive(sender));
        Ok(receiver)
    }

    async fn send(&self, batch: &[Downlink]) -> Result<Vec<Sent>> {
        if self.signals.closed.is_cancelled() {
            return Err(Self::closed("send"));
        }
        if let Some(why) = self.signals.given_up() {
            let error = self.error(ErrorKind::Unauthorized, "send", why);
            return Ok(batch.iter().map(|_| Sent::NotSent(error.clone())).collect());
        }
        let deadline = Instant::now() + ANSWER;
        let (items, publications): (Vec<usize>, Vec<Option<Publication>>) = batch
            .iter()
            .enumerate()
            .flat_map(|(item, downlink)| parts(downlink).map(move |part| (item, part)))
            .unzip();
        let mut answers = Vec::with_capacity(items.len());
        let mut publications = publications.into_iter();
        while publications.len() > 0 {
            answers.extend(self.request(publications.by_ref().take(CHUNK).collect(), deadline).await);
        }
        let mut sent: Vec<Sent> = batch.iter().map(|_| Sent::Taken).collect();
        for (item, answer) in items.into_iter().zip(answers) {
            let outcome = match answer {
                Answer::Known(sent) => sent,
                Answer::Awaited(answered) => match timeout_at(deadline, answered).await {
                    Ok(Ok(sent)) => sent,
                    Ok(Err(_)) => Sent::Failed(not_connected()),
                    Err(_) => Sent::Failed(no_answer()),
                },
            };
            // Of several parts, the one that did not come through counts.
            if !matches!(outcome, Sent::Taken) {
                sent[item] = outcome;
            }
        }
        Ok(sent)
    }

    #[cfg_attr(not(feature = "broker"), allow(unused_variables, reason = "no other broker can be told yet"))]
    async fn disconnect(&self, devices: &[DeviceId]) -> Result<()> {
        #[cfg(feature = "broker")]
        if let Some(embedded) = &self.embedded {
            embedded.disconnect(devices).await;
        }
        Ok(())
    }

    async fn ready(&self) -> Result<()> {
        if self.signals.closed.is_cancelled() {
            return Err(Self::closed("ready"));
        }
        if self.link.is_up() {
            return Ok(());
        }
        let (kind, trouble) = self.signals.trouble();
        Err(self.error(kind, "ready", &trouble))
    }

    async fn close(&self) -> Result<()> {
        self.signals.closed.cancel();
        if let Some(tasks) = self.tasks.lock().await.as_mut() {
            while tasks.join_next().await.is_some() {}
        }
        Ok(())
    }
}

impl fmt::Display for MqttTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mqtt broker {}:{}", self.config.host, self.config.port)
    }
}

impl fmt::Debug for MqttTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MqttTransport").field("config", &self.config).finish_non_exhaustive()
    }
}
