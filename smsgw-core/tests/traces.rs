//! The life of a message can be followed in the log, and neither its number nor its text is in it.

use std::time::Duration;

use smsgw_core::gateway::{Gateway, NewDevice, Submitted};
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, NewMessage};
use smsgw_core::state::{ReportState, State};
use smsgw_core::transport::Command;
use smsgw_test_support::Log;

const PATIENCE: Duration = Duration::from_secs(20);
const NUMBER: &str = "+5351234567";
const TEXT: &str = "a text for nobody else";

#[tokio::test]
async fn a_message_is_followed_by_its_id_and_says_nothing_of_what_it_says() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let transport = MemoryTransport::new();
    let gateway = Gateway::builder(MemoryStore::new(), MemoryQueue::new(), transport.clone()).build();
    let running = gateway.start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    let device = handle.create_device(account, NewDevice::new("phone")).await.expect("a device").id;
    let new = NewMessage::new(account, NUMBER.parse().expect("a number"), Body::new(TEXT).expect("a body"));
    let Submitted::Accepted(message) = handle.submit(vec![new]).await.expect("submitted").remove(0) else {
        panic!("it is accepted");
    };
    let id = message.id;
    let becomes = async |state: State| {
        let reached = async {
            while handle.message(account, id).await.expect("read").expect("there").state != state {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("in time");
    };
    // Nobody is there at first.
    becomes(State::Scheduled).await;
    let mut link = transport.connect(device).await;
    while !matches!(link.command().await, Some(Command::Send { .. })) {}
    for (said, state) in [(ReportState::Sent, State::Sent), (ReportState::Delivered, State::Delivered)] {
        link.report(id, said).await.expect("heard");
        becomes(state).await;
    }
    running.drain(PATIENCE).await.expect("drained");

    let text = log.text();
    let way: Vec<&str> = text.lines().filter(|line| line.contains(&format!("id={id}"))).collect();
    let begins = [
        format!("accepted id={id} account={account} state=\"queued\""),
        format!("moved id={id} from=\"queued\" to=\"scheduled\" reason=\"no_device_online\""),
        format!("claimed id={id} device={device} attempt=1"),
        format!("moved id={id} device={device} from=\"sending\" to=\"sent\""),
        format!("moved id={id} device={device} from=\"sent\" to=\"delivered\""),
    ];
    // Its device may be quicker than the broker's word or not.
    let way: Vec<&str> = way.into_iter().filter(|line| !line.contains("\"dispatched\"")).collect();
    assert_eq!(way.len(), begins.len(), "{way:#?}");
    for (line, expected) in way.iter().zip(&begins) {
        let expected = expected.replace("from=\"sending\" to=\"sent\"", "from=");
        assert!(line.contains(&expected), "{line} is not {expected}");
    }
    assert!(way[2].contains("send{messages=1}") && way[4].contains("inbound{deliveries="), "{way:#?}");
    for secret in [NUMBER, NUMBER.trim_start_matches('+'), TEXT] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}
