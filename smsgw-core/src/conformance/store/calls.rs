//! Every call of a store, for the cases that hold for all of them.

use super::ground::{Ground, LEASE, dispatched, plain};
use super::{accounts, audit, inbox, keys};
use crate::account::Account;
use crate::error::Error;
use crate::pseudonym::Pseudonyms;
use crate::seal::Sealed;
use crate::state::{Fence, Transition};
use crate::store::{AccountPatch, AuditQuery, Claim, DevicePatch, DueQuery, MessageQuery, Store};

/// Makes every call once, with arguments that a store in order takes, and says what failed.
pub(super) async fn all(ground: &Ground, store: &dyn Store) -> Vec<(&'static str, Option<Error>)> {
    let (account, device, id) = (ground.account, ground.device, ground.id());
    let key = keys::key(ground, 77);
    let now = ground.now();
    let mut outcomes = Vec::new();
    let mut note = |name, failed: Option<Error>| outcomes.push((name, failed));
    let claims = [Claim { id, device }];
    let transitions = [Transition { id, fence: Fence::Epoch(1), change: dispatched() }];
    let named = Account::new(ground.id(), "called", now);
    let token = accounts::token(ground, 77);
    let forget = Pseudonyms::default();
    note("ready", store.ready().await.err());
    note("insert", store.insert(&[plain(ground.message())]).await.err());
    note("claim", store.claim(&claims, LEASE).await.err());
    note("claim_waiting", store.claim_waiting(&[ground.pull_for(device, 1)], LEASE).await.err());
    note("advance", store.advance(&transitions).await.err());
    note("recall", store.recall(&[device]).await.err());
    note("in_hand", store.in_hand(&claims).await.err());
    note("due", store.due(DueQuery { max: 1, requeue: true }).await.err());
    note("forget_keys", store.forget_keys(1).await.err());
    note("erase", store.erase(now, 1, &forget).await.err());
    note("erase_message", store.erase_message(account, id, &forget).await.err());
    note("remove", store.remove(now, 1).await.err());
    note("message", store.message(account, id).await.err());
    note("events", store.events(account, id).await.err());
    note("messages", store.messages(&MessageQuery::new(account, 1)).await.err());
    note("create_device", store.create_device(&ground.device_of(account)).await.err());
    note("update_device", store.update_device(account, device, DevicePatch::default()).await.err());
    note("delete_device", store.delete_device(account, ground.id()).await.err());
    note("find_devices", store.find_devices(&[device]).await.err());
    note("devices", store.devices(account, None, 1).await.err());
    note("touch_devices", store.touch_devices(&[(device, now, None)]).await.err());
    note("create_key", store.create_key(&key).await.err());
    note("find_keys", store.find_keys(&[key.id]).await.err());
    note("keys", store.keys(device).await.err());
    note("valid_keys", store.valid_keys(None, 1, now).await.err());
    note("revoke_key", store.revoke_key(device, key.id, now).await.err());
    note("reseal_keys", store.reseal_keys(&[(key.id, Sealed::from_bytes(vec![1]))]).await.err());
    note("touch_key", store.touch_key(key.id, now).await.err());
    note("ensure_account", store.ensure_account(&named).await.err());
    note("account", store.account(account).await.err());
    note("accounts", store.accounts(None, 1).await.err());
    note("update_account", store.update_account(account, AccountPatch::default()).await.err());
    note("create_token", store.create_token(&token).await.err());
    note("find_token", store.find_token(key.id).await.err());
    note("tokens", store.tokens(account).await.err());
    note("revoke_token", store.revoke_token(account, key.id, now).await.err());
    note("touch_token", store.touch_token(key.id, now).await.err());
    note("record", store.record(&[audit::event(ground)]).await.err());
    note("audit", store.audit(&AuditQuery::new(1)).await.err());
    note("forget_audit", store.forget_audit(now, 1).await.err());
    note("receive", store.receive(&[inbox::sms(ground)]).await.err());
    note("inbox", store.inbox(&inbox::query(ground, 1)).await.err());
    note("erase_received", store.erase_received(now, 1, &forget).await.err());
    note("remove_received", store.remove_received(now, 1).await.err());
    outcomes
}
