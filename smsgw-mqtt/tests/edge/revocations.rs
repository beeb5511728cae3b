//! A key used after it was revoked, by a live session: the session is gone within 2 s. And one that expires.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use smsgw_core::device::Protocol;
use smsgw_core::id::DeviceId;
use smsgw_core::time::{Clock, SystemClock};
use smsgw_mqtt::wire::{Down, ReportState};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

use crate::client::{Said, Version};
use crate::phone::{Ears, report};
use crate::place::{Kind, LONG, Place};

const REVOCATIONS: usize = 100;
/// What is promised.
const WITHIN: Duration = Duration::from_secs(2);
/// How often each device is given a message.
const PACE: Duration = Duration::from_millis(200);

/// When it was given messages, until its session ended; and whether that has ended.
type Life = JoinHandle<(Vec<Instant>, bool)>;

/// Sends what it is told to, and notes when.
fn live(mut ears: Ears, until: Instant) -> Life {
    tokio::spawn(async move {
        let mut given = Vec::new();
        loop {
            tokio::select! {
                () = sleep_until(until) => return (given, false),
                said = ears.client.hear() => match said {
                    Said::Message { payload, .. } => {
                        if let Ok(Down::Send(sms)) = Down::parse(payload.as_bytes()) {
                            given.push(Instant::now());
                            let (_, sent) = report(&sms.id, ReportState::Delivered);
                            ears.client.send(&ears.phone.up(), sent, false);
                        }
                    }
                    Said::Lost => return (given, true),
                    _ => {}
                }
            }
        }
    })
}

/// Gives each device a message, again and again, until it is told to stop.
fn load(place: &Arc<Place>, devices: Vec<DeviceId>, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (place, stop) = (place.clone(), stop.clone());
    tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            place.submit(&devices).await;
            sleep(PACE).await;
        }
    })
}

pub(crate) async fn a_key_used_after_it_was_revoked_by_a_live_session(place: Place) {
    let place = Arc::new(place);
    let phones = place.phones(Protocol::Native, REVOCATIONS).await;
    let end = Instant::now() + 3 * LONG;
    let mut lives = Vec::new();
    for phone in &phones {
        lives.push(live(phone.come(Version::V5).await, end));
        place.until_online(phone.device).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let load = load(&place, phones.iter().map(|phone| phone.device).collect(), &stop);
    sleep(2 * PACE).await;
    let mut revoked = Vec::new();
    for phone in &phones {
        let done = place.handle.revoke_key(place.account, phone.device, phone.key).await;
        assert!(done.expect("revoke_key"));
        revoked.push(Instant::now());
    }
    // The load goes on for as long as anything could still come.
    sleep(2 * WITHIN).await;
    stop.store(true, Ordering::Relaxed);
    load.await.expect("the load");
    let (mut deliveries, mut latest) = (0, Duration::ZERO);
    for (life, revoked) in lives.into_iter().zip(revoked) {
        // One whose session has not ended until now does not end in time.
        let (given, is_over) = timeout(WITHIN, life).await.expect("its session has ended").expect("a device");
        assert!(is_over);
        deliveries += given.len();
        let last = given.last().map_or(Duration::ZERO, |last| last.saturating_duration_since(revoked));
        latest = latest.max(last);
        assert_eq!(given.iter().filter(|given| **given > revoked + WITHIN).count(), 0);
    }
    assert!(deliveries >= REVOCATIONS, "there was a load: {deliveries}");
    assert!(latest <= WITHIN, "{latest:?}");
}

pub(crate) async fn a_key_at_the_instant_of_its_expiry(place: Place) {
    let place = Arc::new(place);
    let expiry = SystemClock.now() + Duration::from_secs(2);
    let phone = place.phone(Protocol::Native, Some(expiry)).await;
    let ears = phone.come(Version::V5).await;
    place.until_online(phone.device).await;
    let life = live(ears, Instant::now() + LONG);
    let stop = Arc::new(AtomicBool::new(false));
    let load = load(&place, vec![phone.device], &stop);
    let end = Instant::now() + SystemClock.now().until(expiry);
    let (given, is_over) = life.await.expect("a device");
    let over = Instant::now();
    sleep(WITHIN).await;
    stop.store(true, Ordering::Relaxed);
    load.await.expect("the load");
    assert!(is_over && !given.is_empty());
    // A broker that is told of keys is told at that instant, and answers some time after it.
    let slack = if place.kind == Kind::Embedded { Duration::from_secs(1) } else { WITHIN };
    assert!(over >= end && over <= end + slack, "{:?} after", over.saturating_duration_since(end));
    assert_eq!(given.iter().filter(|given| **given > end + slack).count(), 0);
}
