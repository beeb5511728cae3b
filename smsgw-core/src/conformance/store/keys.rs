//! What [`DeviceStore`](crate::store::DeviceStore) promises of API keys.

use std::time::Duration;

use super::StoreFixture;
use super::ground::Ground;
use crate::conformance::Stage;
use crate::device::{Device, DeviceKey, Protocol};
use crate::key::{KeyDigest, KeyId};
use crate::seal::Sealed;

/// A key of the first device that `seed` tells from others.
pub(super) fn key(ground: &Ground, seed: u8) -> DeviceKey {
    DeviceKey {
        id: KeyId::from_bytes([seed; 10]),
        device: ground.device,
        digest: KeyDigest::from_bytes([seed; 32]),
        created_at: ground.now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
        sealed: None,
    }
}

/// All of a key, as something that can be compared: keys themselves are compared in constant time only.
fn whole(key: &DeviceKey) -> impl PartialEq + std::fmt::Debug + use<> {
    let times = (key.created_at, key.expires_at, key.revoked_at, key.last_used_at);
    (key.id, key.device, *key.digest.as_bytes(), times, key.sealed.clone())
}

pub(super) async fn find(ground: &Ground, id: KeyId) -> Option<DeviceKey> {
    ground.store.find_keys(&[id]).await.expect("find_keys").pop().flatten()
}

async fn read(ground: &Ground, id: KeyId) -> DeviceKey {
    find(ground, id).await.expect("the key is there")
}

pub(super) async fn key_reads_back_whole(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let at = ground.now();
    let full = DeviceKey {
        expires_at: Some(at + Duration::from_secs(9)),
        revoked_at: Some(at + Duration::from_secs(5)),
        last_used_at: Some(at),
        sealed: Some(Sealed::from_bytes((0..=255).collect())),
        ..key(&ground, 0xff)
    };
    for key in [full, key(&ground, 0)] {
        assert!(ground.store.create_key(&key).await.expect("create_key"));
        assert_eq!(whole(&read(&ground, key.id).await), whole(&key));
    }
    assert!(find(&ground, KeyId::from_bytes([1; 10])).await.is_none());
}

pub(super) async fn key_wants_a_device(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let stray = DeviceKey { device: ground.id(), ..key(&ground, 1) };
    assert!(!ground.store.create_key(&stray).await.expect("create_key"));
    assert!(find(&ground, stray.id).await.is_none());
    let key = key(&ground, 1);
    for _ in 0..2 {
        assert!(ground.store.create_key(&key).await.expect("create_key"), "again is harmless");
    }
    assert_eq!(ground.store.keys(ground.device).await.expect("keys").len(), 1);
}

pub(super) async fn keys_are_found_in_order(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    for seed in [1, 2] {
        assert!(ground.store.create_key(&key(&ground, seed)).await.expect("create_key"));
    }
    let asked = [2, 9, 1, 2].map(|seed| KeyId::from_bytes([seed; 10]));
    let found = ground.store.find_keys(&asked).await.expect("find_keys");
    let found: Vec<_> = found.iter().map(|key| key.as_ref().map(|key| key.id)).collect();
    assert_eq!(found, [Some(asked[0]), None, Some(asked[2]), Some(asked[3])]);
    assert!(ground.store.find_keys(&[]).await.expect("find_keys").is_empty());
}

pub(super) async fn keys_are_listed_newest_first(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_device(ground.account).await;
    for seed in [2, 1, 3] {
        let created_at = ground.now() + Duration::from_secs(seed.into());
        let key = DeviceKey { created_at, ..key(&ground, seed) };
        assert!(ground.store.create_key(&key).await.expect("create_key"));
    }
    let listed = ground.store.keys(ground.device).await.expect("keys");
    let seeds: Vec<_> = listed.iter().map(|key| key.id.as_bytes()[0]).collect();
    assert_eq!(seeds, [3, 2, 1]);
    assert!(ground.store.keys(other).await.expect("keys").is_empty());
}

pub(super) async fn valid_keys_are_listed_in_pages(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let now = ground.now();
    let old = Device { protocol: Protocol::Original, ..ground.device_of(ground.new_account("other").await) };
    ground.store.create_device(&old).await.expect("create_device");
    let at = |seconds: u64| Some(now + Duration::from_secs(seconds));
    let expired = DeviceKey { expires_at: Some(now), ..key(&ground, 3) };
    let revoked = DeviceKey { revoked_at: Some(now), ..key(&ground, 4) };
    let valid = [
        DeviceKey { sealed: Some(Sealed::from_bytes(vec![9])), ..key(&ground, 1) },
        DeviceKey { device: old.id, expires_at: at(9), ..key(&ground, 2) },
        DeviceKey { revoked_at: at(9), expires_at: at(8), ..key(&ground, 0xfe) },
    ];
    for key in valid.iter().rev().chain([&expired, &revoked]) {
        assert!(ground.store.create_key(key).await.expect("create_key"));
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = ground.store.valid_keys(after, 2, now).await.expect("valid_keys");
        let is_last = page.len() < 2;
        after = page.last().map(|(key, _)| key.id);
        listed.extend(page);
        if is_last {
            break;
        }
    }
    let read: Vec<_> = listed.iter().map(|(key, protocol)| (whole(key), *protocol)).collect();
    let speaks = [Protocol::Native, Protocol::Original, Protocol::Native];
    let expected: Vec<_> = valid.iter().map(whole).zip(speaks).collect();
    assert_eq!(read, expected);
}

pub(super) async fn revoked_key_stays_revoked(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_device(ground.account).await;
    let key = key(&ground, 1);
    ground.store.create_key(&key).await.expect("create_key");
    let at = ground.now() + Duration::from_secs(10);
    let revoke = async |device, at| ground.store.revoke_key(device, key.id, at).await.expect("revoke_key");
    assert!(!revoke(other, at).await, "the key of another device");
    assert_eq!(read(&ground, key.id).await.revoked_at, None);
    assert!(revoke(ground.device, at).await);
    assert!(revoke(ground.device, at + Duration::from_secs(1)).await);
    assert_eq!(read(&ground, key.id).await.revoked_at, Some(at), "it does not come back to life");
    assert!(revoke(ground.device, at - Duration::from_secs(1)).await);
    assert_eq!(read(&ground, key.id).await.revoked_at, Some(at - Duration::from_secs(1)));
    let unknown = KeyId::from_bytes([9; 10]);
    assert!(!ground.store.revoke_key(ground.device, unknown, at).await.expect("revoke_key"));
}

pub(super) async fn resealed_key_opens_the_same(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let keys = [1, 2, 3]
        .map(|seed| DeviceKey { sealed: Some(Sealed::from_bytes(vec![seed])), ..key(&ground, seed) });
    for key in &keys {
        ground.store.create_key(key).await.expect("create_key");
    }
    let anew = |bytes: &[u8]| Sealed::from_bytes(bytes.to_vec());
    let unknown = KeyId::from_bytes([9; 10]);
    let batch = [(keys[0].id, anew(&[7, 7])), (unknown, anew(&[1])), (keys[1].id, anew(&[8]))];
    ground.store.reseal_keys(&batch).await.expect("reseal_keys");
    let [first, second, third] = keys;
    assert_eq!(
        whole(&read(&ground, first.id).await),
        whole(&DeviceKey { sealed: Some(anew(&[7, 7])), ..first })
    );
    assert_eq!(
        whole(&read(&ground, second.id).await),
        whole(&DeviceKey { sealed: Some(anew(&[8])), ..second })
    );
    assert_eq!(whole(&read(&ground, third.id).await), whole(&third));
    assert!(find(&ground, unknown).await.is_none());
}

pub(super) async fn key_was_used(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let key = key(&ground, 1);
    ground.store.create_key(&key).await.expect("create_key");
    let at = ground.now();
    ground.store.touch_key(key.id, at).await.expect("touch_key");
    ground.store.touch_key(KeyId::from_bytes([9; 10]), at).await.expect("an unknown key is passed over");
    assert_eq!(whole(&read(&ground, key.id).await), whole(&DeviceKey { last_used_at: Some(at), ..key }));
}
