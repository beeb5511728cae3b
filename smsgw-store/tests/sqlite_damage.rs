//! What SQLite's store does with rows that it cannot read: each is skipped and told of once, the rest goes on.
#![cfg(feature = "sqlite")]

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use smsgw_core::device::{Device, Protocol};
use smsgw_core::id::{AccountId, DeviceId, IdSource, MessageId};
use smsgw_core::message::{Body, Message, NewMessage};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::state::{Change, Fence, Reason, State, Transition};
use smsgw_core::store::{
    Advanced, Claim, DeviceStore, DueQuery, Erased, InboxQuery, InboxStore, Insertion, MessageQuery,
    MessageStore, Pull, ReceivedSms,
};
use smsgw_core::time::{Clock, ManualClock, Timestamp};
use smsgw_store::sqlite::{SqliteConfig, SqliteStore};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tempfile::TempDir;
use tracing::field::{Field, Visit};
use uuid::Uuid;

const LEASE: Duration = Duration::from_secs(30);
const LIFE: Duration = Duration::from_secs(3_600);

fn account() -> AccountId {
    Uuid::from_u128(1).into()
}

fn device() -> DeviceId {
    Uuid::from_u128(2).into()
}

fn requeue(max: usize) -> DueQuery {
    DueQuery { max, requeue: true }
}

fn set_aside(id: MessageId) -> Transition {
    let change = Change::SetAside { reason: Reason::DeviceOffline, release_device: false };
    Transition { id, fence: Fence::Unclaimed, change }
}

/// A store, its clock and a second way into its database.
struct Bench {
    directory: TempDir,
    clock: Arc<ManualClock>,
    store: SqliteStore,
    ids: IdSource,
}

impl Bench {
    async fn fresh() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_767_323_045_000_000)));
        let config = SqliteConfig::new(directory.path().join("smsgw.db"));
        let store = SqliteStore::open(config, clock.clone()).await.expect("a fresh database");
        Self { directory, clock, store, ids: IdSource::new() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("smsgw.db")
    }

    /// Inserts `count` queued messages, a second after each other.
    async fn messages(&self, account: AccountId, count: usize) -> Vec<MessageId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let message = self.message(account);
            ids.push(message.id);
            let row = Insertion::from(message);
            self.store.insert(&[row]).await.expect("insert");
            self.clock.advance(Duration::from_secs(1));
        }
        ids
    }

    fn message(&self, account: AccountId) -> Message {
        let now = self.clock.now();
        let to = "+5351234567".parse().expect("a number");
        let new = NewMessage::new(account, to, Body::new("hola").expect("a body"));
        NewMessage { ttl: LIFE, ..new }.accept(self.ids.next(now), now)
    }

    async fn set_aside(&self, ids: &[MessageId]) {
        let batch: Vec<_> = ids.iter().map(|id| set_aside(*id)).collect();
        let outcomes = self.store.advance(&batch).await.expect("advance");
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Advanced::Applied(_))), "{outcomes:?}");
    }

    async fn claim(&self, ids: &[MessageId]) -> Vec<Option<MessageId>> {
        let claims: Vec<_> = ids.iter().map(|id| Claim { id: *id, device: device() }).collect();
        let claimed = self.store.claim(&claims, LEASE).await.expect("claim");
        claimed.iter().map(|message| message.as_ref().map(|message| message.id)).collect()
    }

    async fn dispatch(&self, ids: &[MessageId]) {
        assert!(self.claim(ids).await.iter().all(Option::is_some));
        let change = Change::Dispatched { recheck: Some(LIFE) };
        let by = |id: &_| Transition { id: *id, fence: Fence::Epoch(1), change: change.clone() };
        self.store.advance(&ids.iter().map(by).collect::<Vec<_>>()).await.expect("advance");
    }

    async fn due(&self, query: DueQuery) -> (Vec<MessageId>, bool) {
        let due = self.store.due(query).await.expect("due");
        (due.jobs.iter().map(|job| job.id).collect(), due.more)
    }

    async fn damage(&self, id: MessageId, assignment: &str) {
        self.run(format!("UPDATE messages SET {assignment} WHERE id = x'{}'", id.as_uuid().simple())).await;
    }

    async fn run(&self, sql: String) {
        assert_eq!(self.affected(sql).await, 1);
    }

    async fn affected(&self, sql: String) -> u64 {
        let mut conn = SqliteConnection::connect(&self.path().display().to_string()).await.expect("SQLite");
        sqlx::raw_sql("PRAGMA ignore_check_constraints = ON").execute(&mut conn).await.expect("a pragma");
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("our table");
        done.rows_affected()
    }
}

#[tokio::test]
async fn due_goes_on() {
    for damage in ["state = 'lost'", "state = CAST(x'ff' AS TEXT)", "account = x'01'", "epoch = -1"] {
        let bench = Bench::fresh().await;
        let ids = bench.messages(account(), 3).await;
        assert!(bench.claim(&ids).await.iter().all(Option::is_some));
        bench.damage(ids[0], damage).await;
        bench.clock.advance(LEASE);
        assert_eq!(bench.due(requeue(1)).await, (vec![], true), "{damage}");
        assert_eq!(bench.due(requeue(10)).await, (ids[1..].to_vec(), false), "{damage}");
        assert_eq!(bench.due(requeue(1)).await, (vec![], false), "{damage}");
    }
}

#[tokio::test]
async fn due_pushes_again_what_it_can_read() {
    let bench = Bench::fresh().await;
    let ids = bench.messages(account(), 3).await;
    bench.damage(ids[1], "device = x'01'").await;
    bench.clock.advance(Duration::from_secs(600));
    assert_eq!(bench.due(requeue(10)).await, (vec![ids[0], ids[2]], false));
    bench.clock.advance(LIFE);
    let expired = bench.store.due(requeue(10)).await.expect("due").moved;
    assert_eq!(expired.iter().map(|moved| moved.id).collect::<Vec<_>>(), [ids[0], ids[2]]);
}

#[tokio::test]
async fn claim_waiting_goes_on() {
    let other: AccountId = Uuid::from_u128(3).into();
    for damage in ["encoding = 'morse'", "recipient = 'sip:alice'", "body = CAST(x'ff' AS TEXT)", "sim = -1"]
    {
        let bench = Bench::fresh().await;
        let ids = bench.messages(account(), 4).await;
        let others = bench.messages(other, 1).await;
        bench.set_aside(&ids).await;
        bench.set_aside(&others).await;
        bench.damage(ids[0], damage).await;
        bench.damage(ids[1], damage).await;
        // Fewer than asked for would say that nothing else waits.
        let pull = |account, max| Pull { device: device(), account, max };
        let pulls = [pull(account(), 1), pull(account(), 9), pull(other, 9)];
        let pulled = bench.store.claim_waiting(&pulls, LEASE).await.expect("claim_waiting");
        let pulled: Vec<Vec<_>> =
            pulled.iter().map(|list| list.iter().map(|message| message.id).collect()).collect();
        assert_eq!(pulled, [vec![ids[2]], vec![ids[3]], others], "{damage}");
        // Nobody can be given it, but its life ends as every other's.
        bench.clock.advance(LIFE);
        let moved = bench.store.due(requeue(10)).await.expect("due").moved;
        let ends: Vec<_> = moved.iter().map(|moved| (moved.id, moved.to)).collect();
        assert_eq!(ends, [(ids[0], State::Expired), (ids[1], State::Expired)], "{damage}");
    }
}

#[tokio::test]
async fn claim_answers_none() {
    let bench = Bench::fresh().await;
    let ids = bench.messages(account(), 3).await;
    bench.damage(ids[0], "encoding = 'morse'").await;
    bench.damage(ids[1], "state = 'lost'").await;
    assert_eq!(bench.claim(&ids).await, [None, None, Some(ids[2])]);
    // Neither is pushed again, only to be claimed in vain.
    bench.clock.advance(Duration::from_secs(10));
    assert_eq!(bench.due(requeue(10)).await, (vec![], false));
    bench.clock.advance(LIFE);
    let moved = bench.store.due(requeue(10)).await.expect("due").moved;
    assert!(moved.iter().any(|moved| moved.id == ids[0] && moved.to == State::Expired), "{moved:?}");
}

#[tokio::test]
async fn recall_goes_on() {
    let bench = Bench::fresh().await;
    let ids = bench.messages(account(), 2).await;
    bench.dispatch(&ids).await;
    bench.damage(ids[0], "account = x'01'").await;
    assert_eq!(bench.store.recall(&[device()]).await.expect("recall"), 1);
    assert_eq!(bench.store.recall(&[device()]).await.expect("recall"), 0);
}

#[tokio::test]
async fn advance_goes_on() {
    let bench = Bench::fresh().await;
    let ids = bench.messages(account(), 2).await;
    bench.damage(ids[0], "state = 'lost'").await;
    let unknown = bench.ids.next(bench.clock.now());
    let batch = [set_aside(ids[0]), set_aside(ids[1]), set_aside(unknown)];
    let outcomes = bench.store.advance(&batch).await.expect("advance");
    // It is there, so nobody is to be accused of having made it up.
    assert_eq!([&outcomes[0], &outcomes[2]], [&Advanced::Unchanged, &Advanced::Missing]);
    assert!(matches!(&outcomes[1], Advanced::Applied(moved) if moved.id == ids[1]), "{outcomes:?}");
}

#[tokio::test]
async fn all_that_is_over_is_erased() {
    for damage in ["recipient = 'sip:alice'", "recipient = CAST(x'ff' AS TEXT)", "state = 'lost'", "sim = -1"]
    {
        let bench = Bench::fresh().await;
        let ids = bench.messages(account(), 3).await;
        let cancel = Change::Cancel { device: None, by_asking: false };
        let by = |id: &_| Transition { id: *id, fence: Fence::Account(account()), change: cancel.clone() };
        bench.store.advance(&ids.iter().map(by).collect::<Vec<_>>()).await.expect("advance");
        bench.damage(ids[0], damage).await;
        bench.clock.advance(LIFE);
        let pseudonyms = Pseudonyms::new(&[1; 32]);
        let one = bench.store.erase_message(account(), ids[1], &pseudonyms).await.expect("erase_message");
        assert_eq!(one, Some(Erased::Done));
        let erase = async || bench.store.erase(bench.clock.now(), 10, &pseudonyms).await.expect("erase");
        assert_eq!([erase().await, erase().await], [2, 0], "{damage}");
        let kept = "DELETE FROM messages WHERE body <> '' OR recipient NOT GLOB '~[0-9a-f]*'";
        assert_eq!(bench.affected(kept.into()).await, 0, "{damage}");
    }
}

#[tokio::test]
async fn pages_hold_what_can_be_read() {
    let bench = Bench::fresh().await;
    let mut ids = bench.messages(account(), 9).await;
    for (i, damage) in
        [(0, "epoch = -1"), (3, "body = CAST(x'ff' AS TEXT)"), (4, "state = ''"), (8, "sim = 999")]
    {
        bench.damage(ids[i], damage).await;
    }
    ids = [7, 6, 5, 2, 1].map(|i| ids[i]).to_vec();
    for limit in 1..7 {
        let mut query = MessageQuery::new(account(), limit);
        let mut read = Vec::new();
        loop {
            let page = bench.store.messages(&query).await.expect("a page");
            assert!(page.items.len() == limit || page.next.is_none(), "pages are full");
            read.extend(page.items.iter().map(|message| message.id));
            query.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(read, ids, "{limit} a page");
    }
}

#[tokio::test]
async fn a_list_of_nothing_readable_ends() {
    let bench = Bench::fresh().await;
    for id in bench.messages(account(), 20).await {
        bench.damage(id, "state = 'lost'").await;
    }
    let page = bench.store.messages(&MessageQuery::new(account(), 2)).await.expect("a page");
    assert_eq!((page.items.len(), page.next), (0, None));
}

#[tokio::test]
async fn a_history_holds_what_can_be_read() {
    let bench = Bench::fresh().await;
    let ids = bench.messages(account(), 1).await;
    bench.set_aside(&ids).await;
    bench.run("UPDATE message_events SET state = 'lost' WHERE state = 'queued'".into()).await;
    let events = bench.store.events(account(), ids[0]).await.expect("events").expect("the message");
    assert_eq!(events.iter().map(|event| event.state).collect::<Vec<_>>(), [State::Scheduled]);
    let unknown = bench.ids.next(bench.clock.now());
    assert_eq!(bench.store.events(account(), unknown).await.expect("events"), None);
}

#[tokio::test]
async fn other_lists_hold_what_can_be_read() {
    let bench = Bench::fresh().await;
    let mut devices: Vec<DeviceId> = Vec::new();
    for name in ["one", "two", "three"] {
        let now = bench.clock.now();
        let id = bench.ids.next(now);
        let device = Device {
            id,
            account: account(),
            name: name.into(),
            description: None,
            protocol: Protocol::Native,
            rate_limit: None,
            paused: false,
            sims: Vec::new(),
            created_at: now,
            last_seen_at: None,
        };
        bench.store.create_device(&device).await.expect("create_device");
        let sms = ReceivedSms {
            id: Uuid::from_u128(7).into(),
            account: account(),
            device: id,
            from: "+5351234567".into(),
            body: "hola".into(),
            sim: None,
            received_at: now,
            erased_at: None,
        };
        bench.store.receive(&[sms]).await.expect("receive");
        devices.push(id);
        bench.clock.advance(Duration::from_secs(1));
    }
    bench.run("UPDATE devices SET protocol = 'pigeon' WHERE name = 'two'".into()).await;
    let middle = devices[1].as_uuid().simple();
    bench.run(format!("UPDATE inbox SET sim = -1 WHERE device = x'{middle}'")).await;
    let found = bench.store.find_devices(&devices).await.expect("find_devices");
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    let page = bench.store.devices(account(), None, 2).await.expect("devices");
    assert_eq!(page.items.iter().map(|device| device.id).collect::<Vec<_>>(), [devices[2], devices[0]]);
    assert_eq!(page.next, None);
    let query = InboxQuery { account: account(), device: None, after: None, limit: 2 };
    let page = bench.store.inbox(&query).await.expect("inbox");
    assert_eq!(page.items.iter().map(|sms| sms.device).collect::<Vec<_>>(), [devices[2], devices[0]]);
}

#[tokio::test]
async fn each_is_told_of_once_and_not_shown() {
    tracing::subscriber::set_global_default(Log).expect("the only one of this binary");
    let bench = Bench::fresh().await;
    let ids = bench.messages(account(), 2).await;
    bench.damage(ids[0], "recipient = 'sip:alice', body = CAST(x'ff' AS TEXT)").await;
    bench.claim(&ids).await;
    for _ in 0..3 {
        bench.store.messages(&MessageQuery::new(account(), 2)).await.expect("a page");
    }
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let told: Vec<_> = lines.iter().filter(|line| line.contains(&ids[0].to_string())).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("ERROR"), "{told:?}");
    assert!(
        !lines.iter().any(|line| line.contains("alice") || line.contains(&ids[1].to_string())),
        "{lines:?}"
    );
}

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps what our crates log.
struct Log;

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("smsgw")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}
