//! Brokers that are away, silent or of another opinion, and how a transport ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use smsgw_core::conformance::sweep::Cut;
use smsgw_core::conformance::transport::TestDevice;
use smsgw_core::error::ErrorKind;
use smsgw_core::transport::{Ack, Downlink, Sent, Transport};
use smsgw_mqtt::transport::MqttTransport;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::fixtures::{BRIEF, LONG, Place};
use crate::ground::{Gateway, downlink, online, say_report, until_failing};

/// The longest that any send may take. Ten seconds are what a broker has to answer.
const ANSWERED: Duration = Duration::from_secs(12);

pub(crate) async fn a_broker_is_killed_and_restarted(place: Place) {
    let place = Arc::new(place);
    let gateway = Arc::new(Gateway::open(&place).await);
    let mut device = online(&place).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for _ in 0..4 {
        let batch: Vec<Downlink> = (0..100).map(|_| downlink(&place, &device, "hola")).collect();
        let (gateway, stop) = (gateway.clone(), stop.clone());
        senders.spawn(async move {
            let mut failed = 0;
            while !stop.load(Ordering::Relaxed) {
                let sending = timeout(ANSWERED, gateway.transport.send(&batch));
                for sent in sending.await.expect("no send hangs").expect("send") {
                    if let Sent::NotSent(error) | Sent::Failed(error) = sent {
                        assert!(error.is_retryable(), "{error}");
                        failed += 1;
                    }
                }
                sleep(Duration::from_millis(5)).await;
            }
            failed
        });
    }
    sleep(BRIEF).await;
    let mosquitto = place.server.process().expect("it is one");
    mosquitto.kill();
    until_failing(&gateway.transport, ErrorKind::Unavailable).await;
    sleep(BRIEF * 3).await;
    mosquitto.start_again().await;
    let begun = Instant::now();
    gateway.until_ready().await;
    // Five seconds are promised; a machine may be busy.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    stop.store(true, Ordering::Relaxed);
    while let Some(failed) = senders.join_next().await {
        assert!(failed.expect("the task ends well") > 0, "what was under way had no answer");
    }
    // The broker knows nothing any more, of the gateway's subscriptions least of all.
    device.vanish().await;
    device.connect().await;
    let mut gateway = Arc::into_inner(gateway).expect("the senders are gone");
    let said = say_report(&place, &mut device).await;
    assert_eq!(gateway.report().await.0, said);
    assert!(matches!(gateway.send(downlink(&place, &device, "hola")).await, Sent::Taken));
    assert!(device.hear(LONG).await.is_some());
}

pub(crate) async fn a_broker_that_falls_silent_is_left(place: Place) {
    let gateway = Gateway::open(&place).await;
    let mut device = online(&place).await;
    place.proxy.hold();
    let batch: Vec<Downlink> = (0..300).map(|_| downlink(&place, &device, "lost")).collect();
    let sends = (gateway.transport.send(&batch), gateway.transport.send(&batch[..250]));
    // The second waits for room among the first.
    let both = async { tokio::join!(sends.0, sends.1) };
    let (first, second) = timeout(ANSWERED, both).await.expect("both are answered");
    for sent in first.expect("send").into_iter().chain(second.expect("send")) {
        let (Sent::NotSent(error) | Sent::Failed(error)) = sent else { panic!("{sent:?}") };
        assert!(error.is_retryable(), "{error}");
    }
    until_failing(&gateway.transport, ErrorKind::Unavailable).await;
    place.proxy.release();
    gateway.until_ready().await;
    assert!(matches!(gateway.send(downlink(&place, &device, "heard")).await, Sent::Taken));
    assert!(device.hear(LONG).await.is_some());
    sleep(BRIEF * 2).await;
    assert_eq!(place.proxy.accepted(), 2, "the connection that answers is kept");
}

pub(crate) async fn a_wrong_password_is_told(place: Place) {
    let mut config = place.config();
    config.password = Some("wrong-password-x".to_owned().into());
    let address = format!("{}:{}", config.host, config.port);
    let transport = MqttTransport::new(config);
    let _inbox = transport.open().await.expect("open");
    let detail = until_failing(&transport, ErrorKind::Unauthorized).await;
    assert!(detail.contains(&address) && detail.contains("password"), "{detail}");
    assert!(!detail.contains("wrong-password-x") && !format!("{transport:?}").contains("wrong-password-x"));
    let device = place.native().await;
    let sent = transport.send(&[downlink(&place, &device, "hola")]).await.expect("send");
    assert!(matches!(sent[..], [Sent::NotSent(_)]), "{sent:?}");
    // What is wrong now counts, not what was.
    if let Some(mosquitto) = place.server.process() {
        mosquitto.kill();
        until_failing(&transport, ErrorKind::Unavailable).await;
    }
    timeout(LONG, transport.close()).await.expect("in time").expect("close");
}

pub(crate) async fn a_broker_that_is_not_there_is_told(place: Place) {
    let mosquitto = place.server.process().expect("it is one");
    mosquitto.kill();
    let config = place.config();
    let address = format!("{}:{}", config.host, config.port);
    let transport = MqttTransport::new(config);
    let _inbox = transport.open().await.expect("open");
    let detail = until_failing(&transport, ErrorKind::Unavailable).await;
    assert!(detail.contains(&address), "{detail}");
    let device = place.native().await;
    let sent = transport.send(&[downlink(&place, &device, "hola")]).await.expect("send");
    let [Sent::NotSent(error)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    mosquitto.start_again().await;
    let ready = async {
        while transport.ready().await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, ready).await.expect("it comes when the broker does");
}

/// The broker takes connections and says nothing.
pub(crate) async fn closing_does_not_wait_for_a_broker_that_is_not_there(_place: Place) {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("it is bound");
    let config = smsgw_mqtt::transport::MqttConfig::new(address.ip().to_string(), address.port());
    let transport = MqttTransport::new(config);
    let mut inbox = transport.open().await.expect("open");
    let (_socket, _) = silent.accept().await.expect("it connects");
    let begun = Instant::now();
    transport.close().await.expect("close");
    assert!(begun.elapsed() < Duration::from_secs(1), "there is nobody to say goodbye to");
    assert_eq!(inbox.receive(&mut Vec::new(), 1).await, 0);
}

/// Also where closing is given up at any of its awaits and taken up again.
pub(crate) async fn closing_writes_the_acknowledgements(place: Place) {
    const SAID: usize = 300;
    const KEPT: usize = 200;
    let mut device = online(&place).await;
    let mut gateway = Gateway::open(&place).await;
    let mut unacknowledged = VecDeque::new();
    for polls in 0..6 {
        while unacknowledged.len() < SAID {
            unacknowledged.push_back(say_report(&place, &mut device).await);
        }
        let mut acks = Vec::new();
        for expected in &unacknowledged {
            let (report, ack) = gateway.report().await;
            assert_eq!(report, *expected, "what was not acknowledged comes again, and nothing else");
            acks.push(ack);
        }
        acks.truncate(KEPT);
        unacknowledged.drain(..KEPT);
        Ack::acknowledge(acks);
        Cut { polls, woken: false }.apply(gateway.transport.close()).await;
        timeout(LONG, gateway.transport.close()).await.expect("in time").expect("close");
        gateway = Gateway::restarted(&place).await;
    }
    for expected in unacknowledged {
        assert_eq!(gateway.report().await.0, expected);
    }
    assert!(gateway.report_within(BRIEF).await.is_none(), "nothing more");
}
