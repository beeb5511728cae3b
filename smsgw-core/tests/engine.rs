//! The engine on memory backends: what callers are promised, seen from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smsgw_core::device::Protocol;
use smsgw_core::gateway::{Gateway, Handle, NewDevice, Running, Submitted};
use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::layer::{Fault, FaultPlan};
use smsgw_core::memory::{MemoryDevice, MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, NewMessage};
use smsgw_core::state::{Reason, ReportState, State};
use smsgw_core::store::{MessageQuery, MessageStore};
use smsgw_core::time::{Clock, SystemClock, Timestamp};
use smsgw_core::transport::{Command, TopicKey};
use tokio::sync::broadcast::error::TryRecvError;

struct Setup {
    store: MemoryStore,
    transport: MemoryTransport,
    running: Running,
    handle: Handle,
    account: AccountId,
}

async fn setup() -> Setup {
    let transport = MemoryTransport::new();
    let store = MemoryStore::new();
    let gateway = Gateway::builder(store.clone(), MemoryQueue::new(), transport.clone()).build();
    let running = gateway.start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    Setup { store, transport, running, handle, account }
}

impl Setup {
    async fn device(&self) -> DeviceId {
        self.device_with(None).await
    }

    async fn device_with(&self, rate_limit: Option<&str>) -> DeviceId {
        let new = NewDevice {
            name: "phone".into(),
            description: None,
            protocol: Default::default(),
            rate_limit: rate_limit.map(|rate| rate.parse().expect("a rate")),
        };
        self.handle.create_device(self.account, new).await.expect("a device").id
    }

    async fn submit(&self, body: &str, device: Option<DeviceId>) -> MessageId {
        let mut new = NewMessage::new(
            self.account,
            "+5351234567".parse().expect("a number"),
            Body::new(body).expect("a body"),
        );
        new.device = device;
        match self.handle.submit(vec![new]).await.expect("submitted").remove(0) {
            Submitted::Accepted(message) => message.id,
            other => panic!("{other:?}"),
        }
    }

    async fn reaches(&self, id: MessageId, state: State) {
        let reached = async {
            loop {
                let message = self.handle.message(self.account, id).await.expect("read").expect("there");
                if message.state == state {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(10), reached).await.is_err() {
            panic!("{id} is {:?}", self.handle.message(self.account, id).await);
        }
    }
}

/// The next SMS that the device is told to send.
async fn next_sms(device: &mut MemoryDevice) -> (MessageId, String) {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), device.command()).await;
        match next.expect("a command within 10 s").expect("connected") {
            Command::Send { message, .. } => return (message.id, message.body.expose().to_owned()),
            Command::Cancel(_) | Command::Receipt(_) | Command::Authentication { .. } => {}
        }
    }
}

#[tokio::test]
async fn a_message_goes_out_and_its_reports_come_back() {
    let setup = setup().await;
    let device = setup.device().await;
    let mut link = setup.transport.connect(device).await;
    let id = setup.submit("hola: 👋\r\n", None).await;
    assert_eq!(next_sms(&mut link).await, (id, "hola: 👋\r\n".to_owned()));
    setup.reaches(id, State::Dispatched).await;
    for (report, state) in [(ReportState::Sent, State::Sent), (ReportState::Delivered, State::Delivered)] {
        link.report(id, report).await.expect("heard");
        setup.reaches(id, state).await;
    }
    let events = setup.handle.message_events(setup.account, id).await.expect("read").expect("there");
    // A device that has just come is first asked for what waited for it; the message may have had to queue behind.
    let way = events.iter().map(|event| event.state).filter(|state| *state > State::Queued);
    assert_eq!(way.collect::<Vec<_>>(), [State::Sending, State::Dispatched, State::Sent, State::Delivered],);
}

/// The states in the history of a message.
async fn history(handle: &Handle, account: AccountId, id: MessageId) -> Vec<State> {
    let events = handle.message_events(account, id).await.expect("read").expect("there");
    events.into_iter().map(|event| event.state).collect()
}

#[tokio::test]
async fn what_can_go_at_once_needs_no_queue_and_a_quick_report_says_all() {
    let setup = setup().await;
    let device = setup.device().await;
    let mut link = setup.transport.connect(device).await;
    let ways = async {
        loop {
            let id = setup.submit("hola", None).await;
            assert_eq!(next_sms(&mut link).await.0, id);
            link.report(id, ReportState::Sent).await.expect("heard");
            setup.reaches(id, State::Sent).await;
            let way = history(&setup.handle, setup.account, id).await;
            // The first may find the device still busy with what waited for it.
            if way == [State::Sending, State::Sent] {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ways).await.expect("most go this way");
}

#[tokio::test]
async fn where_all_is_to_go_through_the_queue_it_does() {
    let transport = MemoryTransport::new();
    let gateway = Gateway::builder(MemoryStore::new(), MemoryQueue::new(), transport.clone());
    let running = gateway.always_queue(true).build().start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    let device = handle.create_device(account, NewDevice::new("phone")).await.expect("a device").id;
    let mut link = transport.connect(device).await;
    for _ in 0..20 {
        let new = NewMessage::new(
            account,
            "+5351234567".parse().expect("a number"),
            Body::new("a").expect("a body"),
        );
        handle.submit(vec![new]).await.expect("submitted");
        let id = next_sms(&mut link).await.0;
        link.report(id, ReportState::Sent).await.expect("heard");
        assert_eq!(history(&handle, account, id).await[0], State::Queued);
    }
}

#[tokio::test]
async fn no_message_overtakes_those_that_wait_in_the_queue() {
    let setup = setup().await;
    let device = setup.device().await;
    let mut link = setup.transport.connect(device).await;
    let mut sent = Vec::new();
    // More than the window of the device: what does not go at once queues, and what comes later goes behind it.
    for n in 0..200 {
        sent.push(setup.submit(&format!("message {n}"), None).await);
        if n % 7 == 0 {
            let (id, _) = next_sms(&mut link).await;
            assert_eq!(id, sent[n / 7]);
            link.report(id, ReportState::Sent).await.expect("heard");
        }
    }
    for id in &sent[29..] {
        assert_eq!(next_sms(&mut link).await.0, *id);
        link.report(*id, ReportState::Sent).await.expect("heard");
    }
}

#[tokio::test]
async fn what_waits_for_a_device_says_so_and_goes_out_in_order_when_it_comes() {
    let setup = setup().await;
    let device = setup.device().await;
    let mut ids = Vec::new();
    for n in 0..100 {
        ids.push(setup.submit(&format!("message {n}"), None).await);
    }
    setup.reaches(ids[99], State::Scheduled).await;
    let waiting = setup.handle.message(setup.account, ids[0]).await.expect("read").expect("there");
    assert_eq!(waiting.reason, Some(Reason::NoDeviceOnline));
    let mut link = setup.transport.connect(device).await;
    for id in &ids {
        assert_eq!(next_sms(&mut link).await.0, *id);
        link.report(*id, ReportState::Sent).await.expect("heard");
    }
    setup.reaches(ids[99], State::Sent).await;
}

#[tokio::test]
async fn a_device_has_at_most_16_messages_in_hand() {
    let setup = setup().await;
    let device = setup.device().await;
    let mut link = setup.transport.connect(device).await;
    for n in 0..40 {
        setup.submit(&format!("message {n}"), None).await;
    }
    let mut given = Vec::new();
    while let Ok((id, _)) = tokio::time::timeout(Duration::from_millis(700), next_sms(&mut link)).await {
        given.push(id);
    }
    assert_eq!(given.len(), 16);
    link.report(given[0], ReportState::Acknowledged).await.expect("heard");
    next_sms(&mut link).await;
}

#[tokio::test]
async fn a_message_for_one_device_never_goes_to_another() {
    let setup = setup().await;
    let (wanted, other) = (setup.device().await, setup.device().await);
    let mut other_link = setup.transport.connect(other).await;
    let id = setup.submit("for one", Some(wanted)).await;
    setup.reaches(id, State::Scheduled).await;
    let waiting = setup.handle.message(setup.account, id).await.expect("read").expect("there");
    assert_eq!(waiting.reason, Some(Reason::DeviceOffline));
    let mut link = setup.transport.connect(wanted).await;
    assert_eq!(next_sms(&mut link).await.0, id);
    assert!(tokio::time::timeout(Duration::from_millis(50), next_sms(&mut other_link)).await.is_err());
}

#[tokio::test]
async fn a_device_that_died_gets_what_it_had_again_and_nobody_else_does() {
    let setup = setup().await;
    let (first, second) = (setup.device().await, setup.device().await);
    let mut link = setup.transport.connect(first).await;
    let id = setup.submit("once", None).await;
    assert_eq!(next_sms(&mut link).await.0, id);
    drop(link);
    let mut other = setup.transport.connect(second).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), next_sms(&mut other)).await.is_err());
    let mut link = setup.transport.connect(first).await;
    assert_eq!(next_sms(&mut link).await.0, id);
    link.report(id, ReportState::Sent).await.expect("heard");
    setup.reaches(id, State::Sent).await;
}

#[tokio::test]
async fn a_rate_limit_is_kept_and_named() {
    let setup = setup().await;
    let device = setup.device_with(Some("5/s")).await;
    let mut link = setup.transport.connect(device).await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(setup.submit(&format!("message {n}"), None).await);
    }
    let (first, _) = next_sms(&mut link).await;
    let began = tokio::time::Instant::now();
    assert_eq!(first, ids[0]);
    setup.reaches(ids[5], State::Scheduled).await;
    let waiting = setup.handle.message(setup.account, ids[5]).await.expect("read").expect("there");
    assert_eq!(waiting.reason, Some(Reason::RateLimited));
    for id in &ids[1..] {
        assert_eq!(next_sms(&mut link).await.0, *id);
    }
    // Five intervals of 200 ms; the machine may be late, never early.
    assert!(began.elapsed() >= Duration::from_millis(950));
}

#[tokio::test]
async fn a_stranger_reports_in_vain() {
    let setup = setup().await;
    let (owner, stranger) = (setup.device().await, setup.device().await);
    let mut link = setup.transport.connect(owner).await;
    let id = setup.submit("mine", Some(owner)).await;
    next_sms(&mut link).await;
    setup.reaches(id, State::Dispatched).await;
    let mut other = setup.transport.connect(stranger).await;
    other.report(id, ReportState::Delivered).await.expect("heard");
    // The receipt shows that the report was processed.
    assert!(matches!(other.command().await, Some(Command::Receipt(_))));
    setup.reaches(id, State::Dispatched).await;
}

#[tokio::test]
async fn the_same_id_or_key_again_sends_nothing_more() {
    let setup = setup().await;
    let to = "+5351234567".parse().expect("a number");
    let mut new = NewMessage::new(setup.account, to, Body::new("once").expect("a body"));
    new.idempotency_key = Some("key".into());
    let first = setup.handle.submit(vec![new.clone(), new.clone()]).await.expect("submitted");
    let Submitted::Accepted(accepted) = &first[0] else { panic!("{first:?}") };
    assert!(matches!(&first[1], Submitted::Duplicate(earlier) if earlier.id == accepted.id));
    new.body = Body::new("another").expect("a body");
    assert_eq!(setup.handle.submit(vec![new.clone()]).await.expect("submitted"), [Submitted::Mismatch]);
    new.idempotency_key = None;
    new.id = Some(accepted.id);
    assert_eq!(setup.handle.submit(vec![new.clone()]).await.expect("submitted"), [Submitted::Mismatch]);
    new.body = Body::new("once").expect("a body");
    let again = setup.handle.submit(vec![new]).await.expect("submitted");
    assert!(matches!(&again[0], Submitted::Duplicate(earlier) if earlier.id == accepted.id));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_gateway_takes_no_answer_from_who_waits_for_one() {
    let slow = FaultPlan { delay: 1.0, max_delay: Duration::from_secs(100), ..FaultPlan::default() };
    let store = Arc::new(Fault::new(MemoryStore::new(), FaultPlan::default()));
    let gateway = Gateway::builder(store.clone(), MemoryQueue::new(), MemoryTransport::new()).build();
    let running = gateway.start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    store.set_plan(slow);
    let to = "+5351234567".parse().expect("a number");
    let new = NewMessage::new(account, to, Body::new("late").expect("a body"));
    let submit = tokio::spawn(async move { handle.submit(vec![new]).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(running);
    let outcomes = submit.await.expect("no panic").expect("the write that had begun goes on");
    assert!(matches!(outcomes[..], [Submitted::Accepted(_)]), "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_one_at_a_time_wait_for_no_timer() {
    const MESSAGES: usize = 5_000;
    let setup = setup().await;
    for _ in 0..64 {
        setup.transport.connect_echo(setup.device().await, ReportState::Sent).await;
    }
    let mut changes = setup.handle.observe();
    let begun = tokio::time::Instant::now();
    let mut sent = 0;
    for _ in 0..MESSAGES {
        setup.submit("one", None).await;
        while sent < MESSAGES {
            match changes.try_recv() {
                Ok(moved) => sent += usize::from(moved.to == State::Sent),
                Err(TryRecvError::Empty) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    while sent < MESSAGES {
        sent += usize::from(changes.recv().await.expect("it keeps up").to == State::Sent);
    }
    // The time of this runtime goes on only where nothing else is to be done.
    assert!(begun.elapsed() < Duration::from_millis(40), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn draining_finishes_what_was_accepted_and_accepts_nothing_more() {
    let setup = setup().await;
    let device = setup.device().await;
    setup.transport.connect_echo(device, ReportState::Sent).await;
    let handle = setup.handle.clone();
    let account = setup.account;
    let load = tokio::spawn(async move {
        let mut accepted = 0;
        loop {
            let to = "+5351234567".parse().expect("a number");
            let new = NewMessage::new(account, to, Body::new("load").expect("a body"));
            match handle.submit(vec![new; 10]).await {
                Ok(outcomes) => accepted += outcomes.len(),
                Err(_) => return accepted,
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    setup.running.drain(Duration::from_secs(10)).await.expect("drains");
    let accepted = load.await.expect("the load ends");
    assert!(accepted > 0);
    // What was accepted is there, and nothing of it is half-way: sent, or in the queue for the next start.
    let mut query = MessageQuery::new(account, 1_000);
    let mut found = 0;
    loop {
        let page = setup.store.messages(&query).await.expect("read");
        for message in &page.items {
            let rests =
                [State::Queued, State::Scheduled, State::Dispatched, State::Sent].contains(&message.state);
            assert!(rests, "{message:?}");
        }
        found += page.items.len();
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(found, accepted);
}

#[tokio::test]
async fn a_rate_limit_lets_the_next_go_also_after_a_pause() {
    let setup = setup().await;
    let device = setup.device_with(Some("5/s")).await;
    let mut link = setup.transport.connect(device).await;
    // So long that whatever the arrival had set ticking has run out.
    tokio::time::sleep(Duration::from_millis(700)).await;
    for n in 0..4 {
        let id = setup.submit(&format!("message {n}"), None).await;
        assert_eq!(next_sms(&mut link).await.0, id);
        link.report(id, ReportState::Sent).await.expect("heard");
    }
    let mut ids = Vec::new();
    tokio::time::sleep(Duration::from_millis(700)).await;
    for n in 0..4 {
        ids.push(setup.submit(&format!("message {n}"), None).await);
    }
    for id in ids {
        assert_eq!(next_sms(&mut link).await.0, id);
    }
}

#[tokio::test]
async fn an_original_device_is_given_messages_no_faster_than_a_radio_sends() {
    let setup = setup().await;
    let new = NewDevice { protocol: Protocol::Original, ..NewDevice::new("phone") };
    let device = setup.handle.create_device(setup.account, new).await.expect("a device").id;
    let (key, _) = setup.handle.create_key(setup.account, device, None).await.expect("made").expect("there");
    let mut link = setup.transport.connect_original(TopicKey::new(key.expose())).await;
    let began = tokio::time::Instant::now();
    for n in 0..12 {
        setup.submit(&format!("message {n}"), None).await;
    }
    for _ in 0..12 {
        next_sms(&mut link).await;
    }
    // A burst of two, then one in 50 ms; the machine may be late, never early.
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_original_device_whose_key_expires_gets_nothing_more() {
    let setup = setup().await;
    let new = NewDevice { protocol: Protocol::Original, ..NewDevice::new("phone") };
    let device = setup.handle.create_device(setup.account, new).await.expect("a device").id;
    let end = Some(setup.handle.now() + Duration::from_millis(300));
    let (key, _) = setup.handle.create_key(setup.account, device, end).await.expect("made").expect("there");
    let mut link = setup.transport.connect_original(TopicKey::new(key.expose())).await;
    let id = setup.submit("in time", None).await;
    assert_eq!(next_sms(&mut link).await.0, id);
    let gone = async {
        let presence =
            async || setup.handle.device(setup.account, device).await.expect("read").expect("there").presence;
        while presence().await.online {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("its key has expired");
    let id = setup.submit("too late", None).await;
    setup.reaches(id, State::Scheduled).await;
    assert!(tokio::time::timeout(Duration::from_millis(100), next_sms(&mut link)).await.is_err());
}

#[tokio::test]
async fn submitting_more_than_one_write_takes_is_fine() {
    let setup = setup().await;
    let new = NewMessage::new(
        setup.account,
        "+5351234567".parse().expect("a number"),
        Body::new("x").expect("a body"),
    );
    let outcomes = setup.handle.submit(vec![new; 2_500]).await.expect("submitted");
    assert_eq!(outcomes.len(), 2_500);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Submitted::Accepted(_))));
}

/// The machine's clock, set wrong by so many seconds.
#[derive(Debug, Clone, Default)]
struct Wrong(Arc<AtomicU64>);

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

async fn setup_with(clock: &Wrong) -> Setup {
    let (transport, store) = (MemoryTransport::new(), MemoryStore::new());
    let gateway = Gateway::builder(store.clone(), MemoryQueue::new(), transport.clone()).clock(clock.clone());
    let running = gateway.build().start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    Setup { store, transport, running, handle, account }
}

#[tokio::test]
async fn a_request_that_is_repeated_takes_no_turn_of_a_rate_limit() {
    let clock = Wrong::default();
    let setup = setup_with(&clock).await;
    let device = setup.device_with(Some("1/h")).await;
    let mut link = setup.transport.connect(device).await;
    let submit = async |key: &str| {
        let to = "+5351234567".parse().expect("a number");
        let mut new = NewMessage::new(setup.account, to, Body::new(key).expect("a body"));
        new.idempotency_key = Some(key.to_owned());
        setup.handle.submit(vec![new]).await.expect("submitted");
    };
    submit("one").await;
    assert_eq!(next_sms(&mut link).await.1, "one");
    clock.0.store(3_601, Ordering::Relaxed);
    submit("one").await;
    submit("two").await;
    assert_eq!(next_sms(&mut link).await.1, "two");
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_nothing_up() {
    let clock = Wrong::default();
    let setup = setup_with(&clock).await;
    let device = setup.device().await;
    let mut link = setup.transport.connect(device).await;
    for wrong in [3_600, 0, 3_600, 0] {
        let id = setup.submit("hola", None).await;
        assert_eq!(next_sms(&mut link).await.0, id);
        setup.reaches(id, State::Dispatched).await;
        link.report(id, ReportState::Sent).await.expect("heard");
        let receipt = async { while !matches!(link.command().await, Some(Command::Receipt(_))) {} };
        tokio::time::timeout(Duration::from_secs(10), receipt).await.expect("a receipt");
        clock.0.store(wrong, Ordering::Relaxed);
    }
}
