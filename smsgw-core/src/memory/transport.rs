use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{DeviceId, IdSource, MessageId, ReportId};
use crate::state::{Report, ReportState};
use crate::time::{Clock, SystemClock};
use crate::transport::{
    Ack, Address, Command, Delivery, DeviceEvent, Downlink, Inbox, InboxSender, Sent, TopicKey, Transport,
    TransportCapabilities, inbox,
};

const BACKEND: &str = "memory transport";
const INBOX: usize = 4_096;
const COMMANDS: usize = 1_024;

/// Devices in the same process, connected by channels.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> smsgw_core::error::Result<()> {
/// use smsgw_core::memory::MemoryTransport;
/// use smsgw_core::transport::Transport;
///
/// let transport = MemoryTransport::new();
/// let mut inbox = transport.open().await?;
/// let device = transport.connect(uuid::Uuid::from_u128(1).into()).await;
/// let mut heard = Vec::new();
/// assert_eq!(inbox.receive(&mut heard, 10).await, 1); // it has come online
/// # drop(device);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct MemoryTransport(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ids: IdSource,
}

#[derive(Default)]
struct State {
    opened: bool,
    closed: bool,
    inbox: Option<InboxSender>,
    subscribers: HashMap<Address, Subscriber>,
}

#[derive(Clone)]
enum Subscriber {
    /// Reads its commands itself.
    Device(mpsc::Sender<Command>),
    /// Reports every message as this at once, and reads nothing.
    Echo(ReportState),
}

impl MemoryTransport {
    /// No device yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A native device comes online. Connecting again replaces the older connection, as a broker does.
    pub async fn connect(&self, device: DeviceId) -> MemoryDevice {
        let link = self.subscribe(Address::Native(device));
        self.say(DeviceEvent::Presence { device, online: true }).await;
        link
    }

    /// A device of the original protocol presents its key and subscribes to its messages.
    pub async fn connect_original(&self, key: TopicKey) -> MemoryDevice {
        let link = self.subscribe(Address::Original(key.clone()));
        self.say(DeviceEvent::Authenticate { key: key.clone() }).await;
        self.say(DeviceEvent::Listening { key, listening: true }).await;
        link
    }

    /// A native device that reports every message as `state` the moment it gets it: for benchmarks of the rest.
    pub async fn connect_echo(&self, device: DeviceId, state: ReportState) {
        self.lock().subscribers.insert(Address::Native(device), Subscriber::Echo(state));
        self.say(DeviceEvent::Presence { device, online: true }).await;
    }

    fn subscribe(&self, address: Address) -> MemoryDevice {
        let (sender, commands) = mpsc::channel(COMMANDS);
        self.lock().subscribers.insert(address.clone(), Subscriber::Device(sender));
        MemoryDevice { transport: self.clone(), address, commands }
    }

    /// Hands an event to the gateway, where one listens, and waits for room.
    async fn say(&self, event: DeviceEvent) -> bool {
        let inbox = self.lock().inbox.clone();
        match inbox {
            Some(inbox) => inbox.deliver(Delivery { event, ack: Ack::none() }).await,
            None => false,
        }
    }

    fn closed(operation: &'static str) -> Error {
        Error::new(ErrorKind::Closed, BACKEND, operation)
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    fn capabilities(&self) -> TransportCapabilities {
        TransportCapabilities {
            tells_no_subscriber: true,
            tells_listening: true,
            shares_traffic: false,
            redelivers: false,
            disconnects: true,
        }
    }

    async fn open(&self) -> Result<Inbox> {
        let (sender, receiver) = inbox(INBOX);
        let mut state = self.lock();
        if state.closed {
            return Err(Self::closed("open"));
        }
        if std::mem::replace(&mut state.opened, true) {
            return Err(Error::new(ErrorKind::Invalid, BACKEND, "open").with_detail("it is open already"));
        }
        state.inbox = Some(sender);
        Ok(receiver)
    }

    async fn send(&self, batch: &[Downlink]) -> Result<Vec<Sent>> {
        let subscribers: Vec<Option<Subscriber>> = {
            let state = self.lock();
            if state.closed {
                return Err(Self::closed("send"));
            }
            batch.iter().map(|downlink| state.subscribers.get(&downlink.address).cloned()).collect()
        };
        let mut sent = Vec::with_capacity(batch.len());
        for (downlink, subscriber) in batch.iter().zip(subscribers) {
            sent.push(match subscriber {
                None => Sent::NoSubscriber,
                Some(Subscriber::Device(commands)) => match commands.try_send(downlink.command.clone()) {
                    Ok(()) => Sent::Taken,
                    Err(mpsc::error::TrySendError::Closed(_)) => Sent::NoSubscriber,
                    Err(mpsc::error::TrySendError::Full(_)) => Sent::Failed(
                        Error::new(ErrorKind::Throttled, BACKEND, "send")
                            .with_detail("the device reads nothing"),
                    ),
                },
                Some(Subscriber::Echo(state)) => {
                    if let (Command::Send { message, .. }, Address::Native(device)) =
                        (&downlink.command, &downlink.address)
                    {
                        let report = Report {
                            id: self.0.ids.next(SystemClock.now()),
                            state,
                            failure: None,
                            attempt: None,
                        };
                        self.say(DeviceEvent::Report { device: *device, message: message.id, report }).await;
                    }
                    Sent::Taken
                }
            });
        }
        Ok(sent)
    }

    async fn disconnect(&self, devices: &[DeviceId]) -> Result<()> {
        for &device in devices {
            let gone = self.lock().subscribers.remove(&Address::Native(device)).is_some();
            if gone {
                self.say(DeviceEvent::Presence { device, online: false }).await;
            }
        }
        Ok(())
    }

    async fn ready(&self) -> Result<()> {
        if self.lock().closed { Err(Self::closed("ready")) } else { Ok(()) }
    }

    async fn close(&self) -> Result<()> {
        let mut state = self.lock();
        state.closed = true;
        state.inbox = None;
        state.subscribers.clear();
        Ok(())
    }
}

impl fmt::Display for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BACKEND)
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("MemoryTransport").field("devices", &state.subscribers.len()).finish_non_exhaustive()
    }
}

/// A device on a [`MemoryTransport`]. Dropped, it is gone without a word, as a phone whose battery died.
#[derive(Debug)]
pub struct MemoryDevice {
    transport: MemoryTransport,
    address: Address,
    commands: mpsc::Receiver<Command>,
}

impl MemoryDevice {
    /// The next command; `None` once the transport is closed or another connection has replaced this one.
    ///
    /// # Cancel safety
    /// Dropped, no command is lost.
    pub async fn command(&mut self) -> Option<Command> {
        self.commands.recv().await
    }

    /// Says something to the gateway. `false` where no gateway listens.
    pub async fn say(&self, event: DeviceEvent) -> bool {
        self.transport.say(event).await
    }

    /// Reports what became of a message, under a new report id. `None` where no gateway listens, and for a
    /// device of the original protocol, which has no reports.
    pub async fn report(&self, message: MessageId, state: ReportState) -> Option<ReportId> {
        let Address::Native(device) = self.address else { return None };
        let id = self.transport.0.ids.next(SystemClock.now());
        let report = Report { id, state, failure: None, attempt: None };
        self.say(DeviceEvent::Report { device, message, report }).await.then_some(id)
    }

    /// Goes offline with a word, as by a last will.
    pub async fn leave(self) {
        self.transport.lock().subscribers.remove(&self.address);
        let event = match &self.address {
            Address::Native(device) => DeviceEvent::Presence { device: *device, online: false },
            Address::Original(key) => DeviceEvent::Listening { key: key.clone(), listening: false },
        };
        self.transport.say(event).await;
    }
}
