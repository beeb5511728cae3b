//! What callers hold: submit messages, look at them, manage devices and keys.

use std::fmt;
use std::sync::Arc;

use tokio::sync::broadcast;

use super::Shared;
use super::cancel::{self, Cancellation};
use super::fleet::Presence;
use crate::account::{Account, Token};
use crate::auth::Authenticator;
use crate::device::{Device, DeviceKey, Protocol};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{AccountId, DeviceId, MessageId};
use crate::key::{Credential, CredentialKind, KeyId};
use crate::message::{Message, MessageEvent, NewMessage};
use crate::rate::RateLimit;
use crate::state::State;
use crate::store::{Cursor, DevicePatch, InboxQuery, MessageQuery, Moved, Page, ReceivedSms};
use crate::time::Timestamp;

/// A gateway, as its users hold it. Cheap to clone; needs no HTTP.
///
/// Whatever takes an [`AccountId`] sees what belongs to that account and nothing else: what is another's is answered
/// exactly as what does not exist.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Shared>);

/// The outcome of submitting a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// It is committed and on its way.
    Accepted(Message),
    /// An earlier request with the same id or idempotency key made this one; nothing more is sent.
    Duplicate(Message),
    /// Its id or idempotency key belongs to another request.
    Mismatch,
    /// The account has no such device.
    UnknownDevice,
}

/// What a new device is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// What its owner calls it.
    pub name: String,
    /// More words of its owner.
    pub description: Option<String>,
    /// What it speaks.
    pub protocol: Protocol,
    /// How fast it may be given messages; the gateway's default where there is none.
    pub rate_limit: Option<RateLimit>,
}

impl NewDevice {
    /// A native device without a limit of its own; set the other fields as wanted.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), description: None, protocol: Protocol::default(), rate_limit: None }
    }
}

/// A device and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatus {
    /// What is stored of it.
    pub device: Device,
    /// What this gateway sees of it.
    pub presence: Presence,
}

/// Whether each backend can serve now; the error says what to do where it cannot.
#[derive(Debug)]
pub struct Health {
    /// The store, by its name.
    pub store: (String, Result<()>),
    /// The queue, by its name.
    pub queue: (String, Result<()>),
    /// The transport, by its name.
    pub transport: (String, Result<()>),
}

impl Handle {
    /// Commits messages and has them sent: one outcome each, in order.
    ///
    /// # Cancel safety
    /// Dropped, each message was accepted or was not; submit it again under the same id to learn which.
    ///
    /// # Errors
    /// `Throttled` where more is waiting to be committed than the gateway keeps in memory; `Closed` while it drains;
    /// any error of the store. Nothing is known of any message of the batch then.
    pub async fn submit(&self, batch: Vec<NewMessage>) -> Result<Vec<Submitted>> {
        self.0.intake.submit(&self.0, batch).await
    }

    /// One message of an account.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>> {
        self.0.store.message(account, id).await
    }

    /// The history of one message of an account, oldest first. `None` where there is no such message.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn message_events(
        &self,
        account: AccountId,
        id: MessageId,
    ) -> Result<Option<Vec<MessageEvent>>> {
        self.0.store.events(account, id).await
    }

    /// Messages of an account, newest first.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn messages(&self, query: &MessageQuery) -> Result<Page<Message>> {
        self.0.store.messages(query).await
    }

    /// Takes a message of an account back. `None` where there is no such message.
    ///
    /// # Cancel safety
    /// Dropped, it is taken back or is not; calling again is safe.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn cancel(&self, account: AccountId, id: MessageId) -> Result<Option<Cancellation>> {
        cancel::cancel(&self.0, account, id).await
    }

    /// Received SMS of an account, newest first.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn inbox(&self, query: &InboxQuery) -> Result<Page<ReceivedSms>> {
        self.0.store.inbox(query).await
    }

    /// Changes of state as they are committed by this gateway. A receiver that falls behind by more than
    /// [`observer_capacity`](super::GatewayBuilder::observer_capacity) misses the oldest and is told so.
    pub fn observe(&self) -> broadcast::Receiver<Moved> {
        self.0.observers.subscribe()
    }

    /// Hears what other gateways on the same store have done, as a result backend tells it: a device's place is free at
    /// once where its report came in elsewhere. Without it, that is found out by asking the store.
    pub fn learn(&self, moved: &[Moved]) {
        let in_hand = |state| matches!(state, State::Sending | State::Dispatched);
        let left = moved.iter().filter(|moved| !in_hand(moved.to));
        self.0.fleet.release(left.filter_map(|moved| Some((moved.device?, moved.id))), self.0.clock.now());
    }

    /// Adds a device to an account.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn create_device(&self, account: AccountId, new: NewDevice) -> Result<Device> {
        let now = self.0.clock.now();
        let device = Device {
            id: self.0.ids.next(now),
            account,
            name: new.name,
            description: new.description,
            protocol: new.protocol,
            rate_limit: new.rate_limit,
            sims: Vec::new(),
            created_at: now,
            last_seen_at: None,
        };
        self.0.store.create_device(&device).await?;
        Ok(device)
    }

    /// One device of an account.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn device(&self, account: AccountId, id: DeviceId) -> Result<Option<DeviceStatus>> {
        let found = self.0.store.find_devices(&[id]).await?.pop().flatten();
        Ok(found.filter(|device| device.account == account).map(|device| self.status(device)))
    }

    /// The devices of an account, newest first.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn devices(
        &self,
        account: AccountId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceStatus>> {
        let page = self.0.store.devices(account, after, limit).await?;
        let items = page.items.into_iter().map(|device| self.status(device)).collect();
        Ok(Page { items, next: page.next })
    }

    /// Changes a device of an account; `None` where there is no such device.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn update_device(
        &self,
        account: AccountId,
        id: DeviceId,
        patch: DevicePatch,
    ) -> Result<Option<DeviceStatus>> {
        let device = self.0.store.update_device(account, id, patch).await?;
        if let Some(device) = &device {
            self.0.fleet.set_rate_limit(id, device.rate_limit, self.0.clock.now());
        }
        Ok(device.map(|device| self.status(device)))
    }

    /// Removes a device of an account with its keys, and ends its session; `false` where there is no such device.
    ///
    /// # Errors
    /// Any error of the store, the provisioner or the transport. After one of the latter two it is removed, and its
    /// session ends when the broker can be told.
    pub async fn delete_device(&self, account: AccountId, id: DeviceId) -> Result<bool> {
        let deleted = self.0.store.delete_device(account, id).await?;
        if deleted {
            self.0.fleet.remove(id);
            self.0.broker_accounts.remove(id).await?;
            self.0.transport.disconnect(&[id]).await?;
        }
        Ok(deleted)
    }

    /// Makes an API key for a device of an account, shown here and never again. `None` where there is no such device.
    ///
    /// # Cancel safety
    /// Dropped, there may be a key that nobody knows.
    ///
    /// # Errors
    /// Any error of the store or the provisioner, and the key then opens nothing; `Internal` where the operating system has no random numbers.
    pub async fn create_key(
        &self,
        account: AccountId,
        device: DeviceId,
        expires_at: Option<Timestamp>,
    ) -> Result<Option<(Credential, DeviceKey)>> {
        let Some(DeviceStatus { device, .. }) = self.device(account, device).await? else { return Ok(None) };
        let credential = generate(CredentialKind::Device)?;
        let key = DeviceKey {
            id: credential.id(),
            device: device.id,
            digest: credential.digest(),
            created_at: self.0.clock.now(),
            expires_at,
            revoked_at: None,
            last_used_at: None,
            sealed: self.0.broker_accounts.seal(device.protocol, &credential)?,
        };
        if !self.0.store.create_key(&key).await? {
            return Ok(None);
        }
        if let Err(error) = self.0.broker_accounts.grant(&device, &key, &credential).await {
            // Nobody was shown it.
            self.0.store.revoke_key(device.id, key.id, self.0.clock.now()).await?;
            return Err(error);
        }
        Ok(Some((credential, key)))
    }

    /// The API keys of a device of an account, newest first. `None` where there is no such device.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn keys(&self, account: AccountId, device: DeviceId) -> Result<Option<Vec<DeviceKey>>> {
        if self.device(account, device).await?.is_none() {
            return Ok(None);
        }
        self.0.store.keys(device).await.map(Some)
    }

    /// Ends an API key of a device of an account, and the device's session; `false` where there is no such key. A
    /// device that has another valid key comes back with that, unless its broker has one password a device: then a new key
    /// must be made.
    ///
    /// # Errors
    /// Any error of the store, the provisioner or the transport. After one of the latter two the key is revoked, and the
    /// session ends when the broker can be told. Calling again is safe.
    pub async fn revoke_key(&self, account: AccountId, device: DeviceId, key: KeyId) -> Result<bool> {
        if self.device(account, device).await?.is_none() {
            return Ok(false);
        }
        let revoked = self.0.store.revoke_key(device, key, self.0.clock.now()).await?;
        if revoked {
            self.0.fleet.forget_key(device, key);
            self.0.broker_accounts.disable(key).await?;
            self.0.transport.disconnect(&[device]).await?;
        }
        Ok(revoked)
    }

    /// The account of that name, made where there is none.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn ensure_account(&self, name: &str) -> Result<Account> {
        let now = self.0.clock.now();
        let account = Account { id: self.0.ids.next(now), name: name.to_owned(), created_at: now };
        self.0.store.ensure_account(&account).await
    }

    /// Makes a token for an account, shown here and never again.
    ///
    /// # Errors
    /// Any error of the store; `Internal` where the operating system has no random numbers.
    pub async fn create_token(
        &self,
        account: AccountId,
        name: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<(Credential, Token)> {
        let credential = generate(CredentialKind::Token)?;
        let token = Token {
            id: credential.id(),
            account,
            name: name.to_owned(),
            digest: credential.digest(),
            created_at: self.0.clock.now(),
            expires_at,
            revoked_at: None,
        };
        self.0.store.create_token(&token).await?;
        Ok((credential, token))
    }

    /// What checks the credentials that somebody presents.
    pub fn authenticator(&self) -> Authenticator {
        Authenticator::from_parts(self.0.store.clone(), self.0.clock.clone())
    }

    /// Asks each backend whether it can serve now.
    pub async fn health(&self) -> Health {
        let (store, queue, transport) =
            tokio::join!(self.0.store.ready(), self.0.queue.ready(), self.0.transport.ready());
        Health {
            store: (self.0.store.to_string(), store),
            queue: (self.0.queue.to_string(), queue),
            transport: (self.0.transport.to_string(), transport),
        }
    }

    /// The time by the gateway's clock.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn status(&self, device: Device) -> DeviceStatus {
        DeviceStatus { presence: self.0.fleet.presence(device.id), device }
    }
}

fn generate(kind: CredentialKind) -> Result<Credential> {
    Credential::generate(kind).map_err(|source| {
        Error::new(ErrorKind::Internal, "gateway", "generate a key")
            .with_detail("the operating system gave no random numbers")
            .with_source(source)
    })
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
