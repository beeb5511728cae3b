use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use smsgw_core::error::Result;
use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::message::{Message, MessageEvent};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::state::{Fence, Transition};
use smsgw_core::store::{
    Advanced, Claim, Due, DueQuery, Erased, Inserted, Insertion, MessageQuery, MessageStore, Page, Pull,
    Store,
};
use smsgw_core::time::Timestamp;

use crate::forward::forward_all_but_messages;

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

    async fn in_hand(&self, held: &[Claim]) -> Result<Vec<bool>> {
        self.inner.in_hand(held).await
    }

    async fn due(&self, query: DueQuery) -> Result<Due> {
        self.inner.due(query).await
    }

    async fn forget_keys(&self, max: usize) -> Result<usize> {
        self.inner.forget_keys(max).await
    }

    async fn erase(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize> {
        self.inner.erase(before, max, pseudonyms).await
    }

    async fn erase_message(
        &self,
        account: AccountId,
        id: MessageId,
        pseudonyms: &Pseudonyms,
    ) -> Result<Option<Erased>> {
        self.inner.erase_message(account, id, pseudonyms).await
    }

    async fn remove(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.inner.remove(before, max).await
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

forward_all_but_messages!(Unfenced);
