use std::time::Duration;

use async_trait::async_trait;

use super::Fault;
use crate::account::{Account, Token};
use crate::audit::AuditEvent;
use crate::device::{Device, DeviceKey, Protocol, Sim};
use crate::error::Result;
use crate::id::{AccountId, DeviceId, MessageId};
use crate::key::KeyId;
use crate::message::{Message, MessageEvent};
use crate::pseudonym::Pseudonyms;
use crate::seal::Sealed;
use crate::state::Transition;
use crate::store::{
    AccountPatch, AccountStore, Advanced, AuditQuery, AuditStore, Claim, Cursor, DevicePatch, DeviceStore,
    Due, DueQuery, Erased, InboxQuery, InboxStore, Inserted, Insertion, MessageQuery, MessageStore, Page,
    Pull, Received, ReceivedSms, Store, StoreCapabilities,
};
use crate::time::Timestamp;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: MessageStore> MessageStore for Fault<T> {
    async fn insert(&self, batch: &[Insertion]) -> Result<Vec<Inserted>> {
        self.call("insert", self.inner.insert(batch)).await
    }

    async fn claim(&self, claims: &[Claim], lease: Duration) -> Result<Vec<Option<Message>>> {
        self.call("claim", self.inner.claim(claims, lease)).await
    }

    async fn claim_waiting(&self, pulls: &[Pull], lease: Duration) -> Result<Vec<Vec<Message>>> {
        self.call("claim_waiting", self.inner.claim_waiting(pulls, lease)).await
    }

    async fn advance(&self, batch: &[Transition]) -> Result<Vec<Advanced>> {
        self.call("advance", self.inner.advance(batch)).await
    }

    async fn recall(&self, devices: &[DeviceId]) -> Result<u64> {
        self.call("recall", self.inner.recall(devices)).await
    }

    async fn in_hand(&self, held: &[Claim]) -> Result<Vec<bool>> {
        self.call("in_hand", self.inner.in_hand(held)).await
    }

    async fn due(&self, query: DueQuery) -> Result<Due> {
        self.call("due", self.inner.due(query)).await
    }

    async fn forget_keys(&self, max: usize) -> Result<usize> {
        self.call("forget_keys", self.inner.forget_keys(max)).await
    }

    async fn erase(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize> {
        self.call("erase", self.inner.erase(before, max, pseudonyms)).await
    }

    async fn erase_message(
        &self,
        account: AccountId,
        id: MessageId,
        pseudonyms: &Pseudonyms,
    ) -> Result<Option<Erased>> {
        self.call("erase_message", self.inner.erase_message(account, id, pseudonyms)).await
    }

    async fn remove(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.call("remove", self.inner.remove(before, max)).await
    }

    async fn message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>> {
        self.call("message", self.inner.message(account, id)).await
    }

    async fn events(&self, account: AccountId, id: MessageId) -> Result<Option<Vec<MessageEvent>>> {
        self.call("events", self.inner.events(account, id)).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<Page<Message>> {
        self.call("messages", self.inner.messages(query)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: DeviceStore> DeviceStore for Fault<T> {
    async fn create_device(&self, device: &Device) -> Result<()> {
        self.call("create_device", self.inner.create_device(device)).await
    }

    async fn update_device(
        &self,
        account: AccountId,
        id: DeviceId,
        patch: DevicePatch,
    ) -> Result<Option<Device>> {
        self.call("update_device", self.inner.update_device(account, id, patch)).await
    }

    async fn delete_device(&self, account: AccountId, id: DeviceId) -> Result<bool> {
        self.call("delete_device", self.inner.delete_device(account, id)).await
    }

    async fn find_devices(&self, ids: &[DeviceId]) -> Result<Vec<Option<Device>>> {
        self.call("find_devices", self.inner.find_devices(ids)).await
    }

    async fn devices(&self, account: AccountId, after: Option<Cursor>, limit: usize) -> Result<Page<Device>> {
        self.call("devices", self.inner.devices(account, after, limit)).await
    }

    async fn touch_devices(&self, seen: &[(DeviceId, Timestamp, Option<Vec<Sim>>)]) -> Result<()> {
        self.call("touch_devices", self.inner.touch_devices(seen)).await
    }

    async fn create_key(&self, key: &DeviceKey) -> Result<bool> {
        self.call("create_key", self.inner.create_key(key)).await
    }

    async fn find_keys(&self, ids: &[KeyId]) -> Result<Vec<Option<DeviceKey>>> {
        self.call("find_keys", self.inner.find_keys(ids)).await
    }

    async fn keys(&self, device: DeviceId) -> Result<Vec<DeviceKey>> {
        self.call("keys", self.inner.keys(device)).await
    }

    async fn valid_keys(
        &self,
        after: Option<KeyId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(DeviceKey, Protocol)>> {
        self.call("valid_keys", self.inner.valid_keys(after, limit, now)).await
    }

    async fn revoke_key(&self, device: DeviceId, id: KeyId, at: Timestamp) -> Result<bool> {
        self.call("revoke_key", self.inner.revoke_key(device, id, at)).await
    }

    async fn reseal_keys(&self, keys: &[(KeyId, Sealed)]) -> Result<()> {
        self.call("reseal_keys", self.inner.reseal_keys(keys)).await
    }

    async fn touch_key(&self, id: KeyId, at: Timestamp) -> Result<()> {
        self.call("touch_key", self.inner.touch_key(id, at)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: AccountStore> AccountStore for Fault<T> {
    async fn ensure_account(&self, account: &Account) -> Result<Account> {
        self.call("ensure_account", self.inner.ensure_account(account)).await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        self.call("account", self.inner.account(id)).await
    }

    async fn accounts(&self, after: Option<Cursor>, limit: usize) -> Result<Page<Account>> {
        self.call("accounts", self.inner.accounts(after, limit)).await
    }

    async fn update_account(&self, id: AccountId, patch: AccountPatch) -> Result<Option<Account>> {
        self.call("update_account", self.inner.update_account(id, patch)).await
    }

    async fn create_token(&self, token: &Token) -> Result<()> {
        self.call("create_token", self.inner.create_token(token)).await
    }

    async fn find_token(&self, id: KeyId) -> Result<Option<(Token, Account)>> {
        self.call("find_token", self.inner.find_token(id)).await
    }

    async fn tokens(&self, account: AccountId) -> Result<Vec<Token>> {
        self.call("tokens", self.inner.tokens(account)).await
    }

    async fn revoke_token(&self, account: AccountId, id: KeyId, at: Timestamp) -> Result<bool> {
        self.call("revoke_token", self.inner.revoke_token(account, id, at)).await
    }

    async fn touch_token(&self, id: KeyId, at: Timestamp) -> Result<()> {
        self.call("touch_token", self.inner.touch_token(id, at)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: AuditStore> AuditStore for Fault<T> {
    async fn record(&self, events: &[AuditEvent]) -> Result<()> {
        self.call("record", self.inner.record(events)).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Page<AuditEvent>> {
        self.call("audit", self.inner.audit(query)).await
    }

    async fn forget_audit(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.call("forget_audit", self.inner.forget_audit(before, max)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: InboxStore> InboxStore for Fault<T> {
    async fn receive(&self, batch: &[ReceivedSms]) -> Result<Vec<Received>> {
        self.call("receive", self.inner.receive(batch)).await
    }

    async fn inbox(&self, query: &InboxQuery) -> Result<Page<ReceivedSms>> {
        self.call("inbox", self.inner.inbox(query)).await
    }

    async fn erase_received(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize> {
        self.call("erase_received", self.inner.erase_received(before, max, pseudonyms)).await
    }

    async fn remove_received(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.call("remove_received", self.inner.remove_received(before, max)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Store> Store for Fault<T> {
    fn capabilities(&self) -> StoreCapabilities {
        self.inner.capabilities()
    }

    async fn ready(&self) -> Result<()> {
        self.call("ready", self.inner.ready()).await
    }

    async fn close(&self) -> Result<()> {
        self.call("close", self.inner.close()).await
    }
}
