//! SUBSCRIBE to what is not one's own: refused, and nothing is delivered.

use smsgw_core::device::Protocol;
use smsgw_core::id::DeviceId;
use smsgw_mqtt::dialect::original;
use tokio::time::{Duration, Instant};

use crate::client::{BOTH, Version};
use crate::phone::{Ears, Phone};
use crate::place::{LONG, Place};

const DEVICES: usize = 20;
/// Messages to each of them.
const ROUNDS: usize = 5;
/// Long enough for what is on its way.
const BRIEF: Duration = Duration::from_millis(300);

fn filters(other: &Phone) -> Vec<String> {
    let mut filters: Vec<String> =
        ["#", "+/+", "smsgw/v1/+/down", "$share/g/#", "$SYS/#", "$CONTROL/#"].map(String::from).into();
    filters.extend([other.down(), format!("$share/g/{}", other.down())]);
    if other.protocol == Protocol::Original {
        let (sms, answer) = (original::sms_topic(&other.secret), original::answer_topic(&other.secret));
        let wild = ["devices/#", "devices/+/sms", "devices/auth/+", "devices/messages/+", "server/auth/+"];
        filters.extend(wild.map(String::from));
        filters.extend([format!("$share/g/{sms}"), "$share/g/devices/+/sms".into(), sms, answer]);
    }
    filters
}

async fn spy(mut ears: Ears, other: Phone, version: Version) -> Ears {
    let refused = if version == Version::V5 { 0x87 } else { 0x80 };
    for filter in filters(&other) {
        assert_eq!(ears.subscribe(&filter).await, refused, "{filter}");
    }
    ears.listen(Instant::now() + LONG, |ears| ears.orders().len() >= ROUNDS).await;
    ears.listen_for(BRIEF).await;
    ears
}

async fn nobody_hears_another(place: Place, protocol: Protocol) {
    for version in BOTH {
        let phones = place.phones(protocol, DEVICES).await;
        let mut all = Vec::new();
        for phone in &phones {
            all.push(phone.come(version).await);
        }
        for phone in &phones {
            place.until_online(phone.device).await;
        }
        let devices: Vec<DeviceId> = phones.iter().map(|phone| phone.device).collect();
        let others = phones.iter().cycle().skip(1).cloned();
        let spies: Vec<_> = all
            .into_iter()
            .zip(others)
            .map(|(ears, other)| tokio::spawn(spy(ears, other, version)))
            .collect();
        // While they try, messages flow to all of them.
        for _ in 0..ROUNDS {
            place.submit(&devices).await;
        }
        for spy in spies {
            let ears = spy.await.expect("each filter was refused");
            assert_eq!(ears.foreign(), 0, "{:?}", ears.phone.device);
            assert_eq!(ears.orders().len(), ROUNDS, "each hears all of its own");
        }
    }
}

pub(crate) async fn no_filter_reaches_another_native_device(place: Place) {
    nobody_hears_another(place, Protocol::Native).await;
}

pub(crate) async fn no_filter_reaches_another_original_device(place: Place) {
    nobody_hears_another(place, Protocol::Original).await;
}
