//! How many jobs a second a queue takes and gives: push, lease and settle, a batch each, one after the other.

mod fixtures;

use std::ops::Range;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use fixtures::{queue_of, queues};
use smsgw_core::message::Priority;
use smsgw_core::queue::{Job, Queue, Settlement};
use tokio::runtime::Runtime;
use uuid::Uuid;

const BATCHES: [usize; 3] = [1, 100, 1_000];
/// Batches that wait in the queue, so that a lease finds one.
const AHEAD: u64 = 2;

/// Jobs of an id each, as long as `number` is not said again.
fn batch(number: u64, size: usize) -> Vec<Job> {
    let job = |at: usize| Job {
        id: Uuid::from_u64_pair(number, at as u64).into(),
        account: Uuid::from_u128(1).into(),
        priority: Priority::Normal,
        device: Some(Uuid::from_u128(2).into()),
    };
    (0..size).map(job).collect()
}

/// Pushes, leases and settles batches of `size`, numbered.
async fn turn(queue: &dyn Queue, size: usize, numbers: Range<u64>) -> Duration {
    let wanted = (numbers.end - numbers.start) as usize * size;
    let began = Instant::now();
    let mut leased = 0;
    for number in numbers {
        queue.push(&batch(number, size)).await.expect("push");
        leased += take(queue, size).await;
    }
    // A lease may have come back with a part of a batch.
    while leased < wanted {
        leased += take(queue, size).await;
    }
    began.elapsed()
}

async fn take(queue: &dyn Queue, size: usize) -> usize {
    let leased = queue.lease(size, Duration::from_secs(1)).await.expect("lease");
    let done: Vec<_> = leased.iter().map(|leased| (leased.receipt, Settlement::Done)).collect();
    queue.settle(&done).await.expect("settle").len()
}

fn queue(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    // Some places end tasks of theirs when they are dropped.
    let _inside = runtime.enter();
    'backends: for backend in queues() {
        let mut group = c.benchmark_group(format!("queue/{}", backend.name));
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for size in BATCHES {
            let Some(fixture) = runtime.block_on(backend.fresh()) else { continue 'backends };
            let queue = runtime.block_on(queue_of(&*fixture));
            for number in 0..AHEAD {
                runtime.block_on(queue.push(&batch(number, size))).expect("push");
            }
            let mut next = AHEAD;
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter_custom(|rounds| {
                    let numbers = next..next + rounds;
                    next = numbers.end;
                    runtime.block_on(turn(&*queue, size, numbers))
                });
            });
            runtime.block_on(queue.close()).expect("close");
        }
        group.finish();
    }
}

criterion_group!(benches, queue);
criterion_main!(benches);
