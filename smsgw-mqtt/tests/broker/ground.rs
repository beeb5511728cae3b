//! A broker on a free port, a store in memory, and devices with keys.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use smsgw_core::account::Account;
use smsgw_core::auth::Authenticator;
use smsgw_core::device::{Device, DeviceKey, Protocol};
use smsgw_core::id::{AccountId, DeviceId, IdSource};
use smsgw_core::key::{Credential, CredentialKind, KeyId};
use smsgw_core::memory::MemoryStore;
use smsgw_core::store::{AccountStore, DeviceStore};
use smsgw_core::time::{Clock, SystemClock, Timestamp};
use smsgw_mqtt::broker::{Broker, BrokerConfig, BrokerEvent, SharedAccount};
use tokio::sync::mpsc;

use crate::client::{Client, Options, Version};

pub(crate) const USER: &str = "admin";
pub(crate) const PASSWORD: &str = "password";

pub(crate) struct Ground {
    pub(crate) broker: Broker,
    pub(crate) store: Arc<MemoryStore>,
    account: AccountId,
    ids: IdSource,
}

/// A device and its key.
pub(crate) struct Phone {
    pub(crate) id: DeviceId,
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) key_id: KeyId,
}

impl Phone {
    pub(crate) fn down(&self) -> String {
        format!("smsgw/v1/{}/down", self.id)
    }

    pub(crate) fn up(&self) -> String {
        format!("smsgw/v1/{}/up", self.id)
    }

    pub(crate) fn presence(&self) -> String {
        format!("smsgw/v1/{}/presence", self.id)
    }

    pub(crate) fn sms(&self) -> String {
        format!("devices/{}/sms", self.key)
    }

    pub(crate) fn auth(&self) -> String {
        format!("devices/auth/{}", self.key)
    }

    pub(crate) fn answer(&self) -> String {
        format!("server/auth/{}", self.key)
    }

    /// As a native device comes in.
    pub(crate) fn native(&self, version: Version) -> Options {
        Options::new(version, &self.name, &self.name, &self.key)
    }

    /// As an original device comes in with its key.
    pub(crate) fn original(&self, version: Version, client_id: &str) -> Options {
        Options::new(version, client_id, &self.key, &self.key)
    }
}

/// As original devices come in with the shared account.
pub(crate) fn shared(version: Version, client_id: &str) -> Options {
    Options::new(version, client_id, USER, PASSWORD)
}

pub(crate) fn config() -> BrokerConfig {
    let mut config = BrokerConfig::new(([127, 0, 0, 1], 0).into());
    config.shared_account = Some(SharedAccount { username: USER.into(), password: PASSWORD.into() });
    config
}

impl Ground {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: BrokerConfig) -> Self {
        Self::by(config, SystemClock).await
    }

    /// With keys that expire by this clock.
    pub(crate) async fn by(config: BrokerConfig, clock: impl Clock) -> Self {
        let store = Arc::new(MemoryStore::new());
        let authenticator = Authenticator::new(store.clone(), clock);
        let broker = Broker::start(config, authenticator).await.expect("a free port");
        let ids = IdSource::new();
        let now = SystemClock.now();
        let account = Account::new(ids.next(now), "first", now);
        store.ensure_account(&account).await.expect("ensure_account");
        Self { broker, store, account: account.id, ids }
    }

    pub(crate) async fn phone(&self, protocol: Protocol) -> Phone {
        let now = SystemClock.now();
        let device = Device {
            id: self.ids.next(now),
            account: self.account,
            name: "phone".into(),
            description: None,
            protocol,
            rate_limit: None,
            paused: false,
            sims: Vec::new(),
            created_at: now,
            last_seen_at: None,
        };
        self.store.create_device(&device).await.expect("create_device");
        self.another_key(device.id, None).await
    }

    /// The same device with one more key.
    pub(crate) async fn another_key(&self, device: DeviceId, expires_at: Option<Timestamp>) -> Phone {
        let credential = Credential::generate(CredentialKind::Device).expect("random numbers");
        let key = DeviceKey {
            id: credential.id(),
            device,
            digest: credential.digest(),
            created_at: SystemClock.now(),
            expires_at,
            revoked_at: None,
            last_used_at: None,
            sealed: None,
        };
        assert!(self.store.create_key(&key).await.expect("create_key"));
        Phone { id: device, name: device.to_string(), key: credential.expose().into(), key_id: key.id }
    }

    pub(crate) async fn native(&self) -> Phone {
        self.phone(Protocol::Native).await
    }

    pub(crate) async fn original(&self) -> Phone {
        self.phone(Protocol::Original).await
    }

    pub(crate) async fn revoke(&self, phone: &Phone) {
        let revoked = self.store.revoke_key(phone.id, phone.key_id, SystemClock.now()).await;
        assert!(revoked.expect("revoke_key"));
    }

    pub(crate) fn events(&self) -> Events {
        Events(self.broker.events().expect("nobody has taken them"))
    }

    pub(crate) async fn connect(&self, options: Options) -> Client {
        options.connect(self.broker.local_addr()).await
    }

    /// The name of the code that a client is refused with.
    pub(crate) async fn refused(&self, options: Options) -> String {
        match options.try_connect(self.broker.local_addr()).await.1 {
            crate::client::Said::Refused(code) => code,
            said => panic!("not refused: {said:?}"),
        }
    }

    pub(crate) fn gateway_options(&self) -> Options {
        let account = self.broker.gateway_account();
        let password = account.password.expose_secret();
        Options::new(Version::V5, &account.client_id, &account.username, password)
    }

    /// The gateway, subscribed to everything.
    pub(crate) async fn gateway(&self) -> Client {
        let mut gateway = self.connect(self.gateway_options()).await;
        assert_eq!(gateway.subscribe("#").await, 1);
        gateway
    }
}

pub(crate) struct Events(mpsc::Receiver<BrokerEvent>);

impl Events {
    pub(crate) async fn next(&mut self) -> BrokerEvent {
        let event = tokio::time::timeout(Duration::from_secs(5), self.0.recv()).await;
        event.expect("the broker is silent").expect("the broker runs")
    }

    pub(crate) async fn nothing(&mut self) {
        if let Ok(event) = tokio::time::timeout(crate::client::SILENCE, self.0.recv()).await {
            panic!("{event:?}");
        }
    }
}
