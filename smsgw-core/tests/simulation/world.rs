//! One world. Everything that goes wrong in it follows from its seed; in which order tasks that are ready run does not quite,
//! since maps are walked through in an order of their own.

use std::time::Duration;

use fastrand::Rng;
use smsgw_core::account::Account;
use smsgw_core::device::{Device, Protocol};
use smsgw_core::id::{AccountId, DeviceId};
use smsgw_core::store::{AccountStore, DeviceStore, MessageStore};
use smsgw_core::time::Clock;
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

use crate::air::Air;
use crate::caller::{Accepted, Caller};
use crate::check::broken;
use crate::clock::RuntimeClock;
use crate::gateways::Gateways;
use crate::phone::Phone;

const PHONES: u128 = 3;
const CALLERS: u64 = 2;
const MESSAGES: usize = 30;
/// How long after the end of its life a message may take to end.
const SLACK: Duration = Duration::from_secs(60);

pub(crate) fn run(seed: u64) {
    // The engine's own jitter.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(live(seed));
}

async fn live(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let clock = RuntimeClock::start();
    let gateways = Gateways::new(clock);
    let (account, devices) = people(&gateways, clock).await;
    gateways.start(&mut random).await;
    let air = Air::default();
    let mut others = JoinSet::new();
    for device in &devices {
        let phone = Phone::new(*device, gateways.clone(), air.clone(), clock, random.u64(..));
        others.spawn(phone.run());
    }
    others.spawn(gateways.clone().churn(random.fork()));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let random = random.fork();
        let (gateways, devices) = (gateways.clone(), devices.clone());
        callers.spawn(Caller { gateways, clock, account, devices, random }.run(MESSAGES));
    }
    let accepted: Vec<Accepted> = callers.join_all().await.into_iter().flatten().collect();
    for known in &accepted {
        settle(&gateways, clock, account, known).await;
    }
    // What comes late changes nothing.
    sleep(Duration::from_secs(90)).await;
    assert!(others.try_join_next().is_none(), "phones and gateways last as long as their world");
    for known in &accepted {
        let store = gateways.store();
        let message = store.message(account, known.id).await.expect("memory");
        let events = store.events(account, known.id).await.expect("memory").unwrap_or_default();
        if let Some(broken) = broken(known, message.as_ref(), &events, &air.of(known.id)) {
            panic!("{broken}: {message:#?}\n{events:#?}\non the air: {:?}", air.of(known.id));
        }
    }
    // A gateway that sends nothing at all breaks no other promise. In a bad world half of it goes out.
    let sent = accepted.iter().filter(|known| !air.of(known.id).is_empty()).count();
    assert!(sent * 4 > accepted.len(), "{sent} of {} went out", accepted.len());
}

/// Waits until a message has ended, or had to.
async fn settle(gateways: &Gateways, clock: RuntimeClock, account: AccountId, known: &Accepted) {
    loop {
        let message = gateways.store().message(account, known.id).await.expect("memory");
        let is_over = message.is_none_or(|message| message.state.is_terminal() || message.sent_at.is_some());
        if is_over || clock.now() >= known.expires_at + SLACK {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn people(gateways: &Gateways, clock: RuntimeClock) -> (AccountId, Vec<DeviceId>) {
    let (store, created_at) = (gateways.store(), clock.now());
    let account = Account::new(Uuid::from_u128(1).into(), "test", created_at);
    let account = store.ensure_account(&account).await.expect("memory").id;
    let mut devices = Vec::new();
    for number in 0..PHONES {
        let device = Device {
            id: Uuid::from_u128(100 + number).into(),
            account,
            name: number.to_string(),
            description: None,
            protocol: Protocol::Native,
            // One of the phones is held back.
            rate_limit: (number == 0).then(|| "20/m".parse().expect("a rate")),
            paused: false,
            sims: Vec::new(),
            created_at,
            last_seen_at: None,
        };
        store.create_device(&device).await.expect("memory");
        devices.push(device.id);
    }
    (account, devices)
}
