//! [`MqttTransport`]: devices on an MQTT 5 broker.

mod config;
mod connection;
#[cfg(feature = "broker")]
mod embedded;
mod link;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::id::DeviceId;
use smsgw_core::transport::{Downlink, Inbox, Sent, Transport, TransportCapabilities, inbox};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

pub use config::MqttConfig;

use self::connection::{Connection, GOODBYE, INBOX, Signals, WINDOW};
use self::link::{Link, not_connected};
use crate::dialect::{self, Publication};

const BACKEND: &str = "mqtt";
/// How long the broker may take to answer a publish.
const ANSWER: Duration = Duration::from_secs(10);
/// Publishes that are requested at once.
const CHUNK: usize = 128;

/// Devices on an MQTT 5 broker.
///
/// Device traffic is acknowledged to the broker when the gateway has stored it; a publish counts as taken when the
/// broker's PUBACK says so. What was under way when a connection broke has an unknown fate, is answered as
/// [`Sent::Failed`], and is sent again from the store under the same id.
pub struct MqttTransport {
    config: MqttConfig,
    link: Arc<Link>,
    signals: Arc<Signals>,
    window: Arc<Semaphore>,
    // The connection's task, once opened; it ends with the transport.
    tasks: Mutex<Option<JoinSet<()>>>,
    #[cfg(feature = "broker")]
    embedded: Option<embedded::Embedded>,
}

impl MqttTransport {
    /// A transport that connects when it is opened.
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
            // The window is never closed: a full one means that the broker has ceased to answer.
            self.signals.reset.notify_one();
            return publications.iter().map(|_| Answer::Known(Sent::Failed(no_answer()))).collect();
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

    fn closed(operation: &'static str) -> Error {
        Error::new(ErrorKind::Closed, BACKEND, operation)
    }
}

/// What is known of a publish that was requested.
enum Answer {
    Known(Sent),
    Awaited(oneshot::Receiver<Sent>),
}

fn no_answer() -> Error {
    Error::new(ErrorKind::Timeout, BACKEND, "send").with_detail("the broker does not answer")
}

#[async_trait]
impl Transport for MqttTransport {
    fn capabilities(&self) -> TransportCapabilities {
        let capabilities = TransportCapabilities {
            tells_no_subscriber: true,
            tells_listening: false,
            redelivers: true,
            disconnects: false,
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
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.signals.closed.is_cancelled() {
            return Err(Self::closed("open"));
        }
        if tasks.is_some() {
            return Err(Error::new(ErrorKind::Invalid, BACKEND, "open").with_detail("it is open already"));
        }
        let (sender, receiver) = inbox(INBOX);
        let connection =
            Connection { config: self.config.clone(), link: self.link.clone(), shared: self.signals.clone() };
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
        let deadline = Instant::now() + ANSWER;
        let mut answers = Vec::with_capacity(batch.len());
        for chunk in batch.chunks(CHUNK) {
            let publications: Vec<Option<Publication>> = chunk.iter().map(dialect::write).collect();
            answers.extend(self.request(publications, deadline).await);
        }
        let mut sent = Vec::with_capacity(batch.len());
        for answer in answers {
            sent.push(match answer {
                Answer::Known(sent) => sent,
                Answer::Awaited(answered) => match timeout_at(deadline, answered).await {
                    Ok(Ok(sent)) => sent,
                    Ok(Err(_)) => Sent::Failed(not_connected()),
                    Err(_) => {
                        self.signals.reset.notify_one();
                        Sent::Failed(no_answer())
                    }
                },
            });
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
        let refused = self.signals.refused.load(Ordering::Relaxed);
        let (kind, detail) = if refused {
            (
                ErrorKind::Unauthorized,
                "refuses the gateway: check its user name, password, client id and rules",
            )
        } else {
            (ErrorKind::Unavailable, "cannot be reached")
        };
        let detail = format!("the broker at {}:{} {detail}", self.config.host, self.config.port);
        Err(Error::new(kind, BACKEND, "ready").with_detail(detail))
    }

    async fn close(&self) -> Result<()> {
        let idle = async {
            while !self.link.is_idle() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = timeout(GOODBYE, idle).await;
        self.link.disconnect();
        self.signals.closed.cancel();
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut tasks) = tasks {
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
