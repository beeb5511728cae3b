use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::forward::forward_to_inner;
use crate::id::{AccountId, DeviceId, ReportId};
use crate::pseudonym::Pseudonyms;
use crate::store::{Cursor, Page};
use crate::time::Timestamp;

/// SMS that devices have received.
///
/// The rules of [`MessageStore`](crate::store::MessageStore) about batches, errors and dropped futures hold here too.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use smsgw_core::id::IdSource;
/// use smsgw_core::memory::MemoryStore;
/// use smsgw_core::store::{InboxQuery, InboxStore, Received, ReceivedSms};
/// use smsgw_core::time::{Clock, SystemClock};
///
/// let (store, ids, now) = (MemoryStore::new(), IdSource::new(), SystemClock.now());
/// let sms = ReceivedSms {
///     id: ids.next(now),
///     account: ids.next(now),
///     device: ids.next(now),
///     from: "+5351234567".into(),
///     body: "Hola".into(),
///     sim: Some(1),
///     received_at: now,
///     erased_at: None,
/// };
/// // Its device says it again until it hears that it is stored.
/// assert_eq!(store.receive(&[sms.clone(), sms.clone()]).await?, [Received::New, Received::Duplicate]);
/// let query = InboxQuery { account: sms.account, device: None, after: None, limit: 10 };
/// assert_eq!(store.inbox(&query).await?.items, [sms]);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait InboxStore: Send + Sync + 'static {
    /// Commits received SMS, each once: unique are its device and id. Two alike texts with two ids are two SMS.
    ///
    /// # Errors
    /// Any backend error.
    async fn receive(&self, batch: &[ReceivedSms]) -> Result<Vec<Received>>;

    /// The received SMS of an account, newest first.
    ///
    /// # Errors
    /// Any backend error.
    async fn inbox(&self, query: &InboxQuery) -> Result<Page<ReceivedSms>>;

    /// Erases what was received before `before`, at most `max`: the body goes, the sender becomes its pseudonym, the rest
    /// stays. Says how many; fewer than `max` were the last.
    ///
    /// # Errors
    /// Any backend error.
    async fn erase_received(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize>;

    /// Removes what was erased before `before`, at most `max`, those first that were erased first. Says how many; fewer than
    /// `max` were the last.
    ///
    /// # Errors
    /// Any backend error.
    async fn remove_received(&self, before: Timestamp, max: usize) -> Result<usize>;
}

forward_to_inner! {
    InboxStore: {
        async fn receive(batch: &[ReceivedSms]) -> Result<Vec<Received>>;
        async fn inbox(query: &InboxQuery) -> Result<Page<ReceivedSms>>;
        async fn erase_received(before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize>;
        async fn remove_received(before: Timestamp, max: usize) -> Result<usize>;
    }
}

/// An SMS that a device has received. `Debug` shows neither sender nor text.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedSms {
    /// The id that its device gave it, or that the gateway did where the device's protocol has none.
    pub id: ReportId,
    /// Whose device.
    pub account: AccountId,
    /// Which device.
    pub device: DeviceId,
    /// The sender: a number, or a name where the network allows one.
    pub from: String,
    /// The text.
    pub body: String,
    /// The slot of the SIM card, counted from 1.
    pub sim: Option<u8>,
    /// When the device received it, or the gateway where the device does not say.
    pub received_at: Timestamp,
    /// When its text and sender were erased.
    pub erased_at: Option<Timestamp>,
}

impl fmt::Debug for ReceivedSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedSms")
            .field("id", &self.id)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// The outcome of storing a received SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It is committed.
    New,
    /// It was there.
    Duplicate,
}

/// Which received SMS of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxQuery {
    /// Whose.
    pub account: AccountId,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// After the page that ended there.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}
