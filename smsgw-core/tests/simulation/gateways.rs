//! The gateways of a world: each on backends that fail, all on one store and one queue.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use smsgw_core::gateway::{Gateway, Handle, Running};
use smsgw_core::layer::{Fault, FaultPlan};
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use tokio::time::sleep;

use crate::clock::RuntimeClock;

/// Nothing comes through any more: to all others it is dead, whatever it still believes.
const DEAD: FaultPlan =
    FaultPlan { seed: 0, fail_before: 1.0, fail_after: 0.0, delay: 0.0, max_delay: Duration::ZERO };

#[derive(Clone)]
pub(crate) struct Gateways(Arc<Shared>);

struct Shared {
    clock: RuntimeClock,
    store: MemoryStore,
    queue: MemoryQueue,
    alive: Mutex<Vec<Incarnation>>,
}

/// A gateway from its start to its end.
struct Incarnation {
    running: Running,
    transport: MemoryTransport,
    store: Arc<Fault<MemoryStore>>,
    queue: Arc<Fault<MemoryQueue>>,
    way: Arc<Fault<MemoryTransport>>,
}

impl Gateways {
    pub(crate) fn new(clock: RuntimeClock) -> Self {
        let store = MemoryStore::with_clock(Arc::new(clock));
        let queue = MemoryQueue::builder().clock(Arc::new(clock)).build();
        Self(Arc::new(Shared { clock, store, queue, alive: Mutex::default() }))
    }

    /// What is true, past all faults.
    pub(crate) fn store(&self) -> &MemoryStore {
        &self.0.store
    }

    /// One more gateway, whose backends fail as `random` says.
    pub(crate) async fn start(&self, random: &mut Rng) {
        let transport = MemoryTransport::new();
        let store = Arc::new(Fault::new(self.0.store.clone(), FaultPlan::default()));
        let queue = Arc::new(Fault::new(self.0.queue.clone(), FaultPlan::default()));
        let way = Arc::new(Fault::new(transport.clone(), FaultPlan::default()));
        let gateway = Gateway::builder(store.clone(), queue.clone(), way.clone());
        let running = gateway.clock(self.0.clock).batch(16).build().start().await.expect("starts");
        let share = if random.bool() { 0.05 } else { 0.005 };
        let mut plan = || FaultPlan {
            seed: random.u64(..),
            fail_before: share,
            fail_after: share,
            delay: 0.2,
            max_delay: Duration::from_millis(200),
        };
        store.set_plan(plan());
        queue.set_plan(plan());
        way.set_plan(plan());
        self.lock().push(Incarnation { running, transport, store, queue, way });
    }

    /// Lets gateways die, or end in good order, and others come, for as long as the world lasts.
    pub(crate) async fn churn(self, mut random: Rng) {
        loop {
            sleep(Duration::from_millis(random.u64(500..60_000))).await;
            if random.bool() {
                self.start(&mut random).await;
            }
            let ended = {
                let mut alive = self.lock();
                let place = random.usize(0..alive.len());
                alive.swap_remove(place)
            };
            if random.f64() < 0.3 {
                // Whatever does not end in time is left to its leases.
                let _ = ended.running.drain(Duration::from_secs(10)).await;
            } else {
                ended.store.set_plan(DEAD);
                ended.queue.set_plan(DEAD);
                ended.way.set_plan(DEAD);
            }
            if self.lock().is_empty() {
                sleep(Duration::from_millis(random.u64(0..20_000))).await;
                self.start(&mut random).await;
            }
        }
    }

    /// The handle of one that lives.
    pub(crate) fn handle(&self, place: usize) -> Option<Handle> {
        let alive = self.lock();
        let place = place.checked_rem(alive.len())?;
        Some(alive[place].running.handle())
    }

    /// The transport of one that lives.
    pub(crate) fn any(&self, place: usize) -> Option<MemoryTransport> {
        let alive = self.lock();
        let place = place.checked_rem(alive.len())?;
        Some(alive[place].transport.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Incarnation>> {
        self.0.alive.lock().expect("not poisoned")
    }
}

impl fmt::Debug for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} gateways", self.lock().len())
    }
}
