//! Batches under load, dropped, too large.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use smsgw_core::conformance::sweep::Cut;
use smsgw_core::conformance::transport::{Heard, TestDevice};
use smsgw_core::error::ErrorKind;
use smsgw_core::id::ReportId;
use smsgw_core::transport::{Command, Downlink, Sent, Transport};
use tokio::task::JoinSet;

use crate::fixtures::{BRIEF, Device, LONG, Place};
use crate::ground::{Gateway, downlink, online};

const SENDERS: usize = 4;
const BATCH: usize = 256;

pub(crate) async fn every_send_is_answered_and_arrives_once(place: Place) {
    under_load(place, 20_000).await;
}

/// As Debian installs it: 20 publishes in flight, Nagle's algorithm on. Its queue of 1,000 is the one bound that a
/// gateway must keep to by itself.
pub(crate) async fn a_broker_without_settings_takes_all(_place: Place) {
    let place = Place::mosquitto("").await.expect("it was there");
    under_load(place, 3_200).await;
}

/// Several tasks send at once, each to devices of its own, so that their order is known.
async fn under_load(place: Place, total: usize) {
    const DEVICES: usize = 4;
    let place = Arc::new(place);
    let gateway = Arc::new(Gateway::open(&place).await);
    let mut tasks = JoinSet::new();
    for _ in 0..SENDERS {
        let mut devices = Vec::new();
        for _ in 0..DEVICES {
            devices.push(online(&place).await);
        }
        let (place, gateway) = (place.clone(), gateway.clone());
        tasks.spawn(async move {
            let mut expected = vec![Vec::new(); DEVICES];
            let turns: Vec<usize> = (0..total / SENDERS).map(|turn| turn % DEVICES).collect();
            for turns in turns.chunks(BATCH) {
                let batch: Vec<Downlink> =
                    turns.iter().map(|turn| downlink(&place, &devices[*turn], "hola")).collect();
                for (turn, downlink) in turns.iter().zip(&batch) {
                    let Command::Send { message, .. } = &downlink.command else { unreachable!() };
                    expected[*turn].push(message.id);
                }
                let sent = gateway.transport.send(&batch).await.expect("send");
                assert_eq!(sent.len(), batch.len());
                assert!(sent.iter().all(|sent| matches!(sent, Sent::Taken)), "{sent:?}");
            }
            for (device, expected) in devices.iter_mut().zip(expected) {
                for expected in expected {
                    match device.hear(LONG).await {
                        Some(Heard::Send { id, .. }) => assert_eq!(id, Some(expected), "in order"),
                        other => panic!("{other:?}"),
                    }
                }
            }
            for device in &mut devices {
                assert_eq!(device.hear(BRIEF).await, None, "each once");
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("the task ends well");
    }
}

/// What a device says while a store is away is stored, and receipted, as one batch.
pub(crate) async fn long_receipts_come_in_parts(place: Place) {
    let gateway = Gateway::open(&place).await;
    let (mut device, mut other) = (online(&place).await, online(&place).await);
    let ids: Vec<ReportId> = (0..512).map(|_| place.id()).collect();
    let receipt = Downlink { address: device.address(), command: Command::Receipt(ids.clone()) };
    let batch = [downlink(&place, &other, "before"), receipt, downlink(&place, &other, "after")];
    let sent = gateway.transport.send(&batch).await.expect("send");
    assert!(matches!(sent[..], [Sent::Taken, Sent::Taken, Sent::Taken]), "{sent:?}");
    let mut told = Vec::new();
    while told.len() < ids.len() {
        match device.hear(LONG).await {
            Some(Heard::Receipt(ids)) => told.extend(ids),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, ids);
    for _ in 0..2 {
        assert!(other.hear(LONG).await.is_some());
    }
    assert_eq!(place.proxy.accepted(), 1, "the connection held");
}

/// Which of a batch of publishes somebody is subscribed to.
type Pattern = Vec<bool>;

/// Mosquitto tells where nobody is subscribed, so an answer to another publish is seen as such.
pub(crate) async fn a_dropped_send_leaves_the_others_their_answers(place: Place) {
    let gateway = Gateway::open(&place).await;
    let here = online(&place).await;
    let absent = place.native().await;
    let sweeps = [1, 2, 3].map(|seed| dropped_sends(&place, &gateway, &here, &absent, seed));
    let mut sweeps = sweeps.map(Box::pin);
    let mut open: Vec<usize> = (0..sweeps.len()).collect();
    poll_fn(|context| {
        open.retain(|sweep| sweeps[*sweep].as_mut().poll(context).is_pending());
        if open.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert_eq!(place.proxy.accepted(), 1, "the connection held");
}

async fn dropped_sends(place: &Place, gateway: &Gateway, here: &Device, absent: &Device, seed: u64) {
    const MOST_POLLS: usize = 100;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut pattern =
        |most: usize| -> Pattern { (0..random.usize(1..=most)).map(|_| random.bool()).collect() };
    let send = async |pattern: &Pattern| {
        let device = |is_here: &bool| if *is_here { here } else { absent };
        let batch: Vec<_> = pattern.iter().map(|is_here| downlink(place, device(is_here), "hola")).collect();
        let sent = gateway.transport.send(&batch).await.expect("send");
        let outcome = |sent: &Sent| match sent {
            Sent::Taken => true,
            Sent::NoSubscriber => false,
            Sent::NotSent(error) | Sent::Failed(error) => panic!("{error}"),
        };
        assert_eq!(&sent.iter().map(outcome).collect::<Pattern>(), pattern);
    };
    for woken in [false, true] {
        for most in [1, 10, 300] {
            for polls in 0..MOST_POLLS {
                let ended = Cut { polls, woken }.apply(send(&pattern(most))).await.is_some();
                send(&pattern(40)).await;
                if ended {
                    break;
                }
            }
        }
    }
}

pub(crate) async fn what_the_broker_would_not_take_fails_alone(_place: Place) {
    let place = Place::mosquitto("max_packet_size 1000\n").await.expect("it was there");
    let gateway = Gateway::open(&place).await;
    let mut device = online(&place).await;
    let long = "x".repeat(1_500);
    let batch = ["before", &long, "after"].map(|text| downlink(&place, &device, text));
    let sent = gateway.transport.send(&batch).await.expect("send");
    let [Sent::Taken, Sent::NotSent(error), Sent::Taken] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.detail().is_some_and(|detail| detail.contains("1000")), "{error}");
    for expected in ["before", "after"] {
        match device.hear(LONG).await {
            Some(Heard::Send { body, .. }) => assert_eq!(body, expected),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(place.proxy.accepted(), 1, "the connection held");
}
