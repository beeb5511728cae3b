//! What [`InboxStore`](crate::store::InboxStore) promises.

use std::time::Duration;

use super::StoreFixture;
use super::ground::Ground;
use crate::conformance::Stage;
use crate::store::{InboxQuery, Received, ReceivedSms};

/// An SMS that the first device received just now.
pub(super) fn sms(ground: &Ground) -> ReceivedSms {
    ReceivedSms {
        id: ground.id(),
        account: ground.account,
        device: ground.device,
        from: "+5350000001".into(),
        body: "hola".into(),
        sim: None,
        received_at: ground.now(),
        erased_at: None,
    }
}

/// The whole inbox of the first account, read `limit` at a time.
pub(super) async fn read_all(ground: &Ground, mut query: InboxQuery) -> Vec<ReceivedSms> {
    let mut all = Vec::new();
    for _ in 0..1_000 {
        let page = ground.store.inbox(&query).await.expect("inbox");
        assert!(page.items.len() <= query.limit);
        all.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            return all;
        }
    }
    panic!("there is always another page");
}

pub(super) fn query(ground: &Ground, limit: usize) -> InboxQuery {
    InboxQuery { account: ground.account, device: None, after: None, limit }
}

pub(super) async fn received_sms_reads_back_whole(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let odd = ReceivedSms {
        from: "MiBanco ✓".into(),
        body: "a:b\r\n\t' \u{1b}\u{7f}\u{feff} 👩‍👩‍👧 שלום".into(),
        sim: Some(2),
        received_at: ground.now() - Duration::from_secs(1),
        ..sms(&ground)
    };
    let empty = ReceivedSms { from: String::new(), body: String::new(), ..sms(&ground) };
    let outcomes = ground.store.receive(&[odd.clone(), empty.clone()]).await.expect("receive");
    assert_eq!(outcomes, [Received::New, Received::New]);
    let all = read_all(&ground, query(&ground, 10)).await;
    assert!(all == [empty, odd], "byte for byte, newest first");
}

pub(super) async fn received_sms_is_stored_once(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_device(ground.account).await;
    let first = sms(&ground);
    let alike = ReceivedSms { id: ground.id(), ..first.clone() };
    let elsewhere = ReceivedSms { device: other, ..first.clone() };
    let batch = [first.clone(), first.clone(), alike.clone(), elsewhere];
    let outcomes = ground.store.receive(&batch).await.expect("receive");
    assert_eq!(outcomes, [Received::New, Received::Duplicate, Received::New, Received::New]);
    let changed = ReceivedSms { body: "changed".into(), ..first.clone() };
    let outcomes = ground.store.receive(&[changed, alike]).await.expect("receive");
    assert_eq!(outcomes, [Received::Duplicate, Received::Duplicate]);
    let all = read_all(&ground, query(&ground, 10)).await;
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|sms| sms.body == first.body), "the first one stays as it was");
}

pub(super) async fn inbox_is_listed_in_pages(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_device(ground.account).await;
    let start = ground.now();
    let batch: Vec<_> = (0..11)
        .map(|turn| ReceivedSms {
            device: if turn % 4 == 1 { other } else { ground.device },
            received_at: start + Duration::from_secs(turn / 3),
            ..sms(&ground)
        })
        .collect();
    ground.store.receive(&batch).await.expect("receive");
    let mut sorted = batch.clone();
    sorted.sort_unstable_by_key(|sms| std::cmp::Reverse((sms.received_at, sms.id)));
    for limit in [1, 3, 11, 20] {
        assert_eq!(read_all(&ground, query(&ground, limit)).await, sorted, "{limit} a page");
        let of_other = InboxQuery { device: Some(other), ..query(&ground, limit) };
        let expected: Vec<_> = sorted.iter().filter(|sms| sms.device == other).cloned().collect();
        assert_eq!(read_all(&ground, of_other).await, expected, "{limit} a page");
    }
}

pub(super) async fn inbox_of_others_is_empty(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    ground.store.receive(&[sms(&ground)]).await.expect("receive");
    let stranger = ground.new_account("second").await;
    for device in [None, Some(ground.device)] {
        let query = InboxQuery { account: stranger, device, after: None, limit: 10 };
        assert_eq!(read_all(&ground, query).await, []);
    }
}
