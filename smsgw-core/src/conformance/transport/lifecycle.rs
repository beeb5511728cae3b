//! What [`Transport`](crate::transport::Transport) promises of its own life.

use super::TransportFixture;
use super::ground::{Ground, LONG, downlink, native};
use crate::conformance::Stage;
use crate::error::ErrorKind;

pub(super) async fn ready_while_open(stage: &Stage<dyn TransportFixture>) {
    let ground = Ground::new(stage).await;
    ground.transport.ready().await.expect("ready");
}

pub(super) async fn opening_twice_is_invalid(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let error = ground.transport.open().await.expect_err("it is open");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    // And the first inbox goes on.
    ground.online().await;
}

pub(super) async fn closed_transport_answers_closed(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let device = ground.online().await;
    ground.transport.close().await.expect("close");
    let batch = [downlink(device.address(), ground.message(native(&*device), "hola"))];
    let errors = [
        ("send", ground.transport.send(&batch).await.err()),
        ("ready", ground.transport.ready().await.err()),
        ("open", ground.transport.open().await.err()),
    ];
    for (name, error) in errors {
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Closed), "{name}");
    }
}

pub(super) async fn closing_twice_is_no_error(stage: &Stage<dyn TransportFixture>) {
    let ground = Ground::new(stage).await;
    ground.transport.close().await.expect("close");
    ground.transport.close().await.expect("close again");
}

pub(super) async fn closing_ends_the_inbox(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let _device = ground.online().await;
    ground.transport.close().await.expect("close");
    let mut batch = Vec::new();
    let ended = async { while ground.inbox.receive(&mut batch, 100).await > 0 {} };
    tokio::time::timeout(LONG, ended).await.expect("0 when nothing is left");
}

pub(super) async fn empty_batches_do_nothing(stage: &Stage<dyn TransportFixture>) {
    let ground = Ground::new(stage).await;
    assert!(ground.transport.send(&[]).await.expect("send").is_empty());
    ground.transport.disconnect(&[]).await.expect("disconnect");
}

pub(super) async fn debug_shows_no_content(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let device = ground.online().await;
    ground.send(downlink(device.address(), ground.message(native(&*device), "attack at dawn"))).await;
    let transport = &ground.transport;
    let shown = format!("{transport:?} {transport:#?} {transport}");
    assert!(!shown.contains("attack") && !shown.contains("5351234567"));
    assert!(!transport.to_string().is_empty(), "it has a name for people");
}
