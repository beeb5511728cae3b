//! What the suite cannot see of [`AmqpQueue`]: a broker that dies, forgets, or cannot be reached.

use std::future::Future;
use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::id::{IdSource, MessageId};
use smsgw_core::message::Priority;
use smsgw_core::queue::{Job, Leased, Queue, Receipt, Settled, Settlement};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_store::amqp::{AmqpConfig, AmqpQueue};
use smsgw_test_support::{Missing, Proxy, RabbitMq};
use uuid::Uuid;

/// What callers may wait until they learn that RabbitMQ is away.
const QUICK: Duration = Duration::from_secs(2);
/// What a pause may take once RabbitMQ is back.
const PAUSE: Duration = Duration::from_secs(6);

/// `None`, and a word on why, where the server is not installed and nobody said that it must be.
fn had(server: Result<RabbitMq, Missing>) -> Option<RabbitMq> {
    let required = std::env::var("SMSGW_TEST_REQUIRE").unwrap_or_default();
    match server {
        Ok(server) => Some(server),
        Err(missing) if required.split(',').any(|one| one.trim() == "amqp") => panic!("{missing}"),
        Err(Missing(why)) => {
            writeln!(std::io::stderr(), "skipped: {why}").expect("stderr");
            None
        }
    }
}

/// One broker for the tests that do not harm it.
fn shared() -> Option<&'static RabbitMq> {
    static SERVER: OnceLock<Option<RabbitMq>> = OnceLock::new();
    SERVER.get_or_init(|| had(RabbitMq::start())).as_ref()
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

fn config(server: &RabbitMq, queue: &str) -> AmqpConfig {
    AmqpConfig { queue: queue.into(), ..AmqpConfig::new(server.url()) }
}

async fn open(config: AmqpConfig) -> Arc<AmqpQueue> {
    Arc::new(AmqpQueue::open(config).await.expect("a queue"))
}

/// The call fails, and soon.
async fn fails_quickly<T: std::fmt::Debug>(call: impl Future<Output = Result<T>>) {
    let start = Instant::now();
    let kind = call.await.expect_err("RabbitMQ is away").kind();
    assert!(start.elapsed() < QUICK, "{kind:?} took {:?}", start.elapsed());
    assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout), "{kind:?}");
}

/// Works again within the time that a pause may take, and with what was in the queue before.
async fn works_again(queue: &AmqpQueue, before: &[MessageId]) {
    let start = Instant::now();
    let mut seen = Vec::new();
    loop {
        let pushed = jobs(1);
        let worked = async {
            queue.push(&pushed).await?;
            loop {
                let leased = queue.lease(10, Duration::from_secs(1)).await?;
                queue.settle(&done(&leased)).await?;
                seen.extend(ids(&leased));
                if leased.is_empty() || seen.contains(&pushed[0].id) {
                    return Ok::<_, Error>(!leased.is_empty());
                }
            }
        };
        if matches!(worked.await, Ok(true)) && before.iter().all(|id| seen.contains(id)) {
            assert!(start.elapsed() < PAUSE, "it took {:?}", start.elapsed());
            return;
        }
        assert!(start.elapsed() < PAUSE, "it does not work again: {seen:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn admin(server: &RabbitMq) -> (Connection, Channel) {
    let connection =
        Connection::connect(&server.url(), ConnectionProperties::default()).await.expect("RabbitMQ");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_killed_and_loses_nothing() {
    let Some(server) = had(RabbitMq::start()) else { return };
    let queue = open(config(&server, "jobs")).await;
    let pushed = jobs(3);
    queue.push(&pushed).await.expect("push");
    let leased = queue.lease(1, Duration::ZERO).await.expect("lease");
    let waiting = tokio::spawn({
        let other = open(config(&server, "other")).await;
        async move { other.lease(1, Duration::from_secs(30)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.kill();
    fails_quickly(async { waiting.await.expect("the task ends") }).await;
    fails_quickly(queue.push(&jobs(1))).await;
    fails_quickly(queue.lease(1, Duration::from_secs(30))).await;
    fails_quickly(queue.ready()).await;
    assert_eq!(
        queue.settle(&done(&leased)).await.expect("settle"),
        [Settled::Stale],
        "it ended with the connection"
    );
    server.start_again().expect("the same port");
    let pushed: Vec<_> = pushed.iter().map(|job| job.id).collect();
    works_again(&queue, &pushed).await;

    // The same where it only stands still.
    server.pause();
    fails_quickly(queue.push(&jobs(1))).await;
    fails_quickly(queue.lease(1, Duration::from_secs(30))).await;
    server.resume();
    works_again(&queue, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_line_is_mended() {
    let Some(server) = shared() else { return };
    let proxy = Proxy::start(server.port(), 1).expect("a proxy");
    let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f", proxy.port());
    let queue = open(AmqpConfig { url, ..config(server, "line") }).await;
    works_again(&queue, &[]).await;
    let pushed = jobs(2);
    queue.push(&pushed).await.expect("push");
    let leased = queue.lease(1, Duration::ZERO).await.expect("lease");
    proxy.cut();
    let start = Instant::now();
    while queue.settle(&done(&leased)).await.expect("settle") != [Settled::Stale] {
        assert!(start.elapsed() < PAUSE, "the lease ends with the connection");
    }
    works_again(&queue, &ids(&leased)).await;
    proxy.down();
    fails_quickly(queue.push(&jobs(1))).await;
    fails_quickly(queue.lease(1, Duration::from_secs(30))).await;
    proxy.up();
    works_again(&queue, &[]).await;
    proxy.stall();
    fails_quickly(queue.push(&jobs(1))).await;
    fails_quickly(queue.lease(1, Duration::from_secs(30))).await;
    proxy.resume();
    works_again(&queue, &[]).await;
    proxy.latency(Duration::from_millis(20), Duration::from_millis(10));
    works_again(&queue, &[]).await;
}

/// A consumer is given as many jobs more as were settled. Those that are on their way when it is ended are not dropped, and
/// settled with the ones behind them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_when_a_consumer_ends_is_not_lost() {
    let Some(server) = shared() else { return };
    let proxy = Proxy::start(server.port(), 1).expect("a proxy");
    let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f", proxy.port());
    let queue = open(AmqpConfig { url, ..config(server, "underway") }).await;
    let other = open(config(server, "underway")).await;
    other.push(&jobs(995)).await.expect("push");
    let leased = queue.lease(1_000, Duration::from_secs(1)).await.expect("lease");
    assert_eq!(leased.len(), 995);
    queue.settle(&done(&leased)).await.expect("settle");
    proxy.latency(Duration::from_millis(20), Duration::ZERO);
    let pushed = jobs(300);
    let (source, all) = (other.clone(), pushed.clone());
    let pusher = tokio::spawn(async move {
        for job in all {
            source.push(&[job]).await.expect("push");
        }
    });
    let mut seen = Vec::new();
    loop {
        let over = pusher.is_finished();
        let leased = queue.lease(5, Duration::from_millis(500)).await.expect("lease");
        if leased.is_empty() && over {
            break;
        }
        queue.settle(&done(&leased)).await.expect("settle");
        seen.extend(ids(&leased));
    }
    let lost = pushed.iter().filter(|job| !seen.contains(&job.id)).count();
    assert_eq!(lost, 0, "of {}", pushed.len());
}

/// Both lines give at once. The one that is looked at first is settled before the other is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_looked_at_is_not_settled() {
    let Some(server) = shared() else { return };
    let (queue, other) = (open(config(server, "unseen")).await, open(config(server, "unseen")).await);
    for _ in 0..100 {
        let waiting = queue.clone();
        let lease = tokio::spawn(async move { waiting.lease(1, Duration::from_secs(5)).await });
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut pushed = jobs(2);
        pushed[1].priority = Priority::High;
        other.push(&pushed).await.expect("push");
        let mut leased = lease.await.expect("it ends").expect("lease");
        assert_eq!(queue.settle(&done(&leased)).await.expect("settle"), [Settled::Applied]);
        leased = queue.lease(1, Duration::from_secs(5)).await.expect("lease");
        assert_eq!(queue.settle(&done(&leased)).await.expect("settle"), [Settled::Applied]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_that_were_deleted_are_made_again() {
    let Some(server) = shared() else { return };
    let queue = open(config(server, "deleted")).await;
    works_again(&queue, &[]).await;
    let (_connection, channel) = admin(server).await;
    for name in ["deleted", "deleted.high"] {
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.expect("a delete");
    }
    works_again(&queue, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_put_there_is_removed() {
    let Some(server) = shared() else { return };
    let queue = open(config(server, "foreign")).await;
    let (_connection, channel) = admin(server).await;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    channel
        .basic_publish("".into(), "foreign".into(), options, b"no job", properties)
        .await
        .expect("a message");
    works_again(&queue, &[]).await;
    let start = Instant::now();
    while queue.depth().await.expect("depth").ready + queue.depth().await.expect("depth").leased > 0 {
        assert!(start.elapsed() < PAUSE, "it is gone");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Jobs that come when nobody waits any more are for other gateways.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_held_back() {
    let Some(server) = shared() else { return };
    let (idle, other) = (open(config(server, "held")).await, open(config(server, "held")).await);
    for count in [1, 5] {
        assert!(idle.lease(100, Duration::from_millis(10)).await.expect("lease").is_empty());
        let pushed = jobs(count);
        other.push(&pushed).await.expect("push");
        let mut seen = Vec::new();
        let start = Instant::now();
        while seen.len() < count {
            let leased = other.lease(100, Duration::from_millis(100)).await.expect("lease");
            other.settle(&done(&leased)).await.expect("settle");
            seen.extend(ids(&leased));
            assert!(start.elapsed() < PAUSE, "{} of {count} came", seen.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refuses_is_named() {
    let Some(server) = shared() else { return };
    let refused = |config: AmqpConfig| async move {
        let error = AmqpQueue::open(config).await.expect_err("refused");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        error.kind()
    };
    let with = |login: &str, vhost: &str| {
        AmqpConfig::new(format!("amqp://{login}@127.0.0.1:{}/{vhost}", server.port()))
    };
    assert_eq!(refused(with("guest:hunter2", "%2f")).await, ErrorKind::Unauthorized);
    assert_eq!(refused(with("guest:guest", "nowhere")).await, ErrorKind::Unauthorized);
    let (_connection, channel) = admin(server).await;
    let classic = QueueDeclareOptions::durable();
    channel.queue_declare("classic".into(), classic, FieldTable::default()).await.expect("a queue");
    assert_eq!(refused(config(server, "classic")).await, ErrorKind::Invalid);
    let nobody = AmqpConfig::new("amqp://guest:hunter2@127.0.0.1:1/%2f");
    assert_eq!(refused(nobody).await, ErrorKind::Unavailable);
}
