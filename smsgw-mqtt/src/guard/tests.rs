use std::net::IpAddr;
use std::sync::Arc;

use smsgw_core::account::Account as Owner;
use smsgw_core::audit::AuditEvent;
use smsgw_core::device::{Device, DeviceKey, Protocol};
use smsgw_core::error::ErrorKind;
use smsgw_core::gateway::{Gateway, Running};
use smsgw_core::id::{AccountId, IdSource};
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::store::{AccountStore, AuditQuery, DeviceStore, Store};
use smsgw_core::time::{Clock, SystemClock};

use super::*;
use crate::rules::table::{self, D};

const GATEWAY: &str = "smsgw-gateway";
const ORIGIN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

struct Ground {
    store: Arc<MemoryStore>,
    running: Running,
    log: AuditLog,
    guard: DeviceGuard,
    account: AccountId,
    ids: IdSource,
}

struct Phone {
    name: String,
    key: String,
    id: KeyId,
    device: DeviceId,
}

impl Ground {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let log = AuditLog::new(store.clone(), SystemClock);
        let gateway = Gateway::builder(store.clone(), MemoryQueue::new(), MemoryTransport::new());
        let running = gateway.audit_log(log.clone()).build().start().await.expect("start");
        let shared = SharedAccount { username: "admin".into(), password: "password".into() };
        let guard = DeviceGuard::new(Authenticator::new(store.clone(), SystemClock))
            .with_shared_account(shared)
            .with_audit(log.clone())
            .with_reserved([GATEWAY.to_owned()]);
        let (ids, now) = (IdSource::new(), SystemClock.now());
        let account = Owner::new(ids.next(now), "first", now);
        store.ensure_account(&account).await.expect("ensure_account");
        Self { store, running, log, guard, account: account.id, ids }
    }

    async fn phone(&self, protocol: Protocol, expires_at: Option<Timestamp>) -> Phone {
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
        let credential = Credential::generate(CredentialKind::Device).expect("random numbers");
        let key = DeviceKey {
            id: credential.id(),
            device: device.id,
            digest: credential.digest(),
            created_at: now,
            expires_at,
            revoked_at: None,
            last_used_at: None,
            sealed: None,
        };
        assert!(self.store.create_key(&key).await.expect("create_key"));
        let (name, key) = (device.id.to_string(), credential.expose().to_owned());
        Phone { name, key, id: credential.id(), device: device.id }
    }

    async fn connect(&self, client_id: &str, username: &str, password: &str) -> Verdict {
        let client = BrokerClient {
            client_id: client_id.into(),
            username: username.into(),
            password: password.to_owned().into(),
            origin: Some(ORIGIN),
        };
        assert!(!format!("{client:?} {:?}", self.guard).contains("sgw_"));
        self.guard.connect(&client).await.expect("the store is there")
    }

    fn access(&self, client_id: &str, username: &str, publishes: bool, topic: &str) -> Verdict {
        let (client_id, username) = (client_id.into(), username.into());
        let access =
            TopicAccess { client_id, username, publishes, topic: topic.into(), origin: Some(ORIGIN) };
        self.guard.access(&access)
    }

    /// What has been noted until now, oldest first.
    async fn audit(&self) -> Vec<AuditEvent> {
        let last = Act {
            target: Some(self.ids.next::<uuid::Uuid>(SystemClock.now()).to_string()),
            ..Act::done(AuditAction::CreateUser)
        };
        self.log.record(last.clone()).await;
        loop {
            let page = self.running.handle().audit(&AuditQuery::new(1_000)).await.expect("audit");
            if page.items.first().is_some_and(|event| event.act == last) {
                return page.items.into_iter().skip(1).rev().collect();
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn who_belongs_here_comes_in_until_its_key_ends() {
    let ground = Ground::new().await;
    let end = SystemClock.now() + Duration::from_secs(3_600);
    let native = ground.phone(Protocol::Native, Some(end)).await;
    let original = ground.phone(Protocol::Original, None).await;
    let end = ground.store.keys(native.device).await.expect("keys")[0].expires_at;
    assert_eq!(ground.connect(&native.name, &native.name, &native.key).await, Verdict::Allow(end));
    assert_eq!(ground.connect("any id", &original.key, &original.key).await, Verdict::Allow(None));
    assert_eq!(ground.connect("any id", "admin", "password").await, Verdict::Allow(None));
    assert_eq!(ground.audit().await, []);
}

#[tokio::test]
async fn a_user_name_that_no_device_has_is_left_to_others() {
    let ground = Ground::new().await;
    for (username, password) in [("gateway", "x"), ("", ""), ("dashboard", "dashboard"), ("x", "sgw_dev_x")] {
        assert_eq!(ground.connect(GATEWAY, username, password).await, Verdict::Unknown, "{username}");
        assert_eq!(ground.access(GATEWAY, username, false, "#"), Verdict::Unknown, "{username}");
    }
    assert_eq!(ground.audit().await, []);
}

#[tokio::test]
async fn whoever_has_a_wrong_key_or_a_foreign_client_id_is_refused() {
    let ground = Ground::new().await;
    let (one, two) = (ground.phone(Protocol::Native, None).await, ground.phone(Protocol::Native, None).await);
    let original = ground.phone(Protocol::Original, None).await;
    let past = Some(SystemClock.now() - Duration::from_secs(1));
    let expired = ground.phone(Protocol::Native, past).await;
    let revoked = ground.phone(Protocol::Native, None).await;
    let now = SystemClock.now();
    assert!(ground.store.revoke_key(revoked.device, revoked.id, now).await.expect("revoke_key"));
    let rows = [
        (&*two.name, &*one.name, &*one.key, "the client id is not one for this user name"),
        ("x", &one.name, &one.key, "the client id is not one for this user name"),
        (&one.name, &one.name, &two.key, "the API key of another device"),
        (&one.name, &one.name, "", "no user name or no password"),
        (&one.name, &one.name, "hunter2", "API key: malformed"),
        (&one.name, &one.key, &one.key, "the API key of a device of the other protocol"),
        (&original.name, &original.name, &original.key, "the API key of a device of the other protocol"),
        (GATEWAY, &original.key, &original.key, "the client id is not one for this user name"),
        (&one.name, &original.key, &original.key, "the client id is not one for this user name"),
        ("x", &original.key, "x", "unknown user name or wrong password"),
        ("x", "admin", "admin", "unknown user name or wrong password"),
        (&one.name, "admin", "password", "the client id is not one for this user name"),
        (&expired.name, &expired.name, &expired.key, "API key: expired"),
        (&revoked.name, &revoked.name, &revoked.key, "API key: revoked"),
    ];
    for (client_id, username, password, why) in rows {
        assert_eq!(ground.connect(client_id, username, password).await, Verdict::Deny, "{why}");
    }
    let events = ground.audit().await;
    assert_eq!(events.len(), rows.len());
    for (event, (_, username, password, why)) in events.iter().zip(rows) {
        let act = &event.act;
        assert_eq!((act.action, act.refused.as_deref()), (AuditAction::Connect, Some(why)));
        assert_eq!((act.origin, act.count), (Some(ORIGIN), 1));
        let key = Credential::parse(password).or(Credential::parse(username)).ok();
        assert_eq!(act.credential, key.map(|key| key.id()));
        assert_eq!(act.device, username.parse().ok());
        assert!(!format!("{event:?}").contains("sgw_"), "{event:?}");
    }
}

#[tokio::test]
async fn ten_failures_in_a_minute_begin_a_pause_for_that_key_alone() {
    let ground = Ground::new().await;
    let (one, two) = (ground.phone(Protocol::Native, None).await, ground.phone(Protocol::Native, None).await);
    for _ in 0..30 {
        assert_eq!(ground.connect(&one.name, &one.name, &two.key).await, Verdict::Deny);
    }
    // Not even where it is right.
    assert_eq!(ground.connect(&two.name, &two.name, &two.key).await, Verdict::Deny);
    assert_eq!(ground.connect(&one.name, &one.name, &one.key).await, Verdict::Allow(None));
    let events = ground.audit().await;
    assert_eq!(events.len(), 10);
    let paused = events.iter().filter(|event| {
        event.act.refused.as_deref().is_some_and(|why| why.contains("nothing more is checked for a minute"))
    });
    assert_eq!(paused.count(), 1);
}

#[tokio::test]
async fn nothing_is_said_of_a_client_where_the_store_is_away() {
    let ground = Ground::new().await;
    let phone = ground.phone(Protocol::Native, None).await;
    Store::close(&ground.store).await.expect("close");
    let client = BrokerClient {
        client_id: phone.name.clone(),
        username: phone.name.clone(),
        password: phone.key.clone().into(),
        origin: None,
    };
    let error = ground.guard.connect(&client).await.expect_err("the store is closed");
    assert_eq!(error.kind(), ErrorKind::Closed);
    let stranger = BrokerClient { username: "gateway".into(), ..client };
    assert_eq!(ground.guard.connect(&stranger).await.expect("it is not asked"), Verdict::Unknown);
}

/// The same table that the embedded broker's rules are held against.
#[tokio::test]
async fn each_account_reaches_the_topics_of_the_table_and_no_other() {
    let ground = Ground::new().await;
    let key = Credential::generate(CredentialKind::Device).expect("random numbers");
    let key = key.expose();
    let columns = [(GATEWAY, "gateway"), ("any id", "admin"), (D, D), ("any id", key)];
    let tables = [(true, table::publishing(key)), (false, table::subscribing(key))];
    let mut refused = 0;
    for (publishes, rows) in &tables {
        for (topic, expected) in rows {
            for ((client_id, username), expected) in columns.iter().zip(expected.chars()) {
                let verdict = match (*username, expected) {
                    ("gateway", _) => Verdict::Unknown,
                    (_, '-') => Verdict::Deny,
                    _ => Verdict::Allow(None),
                };
                refused += u32::from(verdict == Verdict::Deny);
                let found = ground.access(client_id, username, *publishes, topic);
                assert_eq!(found, verdict, "{username} {publishes} {topic}");
            }
        }
    }
    let events = ground.audit().await;
    assert!(events.iter().map(|event| event.act.count).sum::<u32>() <= refused);
    assert!(events.iter().all(|event| !format!("{event:?}").contains("sgw_") && event.act.target.is_some()));
}

#[tokio::test]
async fn what_a_client_may_do_hangs_on_its_client_id_too() {
    let ground = Ground::new().await;
    let topic = format!("smsgw/v1/{D}/up");
    assert_eq!(ground.access(D, D, true, &topic), Verdict::Allow(None));
    assert_eq!(ground.access("x", D, true, &topic), Verdict::Deny);
    // A token is no key of a device, and half a key is none.
    let token = Credential::generate(CredentialKind::Token).expect("random numbers");
    for username in [token.expose(), "sgw_dev_x"] {
        let topic = format!("devices/{username}/sms");
        assert_eq!(ground.access("x", username, false, &topic), Verdict::Deny);
    }
}

#[tokio::test]
async fn refusals_of_one_client_are_noted_in_few_lines() {
    let ground = Ground::new().await;
    for _ in 0..100 {
        assert_eq!(ground.access(D, D, false, "#"), Verdict::Deny);
    }
    let counts: Vec<u32> = ground.audit().await.iter().map(|event| event.act.count).collect();
    assert_eq!(counts, [&[1; 16][..], &[16, 32]].concat());
}
