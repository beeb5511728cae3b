//! Every method of a store, dropped at each of its awaits: nothing is lost, nothing happens twice, and making the
//! call again is safe.

use std::slice::from_ref;

use super::StoreFixture;
use super::ground::{Ground, LEASE, MOMENT, applied, dispatched, plain};
use super::{accounts, audit, erase, inbox, keys};
use crate::account::{Account, Role};
use crate::audit::AuditEvent;
use crate::conformance::Stage;
use crate::conformance::sweep::sweep;
use crate::device::Device;
use crate::id::MessageId;
use crate::message::NewMessage;
use crate::state::{Fence, QUEUED_RECHECK, ReportState, State, Transition};
use crate::store::{
    AccountPatch, Advanced, AuditQuery, Claim, DevicePatch, DueQuery, Idempotency, Inserted, Insertion,
    MessageQuery, Received,
};

pub(super) async fn insert_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || {
        let keyed = ground.message();
        let key = keyed.id.to_string();
        let idempotency = Some(Idempotency { key, fingerprint: [1; 32] });
        [plain(ground.message()), Insertion { message: keyed, idempotency, lease: None }]
    };
    let call = async |batch: &[Insertion; 2]| ground.store.insert(batch).await.expect("insert");
    sweep(prepare, call, async |batch, outcomes| {
        let again = ground.store.insert(&batch).await.expect("insert again");
        for (insertion, outcome) in batch.iter().zip(&again) {
            let id = insertion.message.id;
            let duplicate = Inserted::Duplicate(Box::new(insertion.message.clone()));
            assert!(*outcome == duplicate || outcomes.is_none() && *outcome == Inserted::New);
            assert_eq!(ground.history(id).await, [(State::Queued, true)], "it is there once");
            assert!(ground.claim(id).await.is_some(), "it can be claimed");
        }
    })
    .await;
}

pub(super) async fn claim_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || ground.queued().await;
    let call = async |id: &_| ground.claim(*id).await;
    sweep(prepare, call, async |id, claimed| {
        let message = ground.read(id).await;
        let happened = (message.state, message.attempts) == (State::Sending, 1);
        assert!(happened || (message.state, message.attempts) == (State::Queued, 0), "{message:?}");
        assert!(claimed.is_none_or(|claimed| claimed.as_ref() == Some(&message)));
        let recovered = ground.recover(id).await;
        assert_eq!(recovered.attempts, 1 + u32::from(happened), "claimed twice at most");
    })
    .await;
}

pub(super) async fn claim_waiting_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || [ground.set_aside().await, ground.set_aside().await];
    let call = async |_: &[_; 2]| ground.pull(ground.device, 2).await;
    sweep(prepare, call, async |ids, pulled| {
        let states = [ground.state(ids[0]).await, ground.state(ids[1]).await];
        assert!(
            states == [State::Scheduled; 2] || states == [State::Sending; 2],
            "{states:?}: all or nothing"
        );
        assert!(pulled.is_none_or(|pulled| pulled.len() == 2));
        if states == [State::Scheduled; 2] {
            assert_eq!(ground.pull(ground.device, 2).await.len(), 2, "they wait as before");
        }
        for id in ids {
            ground.recover(id).await;
        }
    })
    .await;
}

pub(super) async fn dispatch_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || {
        let id = ground.claimed().await;
        Transition { id, fence: Fence::Epoch(1), change: dispatched() }
    };
    let call = async |transition: &_| ground.store.advance(from_ref(transition)).await.expect("advance");
    sweep(prepare, call, async |transition, _| {
        let again = ground.store.advance(from_ref(&transition)).await.expect("advance again");
        assert!(matches!(again[..], [Advanced::Applied(_) | Advanced::Unchanged]), "{again:?}");
        let expected = [State::Queued, State::Sending, State::Dispatched].map(|state| (state, true));
        assert_eq!(ground.history(transition.id).await, expected, "it happened once");
        ground.recover(transition.id).await;
    })
    .await;
}

pub(super) async fn report_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || {
        let (id, late) = (ground.dispatched().await, ground.dispatched().await);
        applied(ground.report(late, ReportState::Delivered).await);
        let fence = Fence::Device(ground.device);
        [id, late].map(|id| Transition { id, fence, change: ground.reported(ReportState::Sent) })
    };
    let call = async |batch: &[_; 2]| ground.store.advance(batch).await.expect("advance");
    sweep(prepare, call, async |batch, outcomes| {
        let [id, late] = [batch[0].id, batch[1].id];
        let again = ground.store.advance(&batch).await.expect("advance again");
        let new = matches!(again[..], [Advanced::Applied(_), Advanced::Recorded]);
        assert!(again == vec![Advanced::Unchanged; 2] || outcomes.is_none() && new, "{again:?}");
        let sent = |history: Vec<_>, applied| {
            history.into_iter().filter(|event| *event == (State::Sent, applied)).count()
        };
        assert_eq!(sent(ground.history(id).await, true), 1, "applied once");
        assert_eq!(sent(ground.history(late).await, false), 1, "recorded once");
    })
    .await;
}

pub(super) async fn recall_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || ground.dispatched().await;
    let call = async |_: &_| ground.store.recall(&[ground.device]).await.expect("recall");
    sweep(prepare, call, async |id, count| {
        assert!(count.is_none_or(|count| count == 1));
        ground.store.recall(&[ground.device]).await.expect("recall again");
        let pulled = ground.pull(ground.device, 10).await;
        assert_eq!(pulled.iter().map(|message| message.id).collect::<Vec<_>>(), [id]);
        applied(ground.report(id, ReportState::Sent).await);
    })
    .await;
}

pub(super) async fn due_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || {
        let send_at = Some(ground.now() + MOMENT);
        let scheduled = ground.submitted(NewMessage { send_at, ..ground.request() }).await;
        let lost = ground.claimed().await;
        ground.elapse(LEASE).await;
        [scheduled, lost]
    };
    let call = async |_: &_| ground.store.due(DueQuery { max: 10, requeue: false }).await.expect("due");
    sweep(prepare, call, async |ids, due| {
        let mut found: Vec<_> = due.into_iter().flat_map(|due| due.jobs).map(|job| job.id).collect();
        if found.is_empty() {
            ground.elapse(QUEUED_RECHECK + MOMENT).await;
            found = ground.due_ids(true).await;
        }
        found.sort_unstable();
        assert_eq!(found, ids, "a job that nobody was told of is due again");
        for id in ids {
            // Nothing of this round is left for the next.
            ground.claim(id).await.expect("queued");
            applied(ground.report(id, ReportState::Sent).await);
        }
    })
    .await;
}

pub(super) async fn reads_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let key = &keys::key(ground, 1);
    ground.store.create_key(key).await.expect("create_key");
    let prepare = async || ground.queued().await;
    let call = async |id: &_| {
        let (store, account) = (&ground.store, ground.account);
        store.ready().await.expect("ready");
        store.message(account, *id).await.expect("message");
        store.events(account, *id).await.expect("events");
        store.messages(&MessageQuery::new(account, 2)).await.expect("messages");
        store.in_hand(&[Claim { id: *id, device: ground.device }]).await.expect("in_hand");
        store.find_devices(&[ground.device]).await.expect("find_devices");
        store.devices(account, None, 2).await.expect("devices");
        store.find_keys(&[key.id]).await.expect("find_keys");
        store.keys(ground.device).await.expect("keys");
        store.valid_keys(None, 1, ground.now()).await.expect("valid_keys");
        store.find_token(key.id).await.expect("find_token");
        store.inbox(&inbox::query(ground, 2)).await.expect("inbox");
    };
    sweep(prepare, call, async |id, _| {
        // A connection that was left in the middle of an answer would show here.
        assert_eq!(ground.state(id).await, State::Queued);
        assert_eq!(ground.history(id).await.len(), 1);
        let page = ground.store.messages(&MessageQuery::new(ground.account, 1)).await.expect("messages");
        assert_eq!(page.items.first().map(|message| message.id), Some(id));
        let found = keys::find(ground, key.id).await;
        assert_eq!(found.map(|found| found.device), Some(ground.device));
    })
    .await;
}

pub(super) async fn device_writes_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let (store, account) = (&ground.store, ground.account);
    let patch = || DevicePatch { name: Some("renamed".into()), ..DevicePatch::default() };
    let all = async |device: &Device| {
        store.create_device(device).await.expect("create_device");
        store.update_device(account, device.id, patch()).await.expect("update_device");
        store.touch_devices(&[(device.id, device.created_at, None)]).await.expect("touch_devices");
        let found = store.find_devices(&[device.id]).await.expect("find_devices");
        let deleted = store.delete_device(account, device.id).await.expect("delete_device");
        (found, deleted)
    };
    sweep(
        async || ground.device_of(account),
        all,
        async |device, _| {
            let (found, deleted) = all(&device).await;
            let expected =
                Device { name: "renamed".into(), last_seen_at: Some(device.created_at), ..device.clone() };
            assert_eq!(found, [Some(expected)]);
            assert!(deleted);
            assert_eq!(store.find_devices(&[device.id]).await.expect("find_devices"), [None]);
        },
    )
    .await;
}

pub(super) async fn key_writes_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let store = &ground.store;
    let at = ground.now();
    let all = async |device: &Device| {
        let mut key = keys::key(ground, 1);
        key.device = device.id;
        assert!(store.create_key(&key).await.expect("create_key"));
        store.touch_key(key.id, at).await.expect("touch_key");
        assert!(store.revoke_key(device.id, key.id, at).await.expect("revoke_key"));
        store.keys(device.id).await.expect("keys")
    };
    let prepare = async || {
        let device = ground.device_of(ground.account);
        store.create_device(&device).await.expect("create_device");
        device
    };
    sweep(prepare, all, async |device, _| {
        let keys = all(&device).await;
        let seen: Vec<_> = keys.iter().map(|key| (key.last_used_at, key.revoked_at)).collect();
        assert_eq!(seen, [(Some(at), Some(at))], "one key, used and revoked");
        store.delete_device(ground.account, device.id).await.expect("delete_device");
    })
    .await;
}

pub(super) async fn account_writes_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || {
        let id: crate::id::AccountId = ground.id();
        Account::new(id, id.to_string(), ground.now())
    };
    let all = async |account: &Account| {
        let made = ground.store.ensure_account(account).await.expect("ensure_account");
        let patch = AccountPatch { role: Some(Role::Admin), closed_at: None };
        ground.store.update_account(account.id, patch).await.expect("update_account");
        let token = accounts::token(ground, 1);
        ground.store.create_token(&token).await.expect("create_token");
        ground.store.touch_token(token.id, made.created_at).await.expect("touch_token");
        ground.store.revoke_token(token.account, token.id, made.created_at).await.expect("revoke_token");
        made
    };
    sweep(prepare, all, async |account, _| {
        assert_eq!(all(&account).await.id, account.id);
        let (token, _) = ground
            .store
            .find_token(accounts::token(ground, 1).id)
            .await
            .expect("find_token")
            .expect("is there");
        assert!(token.last_used_at.is_some() && token.revoked_at.is_some(), "one token, used and revoked");
        let stored = ground.store.account(account.id).await.expect("account").expect("is there");
        assert_eq!(stored, Account { role: Role::Admin, ..account });
    })
    .await;
}

pub(super) async fn audit_writes_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || [audit::event(ground), audit::event(ground)];
    let call = async |events: &[AuditEvent; 2]| ground.store.record(events).await.expect("record");
    sweep(prepare, call, async |events, _| {
        call(&events).await;
        let all = audit::read_all(ground, AuditQuery::new(100)).await;
        for event in events {
            assert_eq!(all.iter().filter(|stored| **stored == event).count(), 1, "it is there once");
        }
    })
    .await;
}

pub(super) async fn erasing_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || {
        let id = erase::over(ground).await;
        ground.elapse(MOMENT).await;
        id
    };
    let pseudonyms = &erase::pseudonyms();
    let call = async |_: &MessageId| ground.store.erase(ground.now(), 10, pseudonyms).await.expect("erase");
    sweep(prepare, call, async |id, _| {
        call(&id).await;
        let message = ground.read(id).await;
        assert!(message.to.is_pseudonym() && message.body.expose().is_empty() && message.erased_at.is_some());
    })
    .await;
}

pub(super) async fn removing_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let pseudonyms = &erase::pseudonyms();
    let prepare = async || {
        let (id, sms) = (erase::over(ground).await, inbox::sms(ground));
        ground.store.receive(from_ref(&sms)).await.expect("receive");
        ground.elapse(MOMENT).await;
        ground.store.erase(ground.now(), 10, pseudonyms).await.expect("erase");
        ground.store.erase_received(ground.now(), 10, pseudonyms).await.expect("erase_received");
        ground.elapse(MOMENT).await;
        (id, sms)
    };
    let call = async |_: &_| {
        ground.store.remove(ground.now(), 10).await.expect("remove");
        ground.store.remove_received(ground.now(), 10).await.expect("remove_received");
    };
    sweep(prepare, call, async |(id, sms), _| {
        call(&(id, sms)).await;
        assert_eq!(ground.store.message(ground.account, id).await.expect("message"), None);
        assert_eq!(inbox::read_all(ground, inbox::query(ground, 10)).await, []);
    })
    .await;
}

pub(super) async fn receive_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let ground = &Ground::new(stage).await;
    let prepare = async || [inbox::sms(ground), inbox::sms(ground)];
    let call = async |batch: &[_; 2]| ground.store.receive(batch).await.expect("receive");
    sweep(prepare, call, async |batch, outcomes| {
        let again = ground.store.receive(&batch).await.expect("receive again");
        assert!(again == [Received::Duplicate; 2] || outcomes.is_none() && again == [Received::New; 2]);
        let all = inbox::read_all(ground, inbox::query(ground, 100)).await;
        for sms in batch {
            assert_eq!(all.iter().filter(|stored| **stored == sms).count(), 1, "it is there once");
        }
    })
    .await;
}

pub(super) async fn close_can_be_dropped(stage: &Stage<dyn StoreFixture>) {
    let prepare = async || {
        let ground = Ground::new(stage).await;
        let id = ground.queued().await;
        (ground, id)
    };
    let call = async |(ground, _): &(Ground, _)| ground.store.close().await.expect("close");
    sweep(prepare, call, async |(ground, id), _| {
        ground.store.close().await.expect("close again");
        assert!(ground.store.ready().await.is_err(), "it is closed in the end");
        if let Some(peer) = ground.fixture.peer().await {
            let message = peer.message(ground.account, id).await.expect("message");
            assert_eq!(message.map(|message| message.state), Some(State::Queued), "what was committed stays");
        }
    })
    .await;
}
