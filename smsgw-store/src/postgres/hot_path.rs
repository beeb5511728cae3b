//! What the way of messages costs in PostgreSQL: from being sent at once to the report of their device no index changes, and
//! where they go through the queue, those change once, when it is known which device it is.

use std::collections::HashSet;
use std::time::Duration;

use smsgw_core::id::{DeviceId, IdSource, MessageId};
use smsgw_core::message::{Body, Message, NewMessage};
use smsgw_core::state::{Change, Fence, Report, ReportState, State, Transition};
use smsgw_core::store::{Advanced, Claim, DueQuery, Inserted, Insertion, MessageStore, Store};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_test_support::Postgres;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{PostgresConfig, PostgresStore};

const LEASE: Duration = Duration::from_secs(30);
const MESSAGES: usize = 200;

fn queued(ids: &IdSource) -> Insertion {
    let now = SystemClock.now();
    let new = NewMessage::new(
        Uuid::from_u128(1).into(),
        "+5351234567".parse().expect("a number"),
        Body::new("hola").expect("a body"),
    );
    new.accept(ids.next(now), now).into()
}

fn born(ids: &IdSource, device: DeviceId, lease: Duration) -> Insertion {
    let row = queued(ids);
    let message = Message { state: State::Sending, device: Some(device), attempts: 1, ..row.message };
    Insertion { message, lease: Some(lease), ..row }
}

/// All that is said of `rows`, claimed by `device`, until they are delivered.
async fn deliver(store: &PostgresStore, ids: &IdSource, device: DeviceId, rows: &[Insertion]) {
    let reported = |state| {
        let report = Report { id: ids.next(SystemClock.now()), state, failure: None, attempt: None };
        (Fence::Device(device), Change::Reported(report))
    };
    let changes: [&dyn Fn() -> (Fence, Change); 4] = [
        &|| (Fence::Epoch(1), Change::Dispatched { recheck: Some(LEASE) }),
        &|| reported(ReportState::Acknowledged),
        &|| reported(ReportState::Sent),
        &|| reported(ReportState::Delivered),
    ];
    for change in changes {
        let by = |id: MessageId| {
            let (fence, change) = change();
            Transition { id, fence, change }
        };
        let batch: Vec<_> = rows.iter().map(|row| by(row.message.id)).collect();
        let outcomes = store.advance(&batch).await.expect("advance");
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Advanced::Applied(_))), "{outcomes:?}");
    }
}

/// How many changes of messages the server has seen, and how many of them left all indexes alone.
async fn changes(server: &Postgres, store: &PostgresStore) -> (i64, i64) {
    // With its last connection a server counts what it has seen.
    store.close().await.expect("close");
    let mut conn = PgConnection::connect(&server.url()).await.expect("the server");
    let counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'messages'";
    sqlx::query_as(counts).fetch_one(&mut conn).await.expect("counts")
}

/// A server of its own; `None` where it is missing and may be.
pub(super) fn server() -> Option<Postgres> {
    let required = std::env::var(smsgw_core::conformance::REQUIRE).unwrap_or_default();
    match Postgres::start() {
        Err(missing) if required.contains("postgres") => panic!("{missing:?}"),
        server => server.ok(),
    }
}

#[tokio::test]
async fn what_is_sent_at_once_changes_no_index() {
    let Some(server) = server() else { return };
    let store = PostgresStore::connect(PostgresConfig::new(server.url())).await.expect("a fresh database");
    let (ids, device) = (IdSource::new(), Uuid::from_u128(2).into());
    let rows: Vec<_> = (0..MESSAGES).map(|_| born(&ids, device, LEASE)).collect();
    assert_eq!(store.insert(&rows).await.expect("insert"), vec![Inserted::New; MESSAGES]);
    deliver(&store, &ids, device, &rows).await;
    let (changed, hot) = changes(&server, &store).await;
    assert_eq!(changed, 4 * i64::try_from(MESSAGES).expect("few"));
    // Where a page is full of what nobody has cleared away yet, the next version lies on another one.
    assert!(hot * 10 > changed * 9, "{hot} of {changed} changes left all indexes alone");
}

#[tokio::test]
async fn what_goes_through_the_queue_changes_indexes_once() {
    let Some(server) = server() else { return };
    let store = PostgresStore::connect(PostgresConfig::new(server.url())).await.expect("a fresh database");
    let (ids, device) = (IdSource::new(), Uuid::from_u128(2).into());
    let rows: Vec<_> = (0..MESSAGES).map(|_| queued(&ids)).collect();
    assert_eq!(store.insert(&rows).await.expect("insert"), vec![Inserted::New; MESSAGES]);
    let claims: Vec<_> = rows.iter().map(|row| Claim { id: row.message.id, device }).collect();
    let claimed = store.claim(&claims, LEASE).await.expect("claim");
    assert!(claimed.iter().all(Option::is_some));
    deliver(&store, &ids, device, &rows).await;
    let (changed, hot) = changes(&server, &store).await;
    assert_eq!(changed, 5 * i64::try_from(MESSAGES).expect("few"));
    // The claim alone: a device's messages are found by an index.
    assert!(hot * 10 > changed * 7, "{hot} of {changed} changes left all indexes alone");
}

/// Inserts five batches of what `row` makes.
async fn fill(store: &PostgresStore, row: impl Fn() -> Insertion) -> HashSet<MessageId> {
    let mut all = HashSet::new();
    for _ in 0..5 {
        let rows: Vec<_> = (0..1_000).map(|_| row()).collect();
        store.insert(&rows).await.expect("insert");
        all.extend(rows.iter().map(|row| row.message.id));
    }
    all
}

/// All of `left` are due, each once, and not in one call.
async fn due_in_several_calls(store: &PostgresStore, mut left: HashSet<MessageId>, requeue: bool) {
    let mut calls = 0;
    loop {
        let due = store.due(DueQuery { max: 10_000, requeue }).await.expect("due");
        calls += 1;
        assert!(due.jobs.len() < 4_000, "{} in one call", due.jobs.len());
        assert!(due.jobs.iter().all(|job| left.remove(&job.id)), "each once");
        if !due.more {
            break;
        }
    }
    assert!(calls > 1 && left.is_empty(), "{} are left after {calls} calls", left.len());
}

#[tokio::test]
async fn many_leases_that_end_together_are_looked_at_in_several_calls() {
    let Some(server) = server() else { return };
    let store = PostgresStore::connect(PostgresConfig::new(server.url())).await.expect("a fresh database");
    let (ids, device, lease) = (IdSource::new(), Uuid::from_u128(2).into(), Duration::from_millis(1));
    let left = fill(&store, || born(&ids, device, lease)).await;
    tokio::time::sleep(lease * 10).await;
    due_in_several_calls(&store, left, false).await;
}

#[tokio::test]
async fn what_a_queue_has_lost_is_pushed_again_in_several_calls() {
    let Some(server) = server() else { return };
    let store = PostgresStore::connect(PostgresConfig::new(server.url())).await.expect("a fresh database");
    let ids = IdSource::new();
    let left = fill(&store, || queued(&ids)).await;
    let mut conn = PgConnection::connect(&server.url()).await.expect("the server");
    let later = "UPDATE message_leases SET requeue_at = smsgw_now()";
    sqlx::raw_sql(later).execute(&mut conn).await.expect("a later time");
    due_in_several_calls(&store, left, true).await;
}
