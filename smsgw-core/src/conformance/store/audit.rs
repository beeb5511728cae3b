//! What [`AuditStore`](crate::store::AuditStore) promises.

use std::time::Duration;

use super::StoreFixture;
use super::ground::Ground;
use crate::audit::{Act, AuditAction, AuditEvent};
use crate::conformance::Stage;
use crate::key::KeyId;
use crate::store::AuditQuery;

/// Something that the first account did just now.
pub(super) fn event(ground: &Ground) -> AuditEvent {
    let act = Act { account: Some(ground.account), ..Act::done(AuditAction::CreateKey) };
    AuditEvent { id: ground.id(), at: ground.now(), act }
}

/// What `query` selects, read page by page.
pub(super) async fn read_all(ground: &Ground, mut query: AuditQuery) -> Vec<AuditEvent> {
    let mut all = Vec::new();
    for _ in 0..1_000 {
        let page = ground.store.audit(&query).await.expect("audit");
        assert!(page.items.len() <= query.limit);
        all.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            return all;
        }
    }
    panic!("the pages never end");
}

pub(super) async fn audit_event_reads_back_whole(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let full = AuditEvent {
        id: ground.id(),
        at: ground.now(),
        act: Act {
            action: AuditAction::Publish,
            refused: Some("ñ \"quoted\"".into()),
            account: Some(ground.account),
            credential: Some(KeyId::from_bytes([0xff; 10])),
            device: Some(ground.device),
            target: Some("smsgw/v1/…/down".into()),
            origin: Some("2001:db8::1".parse().expect("an address")),
            count: u32::MAX,
        },
    };
    let bare = AuditEvent { act: Act::done(AuditAction::Overflow), ..event(&ground) };
    let batch = [full, bare];
    for _ in 0..2 {
        ground.store.record(&batch).await.expect("record");
    }
    let mut read = read_all(&ground, AuditQuery::new(10)).await;
    read.reverse();
    assert_eq!(read, batch, "each once, as it was written");
}

pub(super) async fn every_action_is_kept(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let events: Vec<AuditEvent> = AuditAction::ALL
        .iter()
        .map(|action| AuditEvent { act: Act::done(*action), ..event(&ground) })
        .collect();
    ground.store.record(&events).await.expect("record");
    for event in events {
        let query = AuditQuery { action: Some(event.act.action), ..AuditQuery::new(10) };
        assert_eq!(read_all(&ground, query).await, [event]);
    }
}

pub(super) async fn audit_log_is_read_in_pages(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let mut written = Vec::new();
    for _ in 0..3 {
        let batch: Vec<_> = (0..3).map(|_| event(&ground)).collect();
        ground.store.record(&batch).await.expect("record");
        written.extend(batch);
        ground.elapse(Duration::from_millis(2)).await;
    }
    written.sort_by_key(|event| std::cmp::Reverse((event.at, event.id)));
    for limit in [1, 2, 4, 9, 100] {
        assert_eq!(read_all(&ground, AuditQuery::new(limit)).await, written, "{limit} a page");
    }
}

pub(super) async fn audit_filters_select(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let key = KeyId::from_bytes([3; 10]);
    let done = event(&ground);
    ground.elapse(Duration::from_millis(2)).await;
    let refused = Act::refused(AuditAction::Connect, "wrong");
    let act = Act { credential: Some(key), device: Some(ground.device), ..refused };
    let refused = AuditEvent { act, ..event(&ground) };
    ground.store.record(&[done.clone(), refused.clone()]).await.expect("record");
    let all = AuditQuery::new(10);
    let (first, second) = (vec![done.clone()], vec![refused.clone()]);
    for (query, expected) in [
        (AuditQuery { action: Some(AuditAction::Connect), ..all.clone() }, &second),
        (AuditQuery { refused: Some(true), ..all.clone() }, &second),
        (AuditQuery { refused: Some(false), ..all.clone() }, &first),
        (AuditQuery { account: Some(ground.account), ..all.clone() }, &first),
        (AuditQuery { credential: Some(key), ..all.clone() }, &second),
        (AuditQuery { device: Some(ground.device), ..all.clone() }, &second),
        (AuditQuery { from: Some(refused.at), ..all.clone() }, &second),
        (AuditQuery { until: Some(refused.at), ..all.clone() }, &first),
        (AuditQuery { refused: Some(true), account: Some(ground.account), ..all }, &Vec::new()),
    ] {
        assert_eq!(&read_all(&ground, query.clone()).await, expected, "{query:?}");
    }
}

pub(super) async fn old_audit_events_are_forgotten(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let old = [event(&ground), event(&ground), event(&ground)];
    ground.elapse(Duration::from_millis(2)).await;
    let new = event(&ground);
    ground.store.record(&old).await.expect("record");
    ground.store.record(std::slice::from_ref(&new)).await.expect("record");
    let mut forgotten = Vec::new();
    for _ in 0..3 {
        forgotten.push(ground.store.forget_audit(new.at, 2).await.expect("forget_audit"));
    }
    assert_eq!(forgotten, [2, 1, 0]);
    assert_eq!(read_all(&ground, AuditQuery::new(10)).await, [new]);
}
