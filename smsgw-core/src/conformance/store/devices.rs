//! What [`DeviceStore`](crate::store::DeviceStore) promises of devices.

use std::time::Duration;

use super::StoreFixture;
use super::ground::Ground;
use crate::conformance::Stage;
use crate::device::{Device, Protocol, Sim};
use crate::id::DeviceId;
use crate::store::{Cursor, DevicePatch};

fn full(ground: &Ground) -> Device {
    Device {
        name: "pixel ñ 📱".into(),
        description: Some("on the 'shelf'\nin the hall".into()),
        protocol: Protocol::Original,
        rate_limit: "10/m".parse().ok(),
        paused: true,
        sims: sims(),
        last_seen_at: Some(ground.now()),
        ..ground.device_of(ground.account)
    }
}

fn sims() -> Vec<Sim> {
    vec![
        Sim { slot: 1, number: Some("+5350000001".into()), carrier: Some("Cubacel".into()) },
        Sim { slot: 2, number: None, carrier: None },
    ]
}

async fn find(ground: &Ground, id: DeviceId) -> Option<Device> {
    let found = ground.store.find_devices(&[id]).await.expect("find_devices");
    <[_; 1]>::try_from(found).expect("one outcome").into_iter().next().flatten()
}

pub(super) async fn device_reads_back_whole(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    for device in [full(&ground), ground.device_of(ground.account)] {
        ground.store.create_device(&device).await.expect("create_device");
        assert_eq!(find(&ground, device.id).await, Some(device));
    }
}

pub(super) async fn devices_are_found_in_order(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let second = ground.new_device(ground.new_account("second").await).await;
    let asked = [second, ground.id(), ground.device, second];
    let found = ground.store.find_devices(&asked).await.expect("find_devices");
    let found: Vec<_> = found.into_iter().map(|device| device.map(|device| device.id)).collect();
    assert_eq!(found, [Some(second), None, Some(ground.device), Some(second)]);
}

pub(super) async fn creating_a_device_again_changes_nothing(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let device = full(&ground);
    ground.store.create_device(&device).await.expect("create_device");
    let patch = DevicePatch { name: Some("renamed".into()), ..DevicePatch::default() };
    ground.store.update_device(ground.account, device.id, patch).await.expect("update_device");
    ground.store.create_device(&device).await.expect("again");
    assert_eq!(find(&ground, device.id).await.map(|device| device.name).as_deref(), Some("renamed"));
    let listed = ground.store.devices(ground.account, None, 10).await.expect("devices");
    assert_eq!(listed.items.len(), 2, "it is there once, beside the first");
}

pub(super) async fn patch_changes_what_it_names(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let device = full(&ground);
    ground.store.create_device(&device).await.expect("create_device");
    let patches = [
        DevicePatch::default(),
        DevicePatch { name: Some("new".into()), ..DevicePatch::default() },
        DevicePatch { description: Some(None), ..DevicePatch::default() },
        DevicePatch { rate_limit: Some("3/s".parse().ok()), ..DevicePatch::default() },
        DevicePatch { rate_limit: Some(None), description: Some(Some("x".into())), ..DevicePatch::default() },
        DevicePatch { paused: Some(false), ..DevicePatch::default() },
        DevicePatch { name: Some("still".into()), ..DevicePatch::default() },
        DevicePatch { paused: Some(true), ..DevicePatch::default() },
    ];
    let mut expected = device.clone();
    for patch in patches {
        patch.clone().apply(&mut expected);
        let updated = ground.store.update_device(ground.account, device.id, patch).await;
        assert_eq!(updated.expect("update_device"), Some(expected.clone()));
        assert_eq!(find(&ground, device.id).await, Some(expected.clone()));
    }
}

pub(super) async fn devices_of_others_are_out_of_reach(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let stranger = ground.new_account("second").await;
    let before = find(&ground, ground.device).await;
    let patch = || DevicePatch { name: Some("mine".into()), ..DevicePatch::default() };
    for id in [ground.device, ground.id()] {
        assert_eq!(ground.store.update_device(stranger, id, patch()).await.expect("update_device"), None);
        assert!(!ground.store.delete_device(stranger, id).await.expect("delete_device"));
    }
    assert_eq!(find(&ground, ground.device).await, before);
    let listed = ground.store.devices(stranger, None, 10).await.expect("devices");
    assert_eq!((listed.items, listed.next), (vec![], None));
}

pub(super) async fn devices_are_listed_in_pages(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let account = ground.new_account("second").await;
    let start = ground.now();
    let mut places = Vec::new();
    for turn in 0..7 {
        // Two made at a time, so that the id decides.
        let device =
            Device { created_at: start + Duration::from_secs(turn / 2), ..ground.device_of(account) };
        ground.store.create_device(&device).await.expect("create_device");
        places.push(Cursor { at: device.created_at, id: *device.id.as_uuid() });
    }
    places.sort_unstable();
    places.reverse();
    for limit in [1, 2, 3, 7, 10] {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = ground.store.devices(account, after, limit).await.expect("devices");
            assert!(page.items.len() <= limit);
            let place = |device: &Device| Cursor { at: device.created_at, id: *device.id.as_uuid() };
            listed.extend(page.items.iter().map(place));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(listed, places, "{limit} a page");
    }
}

pub(super) async fn deleted_device_takes_its_keys_along(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let key = super::keys::key(&ground, 1);
    assert!(ground.store.create_key(&key).await.expect("create_key"));
    let message = ground.dispatched().await;
    assert!(ground.store.delete_device(ground.account, ground.device).await.expect("delete_device"));
    assert!(find(&ground, ground.device).await.is_none());
    assert!(super::keys::find(&ground, key.id).await.is_none());
    assert!(ground.store.keys(ground.device).await.expect("keys").is_empty());
    assert!(!ground.store.create_key(&key).await.expect("create_key"), "its device is gone");
    assert!(!ground.store.delete_device(ground.account, ground.device).await.expect("delete_device"));
    let listed = ground.store.devices(ground.account, None, 10).await.expect("devices");
    assert!(listed.items.is_empty());
    assert_eq!(ground.read(message).await.device, Some(ground.device), "its messages stay");
}

pub(super) async fn touched_device_was_seen(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_device(ground.account).await;
    let (at, earlier) = (ground.now(), ground.now() - Duration::from_secs(1));
    let later = at + Duration::from_secs(1);
    let touch = async |seen: &[_]| ground.store.touch_devices(seen).await.expect("touch_devices");
    let seen = async |id| find(&ground, id).await.map(|device| (device.last_seen_at, device.sims.len()));
    touch(&[(ground.device, at, Some(sims())), (ground.id(), at, None)]).await;
    assert_eq!(find(&ground, ground.device).await.map(|device| device.sims), Some(sims()));
    assert_eq!(seen(other).await, Some((None, 0)), "the unknown one was passed over, the other not named");
    touch(&[(ground.device, earlier, Some(vec![])), (other, at, None)]).await;
    assert_eq!(seen(ground.device).await, Some((Some(at), 2)), "an earlier time changes nothing");
    assert_eq!(seen(other).await, Some((Some(at), 0)));
    touch(&[(ground.device, later, None)]).await;
    assert_eq!(seen(ground.device).await, Some((Some(later), 2)), "it said nothing of its SIM cards");
    // Twice in one batch: the later one holds, and what the earlier one said of the SIM cards with it.
    let last = later + Duration::from_secs(1);
    touch(&[(ground.device, later, Some(vec![])), (ground.device, last, None)]).await;
    assert_eq!(seen(ground.device).await, Some((Some(last), 0)));
}
