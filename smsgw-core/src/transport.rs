//! The trait [`Transport`]: the way to the devices and back.

mod ack;
mod inbox;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

pub use ack::{Ack, Acknowledge};
pub use inbox::{Delivery, Inbox, InboxSender, inbox};

use crate::device::{Sim, Telemetry};
use crate::error::{Error, Result};
use crate::forward::forward_to_inner;
use crate::id::{DeviceId, MessageId, ReportId};
use crate::message::Message;
use crate::state::Report;
use crate::time::Timestamp;

/// Carries messages to devices and their words back.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use smsgw_core::memory::MemoryTransport;
/// use smsgw_core::transport::{Address, Command, Downlink, Sent, Transport};
///
/// let transport = MemoryTransport::new();
/// let _inbox = transport.open().await?;
/// let id = uuid::Uuid::from_u128(1).into();
/// let order = || Downlink { address: Address::Native(id), command: Command::Receipt(Vec::new()) };
/// assert!(matches!(transport.send(&[order()]).await?[..], [Sent::NoSubscriber]));
/// let _device = transport.connect(id).await;
/// assert!(matches!(transport.send(&[order()]).await?[..], [Sent::Taken]));
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Transport: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// What this transport promises.
    fn capabilities(&self) -> TransportCapabilities;

    /// Begins to receive. Called once, before the first [`Transport::send`].
    ///
    /// # Contract
    /// Every delivery is handed over again after a new connection, unless its [`Ack`] was used. Where the inbox is
    /// full, the transport stops taking from its broker; it never drops what it must acknowledge.
    ///
    /// # Errors
    /// `Invalid` when called again; `Unauthorized` where the broker refuses us for good. A broker that cannot be
    /// reached is no error: the transport goes on trying.
    async fn open(&self) -> Result<Inbox>;

    /// Publishes a batch and waits for the broker's word on each. One outcome each, in order.
    ///
    /// # Cancel safety
    /// Dropped, any of them may have been published; publish them again, devices drop what they have seen.
    ///
    /// # Errors
    /// `Closed` after [`Transport::close`]. A broker that is away fails each item, as
    /// [`Sent::NotSent`] or [`Sent::Failed`].
    async fn send(&self, batch: &[Downlink]) -> Result<Vec<Sent>>;

    /// Ends the sessions of devices that may no longer come in, as after a revoked key. A device that has another
    /// valid key comes back. Without effect where [`TransportCapabilities::disconnects`] is not claimed.
    ///
    /// # Errors
    /// Any backend error.
    async fn disconnect(&self, devices: &[DeviceId]) -> Result<()>;

    /// Whether the way is open now.
    ///
    /// # Errors
    /// `Unavailable`, with what to do about it.
    async fn ready(&self) -> Result<()>;

    /// Writes the acknowledgements that are under way and disconnects. Later calls fail with `Closed`. Closing twice
    /// is no error.
    ///
    /// # Errors
    /// Any backend error.
    async fn close(&self) -> Result<()>;
}

forward_to_inner! {
    Transport: {
        fn capabilities() -> TransportCapabilities;
        async fn open() -> Result<Inbox>;
        async fn send(batch: &[Downlink]) -> Result<Vec<Sent>>;
        async fn disconnect(devices: &[DeviceId]) -> Result<()>;
        async fn ready() -> Result<()>;
        async fn close() -> Result<()>;
    }
}

/// What a transport promises. The conformance suite checks each claim both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportCapabilities {
    /// It says [`Sent::NoSubscriber`] where no device listens. Otherwise such a message is lost until it is sent
    /// again, and presence must come from elsewhere.
    pub tells_no_subscriber: bool,
    /// It says, by [`DeviceEvent::Listening`], when a device of the original protocol subscribes. Otherwise such a
    /// device counts as there from when it authenticates.
    pub tells_listening: bool,
    /// Unacknowledged deliveries come again after a new connection.
    pub redelivers: bool,
    /// It can end the session of a device.
    pub disconnects: bool,
    /// Several gateways share what devices say: a report may come in at another gateway than the one that sent the
    /// message.
    pub shares_traffic: bool,
}

/// Where a downlink goes, or where an event came from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A device that speaks the native protocol.
    Native(DeviceId),
    /// A device that speaks the original protocol, whose address is its API key.
    Original(TopicKey),
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native(id) => write!(f, "Native({id})"),
            Self::Original(_) => f.write_str("Original(…)"),
        }
    }
}

/// An API key as it stands in a topic of the original protocol: presented, not checked. Cheap to clone; never shown.
#[derive(Clone)]
pub struct TopicKey(Arc<SecretString>);

impl TopicKey {
    /// From one level of a topic.
    pub fn new(level: &str) -> Self {
        Self(Arc::new(level.to_owned().into()))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<SecretString> for TopicKey {
    fn from(key: SecretString) -> Self {
        Self(Arc::new(key))
    }
}

impl PartialEq for TopicKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for TopicKey {}

impl std::hash::Hash for TopicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}

impl fmt::Debug for TopicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopicKey(…)")
    }
}

/// Something for a device.
#[derive(Debug, Clone)]
pub struct Downlink {
    /// Which device.
    pub address: Address,
    /// What.
    pub command: Command,
}

/// What a device is told.
#[derive(Debug, Clone)]
pub enum Command {
    /// Send this SMS.
    Send {
        /// The message; its `attempts` is the number of this attempt.
        message: Box<Message>,
        /// What is left of its life: the broker must not keep it longer.
        remaining: Duration,
    },
    /// Do not send this message; the device reports what became of it.
    Cancel(MessageId),
    /// These reports are stored; do not send them again.
    Receipt(Vec<ReportId>),
    /// Whether the key that was presented is valid (original protocol).
    Authentication {
        /// It is.
        accepted: bool,
    },
}

/// The broker's word on a downlink.
#[derive(Debug, Clone)]
pub enum Sent {
    /// It has it, for a device that is subscribed.
    Taken,
    /// No device is subscribed: nobody has it.
    NoSubscriber,
    /// It surely has not got it: the way to it was closed, or it would never take it.
    NotSent(Error),
    /// It may or may not have it.
    Failed(Error),
}

/// What a device says.
#[derive(Debug, Clone)]
pub enum DeviceEvent {
    /// What became of a message.
    Report {
        /// Who says so.
        device: DeviceId,
        /// Of which message.
        message: MessageId,
        /// What.
        report: Report,
    },
    /// It received an SMS.
    Inbound {
        /// Who received it.
        origin: Address,
        /// The SMS.
        sms: InboundSms,
    },
    /// A native device came or went.
    Presence {
        /// Which device.
        device: DeviceId,
        /// Whether it is there.
        online: bool,
    },
    /// A native device introduces itself.
    Hello {
        /// Which device.
        device: DeviceId,
        /// Its SIM cards.
        sims: Vec<Sim>,
    },
    /// A native device says how it is.
    Telemetry {
        /// Which device.
        device: DeviceId,
        /// How it is.
        telemetry: Telemetry,
    },
    /// A device of the original protocol presents its key.
    Authenticate {
        /// The key.
        key: TopicKey,
    },
    /// Whether anybody is subscribed to the messages of a key of the original protocol, where the broker tells.
    Listening {
        /// The key.
        key: TopicKey,
        /// Whether somebody is.
        listening: bool,
    },
}

/// An SMS that a device received, before it is known whose device it is. `Debug` shows neither sender nor text.
#[derive(Clone)]
pub struct InboundSms {
    /// The device's id for it, where its protocol has one.
    pub id: Option<ReportId>,
    /// The sender.
    pub from: String,
    /// The text.
    pub body: String,
    /// The slot of the SIM card, counted from 1.
    pub sim: Option<u8>,
    /// When, where the device says so.
    pub received_at: Option<Timestamp>,
}

impl fmt::Debug for InboundSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundSms").field("id", &self.id).finish_non_exhaustive()
    }
}
