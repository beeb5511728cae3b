//! What the suite cannot see of [`RedisQueue`] and [`RedisResults`]: a server that dies, forgets, or cannot be reached.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Commands;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::id::{IdSource, MessageId};
use smsgw_core::message::Priority;
use smsgw_core::queue::{Job, Leased, Queue, Receipt, Settled, Settlement};
use smsgw_core::state::{Reason, State};
use smsgw_core::store::Moved;
use smsgw_core::time::{Clock, SystemClock, Timestamp};
use smsgw_store::redis::{RedisConfig, RedisQueue, RedisResults};
use smsgw_test_support::{Missing, Proxy, Redis};
use tokio::sync::broadcast;
use uuid::Uuid;

/// What callers may wait until they learn that Redis is away.
const QUICK: Duration = Duration::from_secs(2);
/// What a pause may take once Redis is back.
const PAUSE: Duration = Duration::from_secs(6);

/// `None`, and a word on why, where the server is not installed and nobody said that it must be.
fn had(server: Result<Redis, Missing>) -> Option<Redis> {
    let required = std::env::var("SMSGW_TEST_REQUIRE").unwrap_or_default();
    match server {
        Ok(server) => Some(server),
        Err(missing) if required.split(',').any(|one| one.trim() == "redis") => panic!("{missing}"),
        Err(Missing(why)) => {
            writeln!(std::io::stderr(), "skipped: {why}").expect("stderr");
            None
        }
    }
}

fn jobs(count: usize) -> Vec<Job> {
    let ids = IdSource::new();
    let id = || ids.next(SystemClock.now());
    let job =
        || Job { id: id(), account: Uuid::from_u128(1).into(), priority: Priority::Normal, device: None };
    (0..count).map(|_| job()).collect()
}

fn done(leased: &[Leased]) -> Vec<(Receipt, Settlement)> {
    leased.iter().map(|leased| (leased.receipt, Settlement::Done)).collect()
}

fn ids(leased: &[Leased]) -> Vec<MessageId> {
    leased.iter().map(|leased| leased.job.id).collect()
}

async fn open(url: String) -> Arc<RedisQueue> {
    Arc::new(RedisQueue::open(RedisConfig::new(url)).await.expect("a queue"))
}

/// The call fails, and soon; says how.
async fn fails_quickly<T: std::fmt::Debug>(call: impl Future<Output = Result<T>>) -> ErrorKind {
    let start = Instant::now();
    let kind = call.await.expect_err("Redis is away").kind();
    assert!(start.elapsed() < QUICK, "{kind:?} took {:?}", start.elapsed());
    assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout), "{kind:?}");
    kind
}

/// Works again within the time that a pause may take.
async fn works_again(queue: &RedisQueue) {
    let start = Instant::now();
    loop {
        let [job] = jobs(1)[..] else { unreachable!() };
        let worked = async {
            queue.push(&[job]).await?;
            loop {
                let leased = queue.lease(10, Duration::from_secs(1)).await?;
                queue.settle(&done(&leased)).await?;
                if leased.is_empty() || ids(&leased).contains(&job.id) {
                    return Ok::<_, Error>(!leased.is_empty());
                }
            }
        };
        if matches!(worked.await, Ok(true)) {
            assert!(start.elapsed() < PAUSE, "it took {:?}", start.elapsed());
            return;
        }
        assert!(start.elapsed() < PAUSE, "it does not work again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What a killed server keeps follows from its own settings, and the queue goes on in either case.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_killed_and_comes_back() {
    let keeping = ["--appendonly", "yes", "--appendfsync", "always"];
    for (settings, kept) in [(&keeping[..], 3), (&[], 0)] {
        let Some(server) = had(Redis::start_with(settings)) else { return };
        let queue = open(server.url()).await;
        queue.push(&jobs(3)).await.expect("push");
        let waiting = tokio::spawn({
            let other = open(server.url()).await;
            async move {
                while !other.lease(1, Duration::from_secs(30)).await?.is_empty() {}
                Ok::<_, Error>(())
            }
        });
        while queue.depth().await.expect("depth").leased < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill();
        fails_quickly(async { waiting.await.expect("the task ends") }).await;
        fails_quickly(queue.push(&jobs(1))).await;
        fails_quickly(queue.lease(1, Duration::from_secs(30))).await;
        fails_quickly(queue.ready()).await;
        server.start_again().expect("the same port");
        let depth = queue.depth().await.expect("depth");
        assert_eq!(depth.ready + depth.leased, kept, "{settings:?}");
        works_again(&queue).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_noticed() {
    let Some(server) = had(Redis::start()) else { return };
    let queue = open(server.url()).await;
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.lease(1, Duration::from_secs(30)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.pause();
    let start = Instant::now();
    let error = waiting.await.expect("the task ends").expect_err("nothing answers");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        start.elapsed() < QUICK + Duration::from_millis(500),
        "a look and a timeout: {:?}",
        start.elapsed()
    );
    fails_quickly(queue.push(&jobs(1))).await;
    fails_quickly(queue.lease(1, Duration::from_secs(30))).await;
    server.resume();
    works_again(&queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_flushed_is_made_again() {
    let Some(server) = had(Redis::start()) else { return };
    let queue = open(server.url()).await;
    queue.push(&jobs(2)).await.expect("push");
    let leased = queue.lease(1, Duration::ZERO).await.expect("lease");
    let waiting = tokio::spawn({
        let other = open(server.url()).await;
        async move {
            assert_eq!(other.lease(10, Duration::from_secs(1)).await.expect("lease").len(), 1);
            other.lease(10, Duration::from_secs(10)).await
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut connection =
        redis::Client::open(server.url()).and_then(|client| client.get_connection()).expect("Redis");
    () = redis::cmd("FLUSHALL").query(&mut connection).expect("FLUSHALL");
    assert_eq!(queue.settle(&done(&leased)).await.expect("settle"), [Settled::Stale]);
    assert_eq!(queue.depth().await.expect("depth").ready, 0);
    let [job] = jobs(1)[..] else { unreachable!() };
    let start = Instant::now();
    queue.push(&[job]).await.expect("push");
    let leased = waiting.await.expect("the task ends").expect("it goes on");
    assert_eq!(ids(&leased), [job.id]);
    assert!(start.elapsed() < Duration::from_secs(1), "took {:?}", start.elapsed());
    works_again(&queue).await;

    // The same where somebody destroys the group alone.
    () = redis::cmd("XGROUP")
        .arg(&["DESTROY", "smsgw:queue:normal", "smsgw"])
        .query(&mut connection)
        .expect("gone");
    works_again(&queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_line_is_mended() {
    let Some(server) = had(Redis::start()) else { return };
    let proxy = Proxy::start(server.port(), 1).expect("a proxy");
    let queue = open(format!("redis://127.0.0.1:{}", proxy.port())).await;
    works_again(&queue).await;
    proxy.cut();
    works_again(&queue).await;
    proxy.down();
    fails_quickly(queue.push(&jobs(1))).await;
    fails_quickly(queue.lease(1, Duration::from_secs(30))).await;
    proxy.up();
    works_again(&queue).await;
    proxy.stall();
    fails_quickly(queue.push(&jobs(1))).await;
    fails_quickly(queue.lease(1, Duration::from_secs(30))).await;
    proxy.resume();
    works_again(&queue).await;
    proxy.latency(Duration::from_millis(20), Duration::from_millis(10));
    works_again(&queue).await;
}

/// Streams keep what was acknowledged, and consumers that are gone, unless somebody removes them.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind() {
    let Some(server) = had(Redis::start()) else { return };
    let queue = open(server.url()).await;
    for _ in 0..50 {
        queue.push(&jobs(100)).await.expect("push");
        let leased = queue.lease(100, Duration::ZERO).await.expect("lease");
        queue.settle(&done(&leased)).await.expect("settle");
    }
    let mut connection =
        redis::Client::open(server.url()).and_then(|client| client.get_connection()).expect("Redis");
    let key = "smsgw:queue:normal";
    let used: u64 = redis::cmd("MEMORY").arg("USAGE").arg(key).query(&mut connection).expect("MEMORY");
    assert!(used < 20_000, "{used} bytes for nothing");
    queue.close().await.expect("close");
    let consumers: Vec<redis::Value> =
        redis::cmd("XINFO").arg(&["CONSUMERS", key, "smsgw"]).query(&mut connection).expect("XINFO");
    assert!(consumers.is_empty(), "{consumers:?}");

    // What others put into the stream is no job: it goes, and disturbs nothing.
    let queue = open(server.url()).await;
    for (field, value) in [("j", "short"), ("x", "y")] {
        () = redis::cmd("XADD").arg(&[key, "*", field, value]).query(&mut connection).expect("XADD");
    }
    works_again(&queue).await;
    let depth = queue.depth().await.expect("depth");
    assert_eq!((depth.ready, depth.leased), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refuses_is_named() {
    let Some(server) = had(Redis::start_with(&["--requirepass", "hunter2"])) else { return };
    let refused = |url: String| async move {
        let error = RedisQueue::open(RedisConfig::new(url)).await.expect_err("no password");
        assert!(!format!("{error:?} {error}").contains("hunter3"));
        error.kind()
    };
    assert_eq!(refused(server.url()).await, ErrorKind::Unauthorized);
    let with = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port());
    assert_eq!(refused(with("hunter3")).await, ErrorKind::Unauthorized);
    works_again(&*open(with("hunter2")).await).await;
    server.stop();
    assert_eq!(refused(with("hunter2")).await, ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_and_clusters_are_understood() {
    let (Some(primary), Some(cluster)) = (had(Redis::start()), had(Redis::start_cluster())) else { return };
    let sentinel = Redis::start_sentinel(&primary, "primary").expect("a sentinel");
    for url in [
        format!("redis+sentinel://127.0.0.1:{}/primary", sentinel.port()),
        format!("redis+cluster://127.0.0.1:{}", cluster.port()),
    ] {
        let queue = open(url.clone()).await;
        works_again(&queue).await;
        let other = open(url.clone()).await;
        let waiting = tokio::spawn(async move { other.lease(5, Duration::from_secs(10)).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let pushed = jobs(1);
        queue.push(&pushed).await.expect("push");
        let leased = waiting.await.expect("the task ends").expect("lease");
        assert_eq!(ids(&leased), [pushed[0].id], "{url}");
        queue.close().await.expect("close");

        let (changes, observed) = broadcast::channel(16);
        let results = RedisResults::start(&RedisConfig::new(url.clone()), observed).await.expect("results");
        let (_others, theirs) = broadcast::channel(16);
        let other = RedisResults::start(&RedisConfig::new(url), theirs).await.expect("results");
        let mut heard = other.subscribe();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let moved = moved(State::Queued, State::Sending, 1);
        changes.send(moved.clone()).expect("an observer");
        let news = tokio::time::timeout(PAUSE, heard.recv()).await.expect("soon");
        assert_eq!(news.expect("news"), moved);
        assert_eq!(results.latest(moved.id).await.expect("latest"), Some(moved));
    }
}

fn moved(from: State, to: State, second: i64) -> Moved {
    Moved {
        id: Uuid::from_u128(7).into(),
        account: Uuid::from_u128(1).into(),
        device: Some(Uuid::from_u128(2).into()),
        from,
        to,
        reason: (to <= State::Queued).then_some(Reason::Retry),
        at: Timestamp::from_micros(1_767_323_045_000_000 + second * 1_000_000),
    }
}

/// What is known of the message of [`moved`], once something is.
async fn latest(results: &RedisResults) -> Moved {
    let id = moved(State::Queued, State::Queued, 0).id;
    let start = Instant::now();
    loop {
        if let Ok(Some(moved)) = results.latest(id).await {
            return moved;
        }
        assert!(start.elapsed() < PAUSE, "nothing was written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_told_and_kept_for_a_day() {
    let Some(server) = had(Redis::start()) else { return };
    let config = RedisConfig { prefix: "sms:".into(), ..RedisConfig::new(server.url()) };
    let (changes, observed) = broadcast::channel(16);
    let results = RedisResults::start(&config, observed).await.expect("results");
    let (other_changes, observed) = broadcast::channel(16);
    let other = RedisResults::start(&config, observed).await.expect("results");
    let (mut own, mut heard) = (results.subscribe(), other.subscribe());
    tokio::time::sleep(Duration::from_millis(300)).await;

    let later = moved(State::Sending, State::Dispatched, 2);
    changes.send(later.clone()).expect("an observer");
    let news = tokio::time::timeout(PAUSE, heard.recv()).await.expect("soon");
    assert_eq!(news.expect("news"), later, "the other gateway hears of it");
    assert_eq!(latest(&results).await, later);
    let mut connection =
        redis::Client::open(server.url()).and_then(|client| client.get_connection()).expect("Redis");
    let key = format!("sms:message:{}", later.id);
    let left: i64 = connection.ttl(&key).expect("TTL");
    assert!((86_300..=86_400).contains(&left), "{left}");
    let text: String = connection.get(&key).expect("GET");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&json["to"], &json["at"]), (&"dispatched".into(), &"2026-01-02T03:04:07Z".into()), "{text}");

    // What a slower gateway saw earlier is told and replaces nothing.
    let earlier = moved(State::Queued, State::Sending, 1);
    other_changes.send(earlier.clone()).expect("an observer");
    let news = tokio::time::timeout(PAUSE, own.recv()).await.expect("soon");
    assert_eq!(news.expect("news"), earlier);
    assert_eq!(latest(&results).await, later);
    assert!(own.try_recv().is_err(), "nobody hears of his own");

    results.close().await;
    results.close().await;
    assert_eq!((results.dropped(), other.dropped()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_cannot_be_written_are_dropped_and_counted() {
    let Some(server) = had(Redis::start()) else { return };
    let (changes, observed) = broadcast::channel(64);
    let results = RedisResults::start(&RedisConfig::new(server.url()), observed).await.expect("results");
    server.kill();
    let start = Instant::now();
    for second in 0..1_000 {
        changes.send(moved(State::Queued, State::Sending, second)).expect("an observer");
    }
    assert!(start.elapsed() < Duration::from_millis(100), "nobody waits for it");
    server.start_again().expect("the same port");
    let end = Instant::now() + PAUSE;
    while !matches!(results.latest(moved(State::Queued, State::Sending, 0).id).await, Ok(Some(moved))
        if moved.at == self::moved(State::Queued, State::Sending, 999).at)
    {
        assert!(Instant::now() < end, "the newest is written in the end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let dropped = results.dropped();
    assert!((1..1_000).contains(&dropped), "{dropped}");
    results.close().await;
}
