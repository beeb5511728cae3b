//! What a gateway counts, held against what was done with it and against the histories of its messages.

mod manual;

use std::collections::HashMap;
use std::time::Duration;

use manual::{Setup, setup};
use smsgw_core::error::ErrorKind;
use smsgw_core::gateway::{Cancellation, Gateway, Handle, Histogram, NewDevice, Sample, Submitted};
use smsgw_core::id::{DeviceId, MessageId};
use smsgw_core::layer::{Fault, FaultPlan};
use smsgw_core::memory::{MemoryDevice, MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, Failure, MessageEvent, NewMessage};
use smsgw_core::state::{Reason, Report, ReportState, State};
use smsgw_core::time::Clock;
use smsgw_core::transport::{Address, Command, DeviceEvent, InboundSms};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);
const TTL: Duration = Duration::from_secs(60);

impl Setup {
    fn new_message(&self) -> NewMessage {
        let to = "+5351234567".parse().expect("a number");
        NewMessage::new(self.account, to, Body::new("hola").expect("a body"))
    }

    async fn submit(&self, new: NewMessage) -> MessageId {
        match self.handle.submit(vec![new]).await.expect("submitted").remove(0) {
            Submitted::Accepted(message) => message.id,
            other => panic!("{other:?}"),
        }
    }

    async fn becomes(&self, id: MessageId, state: State) {
        let reached = async {
            while self.handle.message(self.account, id).await.expect("read").expect("there").state != state {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{id} is never {state}"));
    }

    async fn says(&self, link: &MemoryDevice, device: DeviceId, message: MessageId, said: ReportState) {
        let code = matches!(said, ReportState::Failed).then(|| Failure::from_device("invalid_number"));
        self.reports(link, device, message, said, code).await;
        self.becomes(message, said.into()).await;
    }

    async fn reports(
        &self,
        link: &MemoryDevice,
        device: DeviceId,
        message: MessageId,
        state: ReportState,
        failure: Option<Failure>,
    ) {
        let report = Report { id: Uuid::now_v7().into(), state, failure, attempt: None };
        assert!(link.say(DeviceEvent::Report { device, message, report }).await, "the gateway listens");
    }
}

async fn next(link: &mut MemoryDevice) -> MessageId {
    loop {
        let command = tokio::time::timeout(PATIENCE, link.command()).await.expect("a command in time");
        if let Command::Send { message, .. } = command.expect("connected") {
            return message.id;
        }
    }
}

/// What is counted may be a moment behind what is stored.
async fn eventually(handle: &Handle, what: &str, holds: impl Fn(&Handle) -> bool) {
    let reached = async {
        while !holds(handle) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let statistics = || handle.statistics();
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{what}: {:?}", statistics()));
}

#[tokio::test]
async fn everything_that_can_become_of_a_message_is_counted_once() {
    let setup = setup().await;
    let Setup { handle, clock, account, .. } = &setup;
    let device = handle.create_device(*account, NewDevice::new("phone")).await.expect("a device").id;

    // Nobody is there: one is for a device, one ends by itself, one is taken back, one has time.
    let fixed = setup.submit(NewMessage { device: Some(device), ..setup.new_message() }).await;
    let expires = setup.submit(NewMessage { ttl: TTL, ..setup.new_message() }).await;
    let taken_back = setup.submit(setup.new_message()).await;
    let later = Some(clock.now() + Duration::from_secs(86_400));
    let scheduled = setup.submit(NewMessage { send_at: later, ..setup.new_message() }).await;
    for id in [fixed, expires, taken_back] {
        setup.becomes(id, State::Scheduled).await;
    }
    let canceled = handle.cancel(*account, taken_back).await.expect("cancel");
    assert!(matches!(canceled, Some(Cancellation::Canceled(_))));
    clock.advance(TTL);
    setup.becomes(expires, State::Expired).await;

    // A device comes; it delivers one and fails with one.
    let mut link = setup.transport.connect(device).await;
    assert_eq!(next(&mut link).await, fixed);
    clock.advance(Duration::from_secs(3));
    for said in [ReportState::Acknowledged, ReportState::Sent, ReportState::Delivered] {
        setup.says(&link, device, fixed, said).await;
    }
    let fails = setup.submit(setup.new_message()).await;
    assert_eq!(next(&mut link).await, fails);
    setup.says(&link, device, fails, ReportState::Failed).await;

    // One has to be tried twice, and then nothing comes of it.
    let tried = setup.submit(setup.new_message()).await;
    assert_eq!(next(&mut link).await, tried);
    let no_service = Some(Failure::from_device("no_service"));
    setup.reports(&link, device, tried, ReportState::Failed, no_service).await;
    setup.becomes(tried, State::Scheduled).await;
    clock.advance(Duration::from_secs(10));
    assert_eq!(next(&mut link).await, tried);
    setup.says(&link, device, tried, ReportState::Sent).await;
    setup.says(&link, device, tried, ReportState::Undelivered).await;

    // Three are not accepted, and one is repeated.
    let (other, id) = (Uuid::now_v7().into(), Some(Uuid::now_v7().into()));
    let first = NewMessage { id, send_at: later, ..setup.new_message() };
    let mismatch = NewMessage { device: Some(device), ..first.clone() };
    let stranger = NewMessage { device: Some(other), ..setup.new_message() };
    let batch = vec![first.clone(), stranger.clone(), stranger];
    let repeated = match handle.submit(batch).await.expect("submitted").remove(0) {
        Submitted::Accepted(message) => message.id,
        other => panic!("{other:?}"),
    };
    handle.submit(vec![first]).await.expect("submitted");
    assert_eq!(handle.submit(vec![mismatch]).await.expect("submitted"), [Submitted::Mismatch]);

    // Two SMS come, one of them twice.
    for id in [1, 2, 1] {
        let id = Some(Uuid::from_u128(id).into());
        let sms = InboundSms { id, from: "Bank".into(), body: "hi".into(), sim: None, received_at: None };
        assert!(link.say(DeviceEvent::Inbound { origin: Address::Native(device), sms }).await);
    }

    eventually(handle, "two were received", |handle| handle.statistics().received == 2).await;
    let counted = handle.statistics();
    assert_eq!((counted.accepted, counted.refused, counted.dispatched), (7, 3, 4), "{counted:?}");
    let reached = counted.reached();
    let expected = [
        (State::Acknowledged, 1),
        (State::Sent, 2),
        (State::Delivered, 1),
        (State::Undelivered, 1),
        (State::Failed, 1),
        (State::Expired, 1),
        (State::Canceled, 1),
        (State::Unknown, 0),
    ];
    assert_eq!(reached, expected);
    assert_eq!(counted.retries, 1);
    assert_eq!(counted.failures, [("invalid_number".to_owned(), 1), ("none".to_owned(), 1)]);
    assert_eq!((counted.devices_online, counted.in_hand), (1, 0));

    // Why messages waited, as their histories say it.
    let mut waited: HashMap<Reason, u64> = HashMap::new();
    for id in [fixed, expires, taken_back, scheduled, fails, tried, repeated] {
        let events = handle.message_events(*account, id).await.expect("read").expect("there");
        let waits = |event: &&MessageEvent| event.applied && event.state <= State::Queued;
        for reason in events.iter().filter(waits).filter_map(|event| event.reason) {
            *waited.entry(reason).or_default() += 1;
        }
    }
    for (reason, count) in &counted.waits {
        assert_eq!(*count, waited.remove(reason).unwrap_or(0), "{reason:?}");
    }
    assert_eq!(waited, HashMap::new(), "all reasons are counted");
    for (reason, count) in [(Reason::SendAt, 2), (Reason::Retry, 1), (Reason::DeviceOffline, 1)] {
        assert!(counted.waits.contains(&(reason, count)), "{reason:?}: {:?}", counted.waits);
    }

    // The clock moved by a minute while the first waited, and by three seconds while its device had it.
    let latency = counted.latency;
    let shape = |histogram: &Histogram| (histogram.count(), histogram.sum());
    assert_eq!(shape(&latency.intake), (7, 0.0));
    assert_eq!(shape(&latency.queue_wait), (3, 60.0));
    assert_eq!(shape(&latency.report), (4, 3.0));
    assert_eq!(shape(&latency.send).1, 0.0);
    assert!(latency.send.count() >= 4 && latency.claim.count() >= 1, "{latency:?}");
}

#[tokio::test]
async fn a_session_that_ends_has_what_was_in_its_hands_tried_again() {
    let setup = setup().await;
    let device = setup.handle.create_device(setup.account, NewDevice::new("phone")).await.expect("made").id;
    let mut link = setup.transport.connect(device).await;
    let id = setup.submit(setup.new_message()).await;
    assert_eq!(next(&mut link).await, id);
    setup.becomes(id, State::Dispatched).await;
    assert_eq!(setup.handle.statistics().in_hand, 1);
    drop(link);
    let mut link = setup.transport.connect(device).await;
    assert_eq!(next(&mut link).await, id);
    let counted = setup.handle.statistics();
    assert_eq!((counted.accepted, counted.dispatched, counted.retries), (1, 2, 1));
    assert!(counted.waits.contains(&(Reason::NotAcknowledged, 1)), "{:?}", counted.waits);
}

#[tokio::test]
async fn two_gateways_count_apart_and_what_a_closed_one_refuses_is_counted() {
    let (one, two) = (setup().await, setup().await);
    one.submit(one.new_message()).await;
    assert_eq!((one.handle.statistics().accepted, two.handle.statistics().accepted), (1, 0));
    let Setup { handle, running, account, .. } = two;
    running.drain(PATIENCE).await.expect("drained");
    let to = "+5351234567".parse().expect("a number");
    let new = NewMessage::new(account, to, Body::new("hola").expect("a body"));
    handle.submit(vec![new.clone(), new]).await.expect_err("it is closed");
    assert_eq!((handle.statistics().accepted, handle.statistics().refused), (0, 2));
}

#[tokio::test]
async fn a_sample_is_taken_each_second() {
    let setup = setup().await;
    let id = setup.submit(setup.new_message()).await;
    setup.becomes(id, State::Scheduled).await;
    let has = |holds: fn(&[Sample]) -> bool| move |handle: &Handle| holds(&handle.history());
    eventually(&setup.handle, "three samples", has(|samples| samples.len() >= 3)).await;
    eventually(&setup.handle, "the message", has(|samples| samples.iter().any(|s| s.accepted == 1))).await;
    let last = *setup.handle.history().last().expect("there are some");
    assert_eq!((last.depth, last.at), (Some(0), setup.clock.now()));
    assert_eq!(setup.handle.statistics().queue_depth, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_says_nothing_stops_no_sample_and_is_down_by_itself() {
    let silent = FaultPlan { delay: 1.0, max_delay: Duration::from_secs(31_536_000), ..FaultPlan::default() };
    let queue = Fault::new(MemoryQueue::new(), silent);
    let gateway = Gateway::builder(MemoryStore::new(), queue, MemoryTransport::new()).build();
    let running = gateway.start().await.expect("starts");
    let handle = running.handle();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let samples = handle.history();
    assert!((5..=11).contains(&samples.len()), "{}", samples.len());
    assert!(samples.iter().filter(|sample| sample.depth.is_none()).count() >= 5);
    let health = handle.health(Duration::from_secs(2)).await;
    let late = health.queue.ready.expect_err("it says nothing");
    assert_eq!(late.kind(), ErrorKind::Timeout);
    assert!(health.store.ready.is_ok() && health.transport.ready.is_ok());
}
