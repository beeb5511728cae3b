//! A gateway on backends by name, with devices that report each message as sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use smsgw::gateway::{Gateway, Handle, Running};
use smsgw::id::{AccountId, DeviceId, IdSource};
use smsgw::memory::MemoryTransport;
use smsgw::message::{Body, NewMessage};
use smsgw::queue::Queue;
use smsgw::state::{ReportState, State};
use smsgw::store::{AccountStore, Moved, Store};
use smsgw::time::{Clock, SystemClock};
use smsgw::transport::Transport;
use smsgw_core::conformance::queue::QueueFixture;
use smsgw_core::conformance::store::StoreFixture;
use smsgw_core::conformance::transport::TransportFixture;
use smsgw_core::device::Protocol;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::fixtures::{message, named, phone, queue_of, queues, store_of, stores, transports};

/// Store, queue and transport.
pub(crate) type Parts = [&'static str; 3];

/// Devices that share the load: enough that their windows (16 each) never hold a batch back. Those in memory cost
/// nothing; the others have a connection each.
const ECHOES: usize = 256;
const PHONES: usize = 64;
/// Messages under way at most, as of clients that wait for their answers.
const UNDER_WAY: usize = 16_384;

/// The devices' side.
enum Way {
    Memory(MemoryTransport),
    Broker(Box<dyn TransportFixture>),
}

impl Way {
    fn transport(&self) -> Arc<dyn Transport> {
        match self {
            Self::Memory(transport) => Arc::new(transport.clone()),
            Self::Broker(fixture) => fixture.transport(),
        }
    }

    /// New devices come online, of whom `store` is told first.
    async fn connect(&self, store: &dyn Store, account: AccountId) {
        match self {
            Self::Memory(transport) => {
                let ids = IdSource::new();
                for _ in 0..ECHOES {
                    let id: DeviceId = ids.next(SystemClock.now());
                    store.create_device(&phone::device(id, account)).await.expect("a device");
                    transport.connect_echo(id, ReportState::Sent).await;
                }
            }
            Self::Broker(fixture) => {
                for _ in 0..PHONES {
                    let mut device =
                        fixture.device(Protocol::Native).await.expect("every transport knows it");
                    let row = phone::device(phone::id_of(&*device), account);
                    store.create_device(&row).await.expect("a device");
                    device.connect().await;
                    tokio::spawn(phone::answer(device));
                }
            }
        }
    }
}

/// A running gateway.
pub(crate) struct Rig {
    batch: usize,
    /// Messages since it was made.
    pub(crate) carried: u64,
    message: NewMessage,
    changes: Receiver<Moved>,
    handle: Handle,
    running: Running,
    // Last: the servers go after the gateway.
    _places: (Box<dyn StoreFixture>, Box<dyn QueueFixture>, Way),
}

impl Rig {
    /// `None` where a server is missing.
    pub(crate) async fn start([store, queue, transport]: Parts, batch: usize) -> Option<Self> {
        let store_place = named(stores(), store)?.fresh().await?;
        let queue_place = named(queues(), queue)?.fresh().await?;
        let way = match transport {
            "memory" => Way::Memory(MemoryTransport::new()),
            _ => Way::Broker(named(transports(), transport)?.fresh().await?),
        };
        let store = store_of(&*store_place).await;
        let queue: Arc<dyn Queue> = queue_of(&*queue_place).await;
        let account = phone::account(&IdSource::new());
        store.ensure_account(&account).await.expect("an account");
        let gateway = Gateway::builder(store.clone(), queue, way.transport())
            .batch(batch)
            .observer_capacity(1 << 18)
            .build();
        let running = gateway.start().await.expect("starts");
        way.connect(&*store, account.id).await;
        let to = "+5351234567".parse().expect("a number");
        let body = Body::new(message::TEXT).expect("a body");
        let handle = running.handle();
        let mut rig = Self {
            batch,
            carried: 0,
            message: NewMessage::new(account.id, to, body),
            changes: handle.observe(),
            handle,
            running,
            _places: (store_place, queue_place, way),
        };
        // Until the last device has been asked for what waited, the first messages queue behind that.
        rig.carry(4 * ECHOES as u64).await;
        Some(rig)
    }

    /// Submits `messages` in batches and waits until each is stored as `sent`.
    pub(crate) async fn carry(&mut self, messages: u64) -> Duration {
        let room = Arc::new(Semaphore::new(UNDER_WAY));
        let began = Instant::now();
        let submit = tokio::spawn(submit(
            self.handle.clone(),
            vec![self.message.clone(); self.batch],
            messages,
            room.clone(),
        ));
        let mut sent = 0;
        while sent < messages {
            match self.changes.recv().await {
                Ok(change) if change.to == State::Sent => {
                    sent += 1;
                    room.add_permits(1);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_) | RecvError::Closed) => panic!("the bench counts every message"),
            }
        }
        let took = began.elapsed();
        submit.await.expect("submitted");
        self.carried += messages;
        took
    }

    pub(crate) async fn stop(self) {
        self.running.drain(Duration::from_secs(10)).await.expect("drains");
    }
}

async fn submit(handle: Handle, batch: Vec<NewMessage>, messages: u64, room: Arc<Semaphore>) {
    let mut left = messages;
    while left > 0 {
        let n = left.min(batch.len() as u64) as usize;
        room.acquire_many(n as u32).await.expect("it is never closed").forget();
        handle.submit(batch[..n].to_vec()).await.expect("accepted");
        left -= n as u64;
    }
}
