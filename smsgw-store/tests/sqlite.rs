//! What SQLite alone has: a file, its owner, its log, and processes that are killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smsgw_core::error::{ErrorKind, Result};
use smsgw_core::id::{AccountId, IdSource};
use smsgw_core::message::{Body, NewMessage};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::state::{Change, Fence, Transition};
use smsgw_core::store::{Inserted, Insertion, MessageQuery, MessageStore, Store};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_store::sqlite::{SqliteConfig, SqliteStore};
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

/// Names the database in the process that is to be killed.
const CHILD: &str = "SMSGW_TEST_CHILD";

async fn open(path: &Path) -> Result<SqliteStore> {
    SqliteStore::open(SqliteConfig::new(path), Arc::new(SystemClock)).await
}

fn account() -> AccountId {
    Uuid::from_u128(1).into()
}

fn insertion(ids: &IdSource) -> Insertion {
    let now = SystemClock.now();
    let to = "+5351234567".parse().expect("a number");
    let new = NewMessage::new(account(), to, Body::new("hola").expect("a body"));
    NewMessage { ttl: Duration::from_secs(60), ..new }.accept(ids.next(now), now).into()
}

async fn count(store: &SqliteStore) -> usize {
    store.messages(&MessageQuery::new(account(), 100_000)).await.expect("messages").items.len()
}

/// The commits in a write-ahead log that has not been put away: frames that say how large the database is after them.
/// <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>
fn commits(database: &Path) -> usize {
    let log = std::fs::read(database.with_extension("db-wal")).expect("the log");
    let word =
        |bytes: &[u8], at: usize| bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let page = word(&log, 8).expect("the page size") as usize;
    let salt = log[16..24].to_vec();
    let frames = log[32..].chunks_exact(24 + page);
    frames.take_while(|frame| frame[8..16] == salt).filter(|frame| word(frame, 4) != Some(0)).count()
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("data/smsgw.db");
    let store = open(&path).await.expect("a fresh database");
    store.insert(&[insertion(&IdSource::new())]).await.expect("insert");
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
    assert_eq!(mode(path.parent().expect("a directory")), 0o700);
}

#[tokio::test]
async fn what_cannot_be_a_database_is_named_with_the_cure() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "not a database\n".repeat(100)).expect("a file");
    let cases = [
        (directory.path().to_path_buf(), "is a directory; name a file in it"),
        (text.clone(), "is not a SQLite database; name another file"),
        (text.join("smsgw.db"), "name a file on a local disk"),
        ("/proc/smsgw/smsgw.db".into(), "name a"),
        ("".into(), "name a file on a local disk"),
    ];
    for (path, cure) in cases {
        let error = open(&path).await.expect_err("no database");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(cure), "{error}");
        assert!(!error.is_retryable());
    }
    assert!(std::fs::read_to_string(&text).is_ok_and(|text| text.starts_with("not a")), "it is left alone");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("smsgw.db");
    open(&path).await.expect("a fresh database").close().await.expect("close");
    let mut conn = SqliteConnection::connect(&path.display().to_string()).await.expect("SQLite");
    let newer = "INSERT INTO _smsgw_migrations VALUES (99, 'tomorrow', 0)";
    sqlx::raw_sql(newer).execute(&mut conn).await.expect("our table");
    conn.close().await.expect("close");
    let error = open(&path).await.expect_err("schema 99");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("the database has schema 99"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_a_new_file_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("smsgw.db");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { open(&path).await.expect("open") })
        })
        .collect();
    let ids = IdSource::new();
    for task in tasks {
        let store = task.await.expect("the task ends");
        assert_eq!(store.insert(&[insertion(&ids)]).await.expect("insert"), [Inserted::New]);
    }
    assert_eq!(count(&open(&path).await.expect("open")).await, 8);
}

/// Not a test of its own: what [`what_was_committed_survives_kill_9`] kills.
#[tokio::test]
async fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = open(Path::new(&path)).await.expect("open");
    let ids = IdSource::new();
    for _ in 0.. {
        let rows: Vec<_> = (0..10).map(|_| insertion(&ids)).collect();
        store.insert(&rows).await.expect("insert");
        let mut out = std::io::stdout().lock();
        writeln!(out, "committed").and_then(|()| out.flush()).expect("a reader");
    }
}

#[tokio::test]
async fn what_was_committed_survives_kill_9() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("smsgw.db");
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary again");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let told = lines.map_while(|line| line.ok()).filter(|line| line == "committed").take(50).count();
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    let kept = count(&open(&path).await.expect("open")).await;
    assert!(kept >= told * 10 && kept % 10 == 0, "told of {told} batches of 10, kept {kept} messages");
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("smsgw.db");
    let store = open(&path).await.expect("open");
    let ids = IdSource::new();
    let before = commits(&path);
    // On one thread both are in the channel before the writer sees either.
    let (one, two) = ([insertion(&ids)], [insertion(&ids)]);
    let (one, two) = tokio::join!(store.insert(&one), store.insert(&two));
    assert_eq!((one.expect("insert"), two.expect("insert")), (vec![Inserted::New], vec![Inserted::New]));
    assert_eq!(commits(&path) - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_tasks_insert_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("smsgw.db");
    let store = Arc::new(open(&path).await.expect("open"));
    let ids = Arc::new(IdSource::new());
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (store, ids) = (store.clone(), ids.clone());
            tokio::spawn(async move {
                for _ in 0..20 {
                    let rows = [insertion(&ids), insertion(&ids)];
                    assert_eq!(store.insert(&rows).await.expect("insert"), [Inserted::New, Inserted::New]);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task ends");
    }
    assert_eq!(count(&store).await, 16 * 20 * 2);
    assert!(commits(&path) < 16 * 20, "some of them shared a commit");
}

#[tokio::test]
async fn a_dropped_store_closes_its_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("smsgw.db");
    let store = open(&path).await.expect("open");
    let rows = [insertion(&IdSource::new())];
    // Dropped before it is answered, and the store with it: it is done all the same.
    tokio::select! {
        biased;
        outcome = store.insert(&rows) => panic!("answered at once: {outcome:?}"),
        () = std::future::ready(()) => drop(store),
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while path.with_extension("db-wal").exists() {
        assert!(Instant::now() < deadline, "the log was never put away");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(count(&open(&path).await.expect("open")).await, 1);
}

#[tokio::test]
async fn what_is_erased_is_not_in_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("smsgw.db");
    let store = open(&path).await.expect("open");
    let ids = IdSource::new();
    let mut rows: Vec<_> = (0..500).map(|_| insertion(&ids)).collect();
    for row in &mut rows {
        row.message.body = Body::new("only for you").expect("a body");
    }
    store.insert(&rows).await.expect("insert");
    let holds = |text: &str| {
        let file = std::fs::read(&path).expect("the file");
        file.windows(text.len()).any(|window| window == text.as_bytes())
    };
    let cancel = Change::Cancel { device: None, by_asking: false };
    let cancel = |row: &Insertion| Transition {
        id: row.message.id,
        fence: Fence::Account(account()),
        change: cancel.clone(),
    };
    store.advance(&rows.iter().map(cancel).collect::<Vec<_>>()).await.expect("advance");
    store.close().await.expect("close");
    assert!(holds("only for you") && holds("+5351234567"));
    let store = open(&path).await.expect("open");
    let far = SystemClock.now() + Duration::from_secs(60);
    let erased = store.erase(far, 1_000, &Pseudonyms::new(&[1; 32])).await.expect("erase");
    assert_eq!(erased, 500);
    store.close().await.expect("close");
    assert!(!holds("only for you") && !holds("+5351234567"));
}

#[tokio::test]
async fn a_damaged_row_is_an_error_that_shows_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("smsgw.db");
    let store = open(&path).await.expect("open");
    let row = insertion(&IdSource::new());
    store.insert(std::slice::from_ref(&row)).await.expect("insert");
    let mut conn = SqliteConnection::connect(&path.display().to_string()).await.expect("SQLite");
    let damage = "UPDATE messages SET recipient = 'sip:alice'";
    sqlx::raw_sql(damage).execute(&mut conn).await.expect("our table");
    let error = store.message(account(), row.message.id).await.expect_err("no phone number");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!format!("{error:?}").contains("alice"), "{error:?}");
}

#[tokio::test]
async fn debug_shows_the_path_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("smsgw.db");
    let store = open(&path).await.expect("open");
    assert_eq!(format!("{store:?}"), format!("SqliteStore {{ path: {path:?}, .. }}"));
    assert_eq!(store.to_string(), format!("SQLite store {}", path.display()));
}
