use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use smsgw_core::account::{Account, Token};
use smsgw_core::device::{Device, DeviceKey, Sim};
use smsgw_core::error::Result;
use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::key::KeyId;
use smsgw_core::message::{Message, MessageEvent};
use smsgw_core::state::{Fence, Transition};
use smsgw_core::store::{
    AccountStore, Advanced, Claim, Cursor, DevicePatch, DeviceStore, Due, DueQuery, InboxQuery, InboxStore,
    Inserted, Insertion, MessageQuery, MessageStore, Page, Pull, Received, ReceivedSms, Store,
    StoreCapabilities,
};
use smsgw_core::time::Timestamp;

/// Takes every word of a dispatcher as if it came from the latest claim.
#[derive(Debug)]
pub(crate) struct Unfenced {
    inner: Arc<dyn Store>,
    epochs: Mutex<HashMap<MessageId, u32>>,
}

impl Unfenced {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, epochs: Mutex::default() }
    }

    fn learn<'a>(&self, claimed: impl Iterator<Item = &'a Message>) {
        let claimed = claimed.map(|message| (message.id, message.attempts));
        self.epochs.lock().expect("not poisoned").extend(claimed);
    }
}

impl fmt::Display for Unfenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unfenced store")
    }
}

#[async_trait]
impl MessageStore for Unfenced {
    async fn insert(&self, batch: &[Insertion]) -> Result<Vec<Inserted>> {
        self.inner.insert(batch).await
    }

    async fn claim(&self, claims: &[Claim], lease: Duration) -> Result<Vec<Option<Message>>> {
        let claimed = self.inner.claim(claims, lease).await?;
        self.learn(claimed.iter().flatten());
        Ok(claimed)
    }

    async fn claim_waiting(&self, pulls: &[Pull], lease: Duration) -> Result<Vec<Vec<Message>>> {
        let pulled = self.inner.claim_waiting(pulls, lease).await?;
        self.learn(pulled.iter().flatten());
        Ok(pulled)
    }

    async fn advance(&self, batch: &[Transition]) -> Result<Vec<Advanced>> {
        let mut batch = batch.to_vec();
        for transition in &mut batch {
            if let Fence::Epoch(epoch) = &mut transition.fence
                && let Some(latest) = self.epochs.lock().expect("not poisoned").get(&transition.id)
            {
                *epoch = *latest;
            }
        }
        self.inner.advance(&batch).await
    }

    async fn recall(&self, devices: &[DeviceId]) -> Result<u64> {
        self.inner.recall(devices).await
    }

    async fn due(&self, query: DueQuery) -> Result<Due> {
        self.inner.due(query).await
    }

    async fn message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>> {
        self.inner.message(account, id).await
    }

    async fn events(&self, account: AccountId, id: MessageId) -> Result<Option<Vec<MessageEvent>>> {
        self.inner.events(account, id).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<Page<Message>> {
        self.inner.messages(query).await
    }
}

#[async_trait]
impl DeviceStore for Unfenced {
    async fn create_device(&self, device: &Device) -> Result<()> {
        self.inner.create_device(device).await
    }

    async fn update_device(
        &self,
        account: AccountId,
        id: DeviceId,
        patch: DevicePatch,
    ) -> Result<Option<Device>> {
        self.inner.update_device(account, id, patch).await
    }

    async fn delete_device(&self, account: AccountId, id: DeviceId) -> Result<bool> {
        self.inner.delete_device(account, id).await
    }

    async fn find_devices(&self, ids: &[DeviceId]) -> Result<Vec<Option<Device>>> {
        self.inner.find_devices(ids).await
    }

    async fn devices(&self, account: AccountId, after: Option<Cursor>, limit: usize) -> Result<Page<Device>> {
        self.inner.devices(account, after, limit).await
    }

    async fn touch_devices(&self, seen: &[(DeviceId, Timestamp, Option<Vec<Sim>>)]) -> Result<()> {
        self.inner.touch_devices(seen).await
    }

    async fn create_key(&self, key: &DeviceKey) -> Result<bool> {
        self.inner.create_key(key).await
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<DeviceKey>> {
        self.inner.find_key(id).await
    }

    async fn keys(&self, device: DeviceId) -> Result<Vec<DeviceKey>> {
        self.inner.keys(device).await
    }

    async fn revoke_key(&self, device: DeviceId, id: KeyId, at: Timestamp) -> Result<bool> {
        self.inner.revoke_key(device, id, at).await
    }

    async fn touch_key(&self, id: KeyId, at: Timestamp) -> Result<()> {
        self.inner.touch_key(id, at).await
    }
}

#[async_trait]
impl AccountStore for Unfenced {
    async fn ensure_account(&self, account: &Account) -> Result<Account> {
        self.inner.ensure_account(account).await
    }

    async fn create_token(&self, token: &Token) -> Result<()> {
        self.inner.create_token(token).await
    }

    async fn find_token(&self, id: KeyId) -> Result<Option<Token>> {
        self.inner.find_token(id).await
    }
}

#[async_trait]
impl InboxStore for Unfenced {
    async fn receive(&self, batch: &[ReceivedSms]) -> Result<Vec<Received>> {
        self.inner.receive(batch).await
    }

    async fn inbox(&self, query: &InboxQuery) -> Result<Page<ReceivedSms>> {
        self.inner.inbox(query).await
    }
}

#[async_trait]
impl Store for Unfenced {
    fn capabilities(&self) -> StoreCapabilities {
        self.inner.capabilities()
    }

    async fn ready(&self) -> Result<()> {
        self.inner.ready().await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
