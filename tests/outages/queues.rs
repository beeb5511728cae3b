//! The queue goes away, and may come back empty: messages pause, and none is lost.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use smsgw::amqp::{AmqpConfig, AmqpQueue};
use smsgw::queue::Queue;
use smsgw::redis::{RedisConfig, RedisQueue};
use smsgw_test_support::{Missing, RabbitMq, Redis};

use crate::client::Load;
use crate::gateway::{Serving, embedded, sqlite};
use crate::phones::Phones;
use crate::suite::{LOADED, PAUSE, READY, case, measured};

const KEEPING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        // First, for it takes the longest to start.
        case("queues::rabbitmq_restarted", async || {
            let server = RabbitMq::start()?;
            let queue = AmqpQueue::open(AmqpConfig::new(server.url())).await.expect("a queue");
            let restart = || server.restart().expect("the same port and data");
            goes_on("RabbitMQ restarted", Arc::new(queue), 1, restart).await
        }),
        case("queues::redis_flushed", async || redis(&[], "Redis flushed", flush).await),
        case("queues::redis_killed", async || redis(&[], "Redis killed", kill).await),
        case("queues::redis_killed_that_keeps", async || redis(&KEEPING, "Redis killed, kept", kill).await),
    ]
}

async fn redis(settings: &[&str], what: &str, harm: impl Fn(&Redis)) -> Result<(), Missing> {
    let server = Redis::start_with(settings)?;
    let queue = RedisQueue::open(RedisConfig::new(server.url())).await.expect("a queue");
    goes_on(what, Arc::new(queue), 2, || harm(&server)).await
}

fn kill(server: &Redis) {
    server.kill();
    std::thread::sleep(Duration::from_secs(3));
    server.start_again().expect("the same port");
}

fn flush(server: &Redis) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("Redis");
    stream.write_all(b"FLUSHALL\r\n").expect("a command");
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"+OK\r\n");
}

/// `harm` is done so many times, and comes back when the queue is back.
async fn goes_on(what: &str, queue: Arc<dyn Queue>, turns: usize, harm: impl Fn()) -> Result<(), Missing> {
    let dir = tempfile::tempdir().expect("a directory");
    let store = sqlite(&dir).await;
    let (broker, transport, url) = embedded(&store).await;
    let gateway = Serving::start(store, queue, transport, |builder| builder).await;
    let phones = Phones::start(&gateway.handle, gateway.account, &url, 4).await;
    gateway.ready(READY).await;
    let load = Load::light(&gateway.api);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let harmed = Instant::now();
    for turn in 0..turns {
        tokio::time::sleep(Duration::from_secs(1)).await;
        harm();
        let back = Instant::now();
        // One that came after, and so was never in what was lost.
        let probe = [gateway.api.accepted(&format!("probe {turn}"))].into();
        let pause = phones.air.all_sent(&probe, back, PAUSE + LOADED).await;
        measured(&format!("{what}: the pause once it is back"), pause);
        assert!(pause < PAUSE + LOADED, "{pause:?}");
    }
    let last = Instant::now();
    let told = load.end();
    // Accepting a message needs no queue.
    told.is_honest(harmed);
    assert_eq!(told.refused(), 0, "a store is enough to accept");
    measured(&format!("{what}: the slowest answer"), told.slowest());
    let took = phones.air.all_sent(&told.accepted, last, PAUSE + LOADED).await;
    measured(&format!("{what}: the last message sent after the last probe"), took);
    gateway.all_known(&told.accepted, PAUSE + LOADED).await;
    phones.air.never_twice();
    drop(phones);
    gateway.end().await;
    broker.close().await;
    Ok(())
}
