//! What a job costs in the queues that are servers: `cargo run --release -p smsgw-store --features redis,amqp --example
//! queue_speed`. Starts servers of its own; one that is not installed is left out.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smsgw_core::message::Priority;
use smsgw_core::queue::{Job, Queue, Settlement};
use smsgw_store::amqp::{AmqpConfig, AmqpQueue};
use smsgw_store::redis::{RedisConfig, RedisQueue};
use smsgw_test_support::{RabbitMq, Redis};
use uuid::Uuid;

/// Jobs of a batch.
const BATCH: usize = 100;
/// How long each is measured.
const SPAN: Duration = Duration::from_secs(5);
/// Batches that wait in the queue, so that a lease finds one.
const AHEAD: u128 = 10;

fn batch(number: u128) -> Vec<Job> {
    let job = |at: u128| Job {
        id: Uuid::from_u128(number * BATCH as u128 + at).into(),
        account: Uuid::from_u128(1).into(),
        priority: Priority::Normal,
        device: Some(Uuid::from_u128(2).into()),
    };
    (0..BATCH as u128).map(job).collect()
}

/// The processor time of this process, in ticks of 10 ms.
fn own_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// Push, lease and settle, a batch each, one after the other.
async fn measure(
    name: &str,
    queue: Arc<dyn Queue>,
    server: impl Fn() -> Duration,
) -> Result<(), Box<dyn Error>> {
    for number in 0..AHEAD {
        queue.push(&batch(number)).await?;
    }
    let (start, own, theirs) = (Instant::now(), own_cpu(), server());
    let (mut number, mut jobs) = (AHEAD, 0_u32);
    let mut times = [Duration::ZERO; 3];
    while start.elapsed() < SPAN {
        let begin = Instant::now();
        queue.push(&batch(number)).await?;
        let pushed = Instant::now();
        let leased = queue.lease(BATCH, Duration::from_secs(1)).await?;
        let got = Instant::now();
        let settlements: Vec<_> = leased.iter().map(|leased| (leased.receipt, Settlement::Done)).collect();
        queue.settle(&settlements).await?;
        times[0] += pushed - begin;
        times[1] += got - pushed;
        times[2] += got.elapsed();
        number += 1;
        jobs += u32::try_from(leased.len())?;
    }
    let each = |span: Duration| span.as_secs_f64() * 1e6 / f64::from(jobs.max(1));
    writeln!(
        std::io::stdout(),
        "{name:<10} {:>7.0} jobs/s   µs a job: gateway CPU {:.1}, server CPU {:.1}; push {:.1}, lease {:.1}, settle {:.1}",
        f64::from(jobs) / start.elapsed().as_secs_f64(),
        each(own_cpu() - own),
        each(server() - theirs),
        each(times[0]),
        each(times[1]),
        each(times[2]),
    )?;
    queue.close().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let missing = |why: &dyn std::fmt::Display| writeln!(std::io::stderr(), "left out: {why}");
    for (name, settings) in [("redis", &[][..]), ("redis aof", &["--appendonly", "yes"])] {
        match Redis::start_with(settings) {
            Ok(redis) => {
                let queue = Arc::new(RedisQueue::open(RedisConfig::new(redis.url())).await?);
                measure(name, queue, || redis.cpu()).await?;
            }
            Err(why) => missing(&why)?,
        }
    }
    match RabbitMq::start() {
        Ok(rabbitmq) => {
            let queue = Arc::new(AmqpQueue::open(AmqpConfig::new(rabbitmq.url())).await?);
            measure("rabbitmq", queue, || rabbitmq.cpu()).await?;
        }
        Err(why) => missing(&why)?,
    }
    Ok(())
}
