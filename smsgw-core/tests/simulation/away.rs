//! A phone that is away for days.

use std::time::Duration;

use smsgw_core::gateway::{Gateway, NewDevice, Submitted};
use smsgw_core::id::MessageId;
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, NewMessage};
use smsgw_core::state::{ReportState, State};
use smsgw_core::transport::Command;
use tokio::time::{sleep, timeout};

use crate::clock::RuntimeClock;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MESSAGES: usize = 5_000;

#[tokio::test(start_paused = true)]
async fn what_waited_for_days_arrives_in_order_but_for_what_has_expired() {
    let clock = RuntimeClock::start();
    let clocks = || std::sync::Arc::new(clock);
    let transport = MemoryTransport::new();
    let queue = MemoryQueue::builder().clock(clocks()).build();
    let gateway = Gateway::builder(MemoryStore::with_clock(clocks()), queue, transport.clone());
    // Three days have many seconds.
    let gateway = gateway.clock(clock).reconcile_every(Duration::from_secs(60));
    let running = gateway.build().start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    let device = handle.create_device(account, NewDevice::new("phone")).await.expect("a device").id;
    let mut wanted = Vec::new();
    let mut too_old = Vec::new();
    for number in 0..MESSAGES {
        let to = "+5351234567".parse().expect("a number");
        let mut new = NewMessage::new(account, to, Body::new("x").expect("a body"));
        let lasts = number % 3 > 0;
        new.ttl = if lasts { 7 * DAY } else { DAY };
        let accepted = handle.submit(vec![new]).await.expect("submit").remove(0);
        let Submitted::Accepted(message) = accepted else { panic!("{accepted:?}") };
        if lasts { &mut wanted } else { &mut too_old }.push(message.id);
    }
    sleep(3 * DAY).await;
    let mut phone = transport.connect(device).await;
    let mut arrived: Vec<MessageId> = Vec::new();
    while let Ok(Some(command)) = timeout(Duration::from_secs(600), phone.command()).await {
        if let Command::Send { message, .. } = command {
            arrived.push(message.id);
            phone.report(message.id, ReportState::Sent).await.expect("heard");
        }
    }
    assert_eq!(arrived, wanted);
    for (ids, state) in [(&wanted, State::Sent), (&too_old, State::Expired)] {
        for id in ids {
            let message = handle.message(account, *id).await.expect("message").expect("it is there");
            assert_eq!(message.state, state);
        }
    }
}
