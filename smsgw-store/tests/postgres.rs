//! What PostgreSQL alone has: a server that goes away and comes back, sessions that are ended, other writers, other
//! programs' pools.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use smsgw_core::conformance::REQUIRE;
use smsgw_core::error::{Error, ErrorKind};
use smsgw_core::id::{AccountId, DeviceId, IdSource, MessageId};
use smsgw_core::message::{Body, Message, NewMessage, Priority};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::queue::{Job, Queue};
use smsgw_core::state::{Change, Fence, Reason, Report, ReportState, State, Transition};
use smsgw_core::store::{
    Advanced, Claim, InboxQuery, InboxStore, Inserted, Insertion, MessageQuery, MessageStore, Pull, Received,
    ReceivedSms, Store,
};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_store::postgres::{PostgresConfig, PostgresQueue, PostgresStore};
use smsgw_test_support::{Direction, Missing, Postgres, Proxy};
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

const LEASE: Duration = Duration::from_secs(30);
/// How soon a call must fail while the server is away, and work when it is back.
const AWAY: Duration = Duration::from_secs(2);
const BACK: Duration = Duration::from_secs(5);

/// What `start` answers; `None` where the server is missing and may be.
fn present(server: Result<Postgres, Missing>) -> Option<Postgres> {
    let required = std::env::var(REQUIRE).unwrap_or_default();
    match server {
        Err(Missing(why)) if required.split(',').any(|name| name.trim() == "postgres") => {
            panic!("{REQUIRE} names it: {why}")
        }
        server => server.ok(),
    }
}

/// The server of the tests that leave it alone.
fn shared() -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    SERVER.get_or_init(|| present(Postgres::start())).as_ref()
}

/// A schema of its own on that server.
fn place(schema: &str) -> Option<PostgresConfig> {
    Some(PostgresConfig { schema: Some(schema.into()), ..PostgresConfig::new(shared()?.url()) })
}

async fn connect(config: &PostgresConfig) -> PostgresStore {
    PostgresStore::connect(config.clone()).await.expect("the server")
}

/// A store that reaches a server of its own through a proxy.
async fn through_a_proxy() -> Option<(Postgres, Proxy, PostgresStore)> {
    let server = present(Postgres::start())?;
    let proxy = Proxy::start(server.port(), 1).expect("a proxy");
    let url = server.url().replace(&server.port().to_string(), &proxy.port().to_string());
    let store = connect(&PostgresConfig::new(url)).await;
    Some((server, proxy, store))
}

/// Runs statements on a connection that is not ours.
async fn control(url: &str, sql: &str) {
    let mut conn = PgConnection::connect(url).await.expect("the server");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect(sql);
    conn.close().await.expect("close");
}

fn account() -> AccountId {
    Uuid::from_u128(1).into()
}

fn device() -> DeviceId {
    Uuid::from_u128(2).into()
}

fn insertion(ids: &IdSource) -> Insertion {
    let now = SystemClock.now();
    let to = "+5351234567".parse().expect("a number");
    let new = NewMessage::new(account(), to, Body::new("hola").expect("a body"));
    NewMessage { ttl: Duration::from_secs(3_600), ..new }.accept(ids.next(now), now).into()
}

async fn inserted(store: &PostgresStore, ids: &IdSource, count: usize) -> Vec<MessageId> {
    let rows: Vec<_> = (0..count).map(|_| insertion(ids)).collect();
    assert_eq!(store.insert(&rows).await.expect("insert"), vec![Inserted::New; count]);
    rows.iter().map(|row| row.message.id).collect()
}

async fn count(store: &PostgresStore) -> usize {
    store.messages(&MessageQuery::new(account(), 100_000)).await.expect("messages").items.len()
}

fn claims(ids: &[MessageId]) -> Vec<Claim> {
    ids.iter().map(|id| Claim { id: *id, device: device() }).collect()
}

/// Makes a call that must fail, soon, as one that may work later.
async fn fails_soon<T: std::fmt::Debug>(call: impl Future<Output = Result<T, Error>>) {
    let start = Instant::now();
    let error = call.await.expect_err("the server is away");
    assert!(start.elapsed() < AWAY, "took {:?}: {error}", start.elapsed());
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error:?}");
    assert!(error.is_retryable());
}

/// Repeats a call until it works again.
async fn works_soon<T>(call: impl AsyncFn() -> Result<T, Error>) -> T {
    let start = Instant::now();
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => assert!(start.elapsed() < BACK, "after {:?}: {error:?}", start.elapsed()),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_a_new_schema_at_once() {
    let Some(config) = place("race") else { return };
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let config = config.clone();
            tokio::spawn(async move { PostgresStore::connect(config).await.expect("connect") })
        })
        .collect();
    let ids = IdSource::new();
    for task in tasks {
        let store = task.await.expect("the task ends");
        inserted(&store, &ids, 1).await;
    }
    assert_eq!(count(&connect(&config).await).await, 8);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(config) = place("newer") else { return };
    connect(&config).await.close().await.expect("close");
    control(&config.url, "INSERT INTO newer._smsgw_migrations VALUES (99, 'tomorrow', 0)").await;
    let error = PostgresStore::connect(config.clone()).await.expect_err("schema 99");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("the database has schema 99"), "{error}");
    let error = PostgresQueue::connect(config, LEASE).await.expect_err("schema 99");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn what_cannot_be_reached_is_named_with_the_cure() {
    let Some(server) = shared() else { return };
    let url = server.url();
    let cases = [
        (url.replace("/postgres", "/nowhere"), ErrorKind::Invalid, "no such database"),
        (url.replace("postgres://smsgw@", "postgres://stranger@"), ErrorKind::Unauthorized, "check the URL"),
        ("postgres://smsgw:hunter2@127.0.0.1:1/x".into(), ErrorKind::Unavailable, "check the server"),
        ("not a url, hunter2".into(), ErrorKind::Invalid, "postgres://user:password@host"),
    ];
    for (url, kind, cure) in cases {
        let start = Instant::now();
        let error = PostgresStore::connect(PostgresConfig::new(&url)).await.expect_err(&url);
        assert_eq!(error.kind(), kind, "{url}: {error:?}");
        assert!(error.to_string().contains(cure), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
        assert!(start.elapsed() < AWAY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_stopped_is_found_again() {
    let Some(server) = present(Postgres::start()) else { return };
    let store = connect(&PostgresConfig::new(server.url())).await;
    let queue = store.queue(LEASE);
    let ids = IdSource::new();
    let mut committed = inserted(&store, &ids, 100).await;
    for _ in 0..2 {
        // As `pg_ctl stop -m immediate` does, while calls are under way.
        let busy = async {
            let mut done = Vec::new();
            loop {
                let row = insertion(&ids);
                match store.insert(std::slice::from_ref(&row)).await {
                    Ok(_) => done.push(row.message.id),
                    Err(_) => return done,
                }
            }
        };
        let kill = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            server.kill();
        };
        let (done, ()) = tokio::join!(busy, kill);
        assert!(!done.is_empty());
        committed.extend(done);
        fails_soon(store.insert(&[insertion(&ids)])).await;
        fails_soon(store.ready()).await;
        fails_soon(queue.lease(1, Duration::from_secs(10))).await;
        server.start_again().expect("the same port and data");
        works_soon(async || store.ready().await).await;
        works_soon(async || queue.ready().await).await;
        let found = works_soon(async || store.claim(&claims(&committed), LEASE).await).await;
        assert!(found.iter().all(Option::is_some), "nothing that was committed is lost");
        let aside = |id: &MessageId| {
            let change = Change::SetAside { reason: Reason::TransportDown, release_device: true };
            Transition { id: *id, fence: Fence::Epoch(1), change }
        };
        // Not to be claimed again in the next round.
        let moved: Vec<_> = committed.drain(..).map(|id| aside(&id)).collect();
        let outcomes = store.advance(&moved).await.expect("advance");
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Advanced::Applied(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_holds_up_nobody_for_long() {
    let Some(server) = present(Postgres::start()) else { return };
    let store = Arc::new(connect(&PostgresConfig::new(server.url())).await);
    let ids = Arc::new(IdSource::new());
    inserted(&store, &ids, 1).await;
    server.pause();
    // More calls than there are connections: whoever gets none fails as soon as the others.
    let calls: Vec<_> = (0..25)
        .map(|_| {
            let (store, ids) = (store.clone(), ids.clone());
            tokio::spawn(async move { fails_soon(store.insert(&[insertion(&ids)])).await })
        })
        .collect();
    for call in calls {
        call.await.expect("it failed soon");
    }
    server.resume();
    works_soon(async || store.ready().await).await;
    inserted(&store, &ids, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_packets_heals() {
    let Some((_server, proxy, store)) = through_a_proxy().await else { return };
    let ids = IdSource::new();
    inserted(&store, &ids, 1).await;
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.block(direction);
        for _ in 0..3 {
            fails_soon(store.insert(&[insertion(&ids)])).await;
        }
        proxy.resume();
        works_soon(async || store.ready().await).await;
        inserted(&store, &ids, 10).await;
    }
    proxy.cut();
    works_soon(async || store.ready().await).await;
}

/// A call may take as long as a caller waits, no longer, and what it has claimed until then is out of sight until its lease
/// ends. So what waits for many devices must not take a look for each of them.
#[tokio::test(flavor = "multi_thread")]
async fn many_devices_far_from_the_server_take_what_waits_in_one_call() {
    const DEVICES: usize = 64;
    let Some((_server, proxy, store)) = through_a_proxy().await else { return };
    let ids = inserted(&store, &IdSource::new(), 3 * DEVICES + 10).await;
    let aside = |id: &MessageId| Transition {
        id: *id,
        fence: Fence::Unclaimed,
        change: Change::SetAside { reason: Reason::WindowFull, release_device: false },
    };
    let set_aside = store.advance(&ids.iter().map(aside).collect::<Vec<_>>()).await.expect("set aside");
    assert!(set_aside.iter().all(|outcome| matches!(outcome, Advanced::Applied(_))), "{set_aside:?}");
    proxy.latency(Duration::from_millis(20), Duration::ZERO);
    let pulls: Vec<Pull> = (0..DEVICES)
        .map(|number| Pull {
            device: Uuid::from_u128(100 + number as u128).into(),
            account: account(),
            max: 3,
        })
        .collect();
    let claimed = store.claim_waiting(&pulls, LEASE).await.expect("in time");
    for (pull, messages) in pulls.iter().zip(&claimed) {
        assert_eq!(messages.len(), 3);
        assert!(messages.iter().all(|message| message.device == Some(pull.device)));
    }
    let oldest_first: Vec<MessageId> = claimed.iter().flatten().map(|message| message.id).collect();
    assert_eq!(oldest_first, ids[..3 * DEVICES]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_in_the_middle_is_an_error_and_no_more() {
    let Some(config) = place("ended") else { return };
    let store = Arc::new(connect(&config).await);
    let ids = inserted(&store, &IdSource::new(), 3).await;
    let mut other = PgConnection::connect(&config.url).await.expect("the server");
    sqlx::raw_sql("BEGIN; SELECT 1 FROM ended.messages FOR UPDATE").execute(&mut other).await.expect("locks");
    let task = tokio::spawn({
        let (store, claims) = (store.clone(), claims(&ids));
        async move { store.claim(&claims, LEASE).await }
    });
    let holder: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut other).await.expect("a number");
    // On a connection without a transaction, which would see the same activity for ever.
    let mut watcher = PgConnection::connect(&config.url).await.expect("the server");
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE $1 = ANY (pg_blocking_pids(pid)) AND query LIKE '%UPDATE messages%'";
    let start = Instant::now();
    loop {
        let ended = sqlx::query_scalar::<_, i64>(ended).bind(holder).fetch_one(&mut watcher).await;
        if ended.expect("a count") > 0 {
            break;
        }
        assert!(start.elapsed() < AWAY, "the claim never waited");
    }
    let error = task.await.expect("the task ends").expect_err("its session is gone");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("no locks");
    let claimed = store.claim(&claims(&ids), LEASE).await.expect("claim");
    assert!(claimed.iter().flatten().all(|message| message.attempts == 1), "nothing had happened");
    assert_eq!(claimed.iter().flatten().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_given_back_is_waited_for_in_vain() {
    let Some(config) = place("locked") else { return };
    let store = connect(&config).await;
    let ids = inserted(&store, &IdSource::new(), 1).await;
    let mut other = PgConnection::connect(&config.url).await.expect("the server");
    sqlx::raw_sql("BEGIN; SELECT 1 FROM locked.messages FOR UPDATE")
        .execute(&mut other)
        .await
        .expect("locks");
    fails_soon(store.claim(&claims(&ids), LEASE)).await;
    store.ready().await.expect("other connections are free");
    other.close().await.expect("close");
    assert!(works_soon(async || store.claim(&claims(&ids), LEASE).await).await[0].is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_batches_in_opposite_orders_never_fail() {
    let Some(config) = place("deadlock") else { return };
    // Two gateways.
    let stores = [Arc::new(connect(&config).await), Arc::new(connect(&config).await)];
    let source = IdSource::new();
    for _ in 0..200 {
        let ids = inserted(&stores[0], &source, 20).await;
        stores[0].claim(&claims(&ids), LEASE).await.expect("claim");
        let report = |id: &MessageId| {
            let report = Report {
                id: source.next(SystemClock.now()),
                state: ReportState::Acknowledged,
                failure: None,
                attempt: None,
            };
            Transition { id: *id, fence: Fence::Device(device()), change: Change::Reported(report) }
        };
        let forwards: Vec<_> = ids.iter().map(report).collect();
        let mut backwards: Vec<_> = ids.iter().map(report).collect();
        backwards.reverse();
        let tasks = [(0, forwards), (1, backwards)].map(|(gateway, batch)| {
            let store = stores[gateway].clone();
            tokio::spawn(async move { store.advance(&batch).await.expect("no deadlock") })
        });
        let mut applied = 0;
        for task in tasks {
            let outcomes = task.await.expect("the task ends");
            applied += outcomes.iter().filter(|outcome| matches!(outcome, Advanced::Applied(_))).count();
        }
        assert_eq!(applied, 20, "each message was acknowledged once");
    }
    for store in stores {
        // With its last connection a server counts what it has seen.
        store.close().await.expect("close");
    }
    let mut other = PgConnection::connect(&config.url).await.expect("the server");
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = sqlx::query_scalar(deadlocks).fetch_one(&mut other).await.expect("a count");
    assert_eq!(deadlocks, 0, "each would have cost a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_erase_at_once_share_the_work() {
    let Some(config) = place("erasing") else { return };
    let stores = [Arc::new(connect(&config).await), Arc::new(connect(&config).await)];
    let source = IdSource::new();
    let ids = inserted(&stores[0], &source, 1_000).await;
    stores[0].claim(&claims(&ids), LEASE).await.expect("claim");
    let report = |state| {
        let by = |id: &MessageId| {
            let report = Report { id: source.next(SystemClock.now()), state, failure: None, attempt: None };
            Transition { id: *id, fence: Fence::Device(device()), change: Change::Reported(report) }
        };
        ids.iter().rev().map(by).collect::<Vec<_>>()
    };
    stores[0].advance(&report(ReportState::Sent)).await.expect("advance");
    // Whatever stands there goes.
    let damage = "UPDATE erasing.messages SET recipient = 'sip:alice' \
         WHERE id IN (SELECT id FROM erasing.messages LIMIT 10)";
    control(&config.url, damage).await;
    let before = SystemClock.now() + LEASE;
    let tasks = stores.clone().map(|store| {
        tokio::spawn(async move {
            let mut erased = 0;
            loop {
                match store.erase(before, 70, &Pseudonyms::new(&[1; 32])).await.expect("no deadlock") {
                    0 => return erased,
                    more => erased += more,
                }
            }
        })
    });
    // Meanwhile they are delivered, which is no reason to pass any by.
    let outcomes = stores[1].advance(&report(ReportState::Delivered)).await.expect("advance");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Advanced::Applied(_))));
    let mut erased = 0;
    for task in tasks {
        erased += task.await.expect("the task ends");
    }
    assert_eq!(erased, 1_000, "each once");
    let page = stores[0].messages(&MessageQuery::new(account(), 2_000)).await.expect("messages");
    let is_erased = |message: &Message| {
        message.state == State::Delivered && message.to.is_pseudonym() && message.body.expose().is_empty()
    };
    assert!(page.items.iter().all(is_erased));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_again_meanwhile_is_not_erased() {
    let Some(config) = place("reopened") else { return };
    let store = Arc::new(connect(&config).await);
    let ids = inserted(&store, &IdSource::new(), 1).await;
    store.claim(&claims(&ids), LEASE).await.expect("claim");
    let change = Change::Dispatched { recheck: None };
    let silent = Transition { id: ids[0], fence: Fence::Epoch(1), change };
    assert!(matches!(store.advance(&[silent]).await.expect("advance")[..], [Advanced::Applied(_)]));
    // As another gateway does whose device says after all that it could not send.
    let mut other = PgConnection::connect(&config.url).await.expect("the server");
    let reopen = "BEGIN; UPDATE reopened.messages SET version = version + 1, ended_at = NULL";
    sqlx::raw_sql(reopen).execute(&mut other).await.expect("a lock");
    let erasing = tokio::spawn({
        let store = store.clone();
        async move { store.erase(SystemClock.now() + LEASE, 10, &Pseudonyms::default()).await }
    });
    let waits = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid' \
         AND transactionid = pg_current_xact_id()::xid)";
    let start = Instant::now();
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut other).await.expect("an answer") {
        assert!(start.elapsed() < AWAY, "it never waited");
    }
    sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("no lock");
    assert_eq!(erasing.await.expect("the task ends").expect("erase"), 0);
    let message = store.message(account(), ids[0]).await.expect("message").expect("is there");
    assert_eq!((message.body.expose(), message.erased_at), ("hola", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_calls_leave_connections_clean() {
    let Some(config) = place("dropped") else { return };
    // One connection, so that each call gets the one that the last has left.
    let config = PostgresConfig { connections: 1, ..config };
    let store = Arc::new(connect(&config).await);
    let ids = Arc::new(IdSource::new());
    for turn in 0..200_u64 {
        let rows = [insertion(&ids), insertion(&ids)];
        let wait = Duration::from_micros(turn * 7);
        let _ = tokio::time::timeout(wait, store.insert(&rows)).await;
        let claims = claims(&rows.map(|row| row.message.id));
        let _ = tokio::time::timeout(wait, store.claim(&claims, LEASE)).await;
    }
    assert_eq!(count(&store).await % 2, 0, "each batch is there as a whole or not at all");
    let mut other = PgConnection::connect(&config.url).await.expect("the server");
    let left = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&mut other).await.expect("a count");
    assert_eq!(left, 0);
    inserted(&store, &ids, 10).await;
}

#[tokio::test]
async fn a_foreign_pool_stays_open() {
    let Some(config) = place("foreign") else { return };
    connect(&config).await.close().await.expect("close");
    let options: sqlx::postgres::PgConnectOptions = config.url.parse().expect("a URL");
    let options = options.options([("search_path", "foreign")]);
    let pool = PgPoolOptions::new().max_connections(3).connect_lazy_with(options);
    let store = PostgresStore::from_pool(pool.clone()).await.expect("the same tables");
    let queue = PostgresQueue::from_pool(pool.clone(), LEASE).await.expect("the same tables");
    let ids = inserted(&store, &IdSource::new(), 50).await;
    assert!(store.claim(&claims(&ids), LEASE).await.expect("claim").iter().all(Option::is_some));
    store.close().await.expect("close");
    assert_eq!(store.ready().await.expect_err("closed").kind(), ErrorKind::Closed);
    queue.ready().await.expect("the queue is another handle");
    queue.close().await.expect("close");
    assert_eq!(sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&pool).await.expect("open"), 1);
}

#[tokio::test]
async fn store_and_queue_share_connections_and_close_apart() {
    let Some(config) = place("shared") else { return };
    let store = connect(&PostgresConfig { connections: 1, ..config }).await;
    let queue = store.queue(LEASE);
    let id = inserted(&store, &IdSource::new(), 1).await[0];
    queue
        .push(&[Job { id, account: account(), priority: Priority::Normal, device: None }])
        .await
        .expect("push");
    store.close().await.expect("close");
    let leased = queue.lease(1, Duration::ZERO).await.expect("the queue is open");
    assert_eq!(leased[0].job.id, id);
    queue.close().await.expect("close");
    assert_eq!(queue.ready().await.expect_err("closed").kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_received_zero_is_replaced_and_keeps_nobody_out() {
    let Some(config) = place("zero") else { return };
    let store = connect(&config).await;
    let ids = IdSource::new();
    let now = SystemClock.now();
    let sms = |body: &str| ReceivedSms {
        id: ids.next(now),
        account: account(),
        device: device(),
        from: "MiBanco\0".into(),
        body: body.into(),
        sim: None,
        received_at: now,
        erased_at: None,
    };
    let batch = [sms("a\0b"), sms("hola")];
    assert_eq!(store.receive(&batch).await.expect("receive"), [Received::New, Received::New]);
    let query = InboxQuery { account: account(), device: None, after: None, limit: 10 };
    let read: Vec<_> =
        store.inbox(&query).await.expect("inbox").items.into_iter().map(|sms| (sms.from, sms.body)).collect();
    assert_eq!(read[1], ("MiBanco\u{fffd}".into(), "a\u{fffd}b".into()));
    assert_eq!(read[0].1, "hola");
}

#[tokio::test]
async fn a_damaged_row_is_an_error_that_shows_nothing() {
    let Some(config) = place("damaged") else { return };
    let store = connect(&config).await;
    let id = inserted(&store, &IdSource::new(), 1).await[0];
    control(&config.url, "UPDATE damaged.messages SET recipient = 'sip:alice'").await;
    let error = store.message(account(), id).await.expect_err("no phone number");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!format!("{error:?}").contains("alice"), "{error:?}");
}

#[tokio::test]
async fn debug_shows_no_url() {
    let Some(config) = place("shown") else { return };
    let store = connect(&config).await;
    let shown = format!("{config:?} {store:?} {store} {:?}", store.queue(LEASE));
    assert!(!shown.contains("postgres://"), "{shown}");
}
