//! The engine on backends that fail, stall and lose their answers, with phones that come and go: nothing is lost, and
//! no radio sends anything twice. Time is paused, so half an hour of waiting takes a moment.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smsgw_core::gateway::{Gateway, Handle, NewDevice, Submitted};
use smsgw_core::id::{AccountId, DeviceId, IdSource, MessageId};
use smsgw_core::layer::{Fault, FaultPlan};
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, NewMessage};
use smsgw_core::state::{ReportState, State};
use smsgw_core::time::{Clock, Timestamp};
use smsgw_core::transport::Command;
use tokio::time::{Instant, sleep};

const MESSAGES: usize = 150;
const PHONES: usize = 3;
const SEEDS: u64 = 300;

/// The runtime's paused time, as a clock.
#[derive(Debug, Clone)]
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000_000) + self.0.elapsed()
    }
}

/// How often each message went over the air, whichever phone sent it.
type Air = Arc<Mutex<HashMap<MessageId, usize>>>;

/// A phone that keeps the device's half of the protocol, and whose connection breaks now and then.
async fn phone(transport: MemoryTransport, device: DeviceId, air: Air, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    // The journal: outlives every connection.
    let mut seen = HashSet::new();
    loop {
        let mut link = transport.connect(device).await;
        let commands = random.usize(1..60);
        for _ in 0..commands {
            let next = tokio::time::timeout(Duration::from_secs(20), link.command()).await;
            let Ok(command) = next else { break };
            let Some(Command::Send { message, .. }) = command else { continue };
            if seen.insert(message.id) {
                *air.lock().expect("not poisoned").entry(message.id).or_default() += 1;
            }
            sleep(Duration::from_millis(random.u64(0..50))).await;
            // A report may be lost; the next time the message comes it is made again.
            if random.f64() < 0.9 {
                link.report(message.id, ReportState::Sent).await;
            }
        }
        match random.bool() {
            true => link.leave().await,
            false => drop(link),
        }
        sleep(Duration::from_millis(random.u64(0..10_000))).await;
    }
}

async fn submit(handle: &Handle, account: AccountId, ids: &IdSource, clock: &RuntimeClock) -> MessageId {
    let mut new =
        NewMessage::new(account, "+5351234567".parse().expect("a number"), Body::new("x").expect("a body"));
    // A caller that got no answer asks again under the same id.
    new.id = Some(ids.next(clock.now()));
    loop {
        match handle.submit(vec![new.clone()]).await {
            Ok(outcomes) => match &outcomes[..] {
                [Submitted::Accepted(message) | Submitted::Duplicate(message)] => return message.id,
                other => panic!("{other:?}"),
            },
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn run(seed: u64) {
    let clock = RuntimeClock(Instant::now());
    let plan = |salt| FaultPlan {
        seed: seed * 10 + salt,
        fail_before: 0.05,
        fail_after: 0.05,
        delay: 0.2,
        max_delay: Duration::from_millis(200),
    };
    let transport = MemoryTransport::new();
    let store = Arc::new(Fault::new(MemoryStore::with_clock(Arc::new(clock.clone())), FaultPlan::default()));
    let queue = MemoryQueue::builder().clock(Arc::new(clock.clone())).build();
    let queue = Arc::new(Fault::new(queue, FaultPlan::default()));
    let faulty = Arc::new(Fault::new(transport.clone(), FaultPlan::default()));
    let gateway =
        Gateway::builder(store.clone(), queue.clone(), faulty.clone()).clock(clock.clone()).batch(16).build();
    let running = gateway.start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    let air = Air::default();
    let mut phones = tokio::task::JoinSet::new();
    for n in 0..PHONES {
        let new = NewDevice::new(n.to_string());
        let device = handle.create_device(account, new).await.expect("a device").id;
        phones.spawn(phone(transport.clone(), device, air.clone(), seed * 100 + n as u64));
    }
    store.set_plan(plan(1));
    queue.set_plan(plan(2));
    faulty.set_plan(plan(3));

    let ids = IdSource::new();
    let mut accepted = Vec::new();
    for _ in 0..MESSAGES {
        accepted.push(submit(&handle, account, &ids, &clock).await);
    }
    let began = Instant::now();
    for id in &accepted {
        loop {
            match handle.message(account, *id).await {
                Ok(Some(message)) if message.state == State::Sent => break,
                Ok(None) => panic!("seed {seed}: {id} is lost"),
                state => {
                    assert!(began.elapsed() < Duration::from_secs(3_600), "seed {seed}: {state:?} is stuck")
                }
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
    for (id, times) in air.lock().expect("not poisoned").iter() {
        assert_eq!(*times, 1, "seed {seed}: {id} went over the air {times} times");
    }
    assert_eq!(air.lock().expect("not poisoned").len(), accepted.len(), "seed {seed}");
}

#[test]
fn nothing_is_lost_and_nothing_is_sent_twice_whatever_fails() {
    for seed in 0..SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(run(seed));
    }
}
