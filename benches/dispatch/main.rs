//! How fast the whole engine moves messages, from `submit` to the stored report `sent`: intake, queue, claim, choice of
//! device, send, report. `memory` is the engine alone, with backends that cost next to nothing; then each backend takes
//! the place of its memory one, and then what one would run. One iteration is one message.

#[path = "../fixtures/mod.rs"]
mod fixtures;
mod rig;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use rig::{Parts, Rig};
use tokio::runtime::Runtime;

/// That of the example gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Messages that a gateway carries before it is made anew, empty: memory use stays flat.
const ROUND: u64 = 50_000;
const BATCHES: &[usize] = &[1, 16, 64, 256, 1_000];
/// What can be told apart where a message costs more than the engine.
const FEW: &[usize] = &[1, 64, 256, 1_000];

/// What is measured: store, queue and transport by name, and in batches of which sizes.
const ALL: &[(Parts, &[usize])] = &[
    (["memory", "memory", "memory"], BATCHES),
    #[cfg(feature = "sqlite")]
    (["sqlite", "memory", "memory"], FEW),
    #[cfg(feature = "postgres")]
    (["postgres", "memory", "memory"], FEW),
    #[cfg(feature = "redis")]
    (["memory", "redis", "memory"], FEW),
    #[cfg(feature = "amqp")]
    (["memory", "amqp", "memory"], FEW),
    #[cfg(feature = "postgres")]
    (["memory", "postgres", "memory"], FEW),
    #[cfg(feature = "broker")]
    (["memory", "memory", "embedded"], FEW),
    #[cfg(feature = "mqtt")]
    (["memory", "memory", "mosquitto"], FEW),
    #[cfg(all(feature = "sqlite", feature = "broker"))]
    (["sqlite", "memory", "embedded"], &[1, 256]),
    #[cfg(all(feature = "postgres", feature = "mqtt"))]
    (["postgres", "memory", "mosquitto"], &[1, 256]),
    #[cfg(all(feature = "postgres", feature = "mqtt"))]
    (["postgres", "postgres", "mosquitto"], &[256]),
    #[cfg(all(feature = "postgres", feature = "mqtt", feature = "redis"))]
    (["postgres", "redis", "mosquitto"], &[256]),
    #[cfg(all(feature = "postgres", feature = "mqtt", feature = "amqp"))]
    (["postgres", "amqp", "mosquitto"], &[256]),
];

fn name(parts: Parts) -> String {
    match parts {
        ["memory", "memory", "memory"] => "dispatch/memory".into(),
        _ => format!("dispatch/{}", parts.join(" + ")),
    }
}

/// Carries `messages`, in rigs that are made anew where one has carried enough.
async fn carry(rig: &mut Option<Rig>, parts: Parts, batch: usize, messages: u64) -> Duration {
    let (mut took, mut left) = (Duration::ZERO, messages);
    while left > 0 {
        let worn = rig.take_if(|rig| rig.carried >= ROUND);
        if let Some(worn) = worn {
            worn.stop().await;
        }
        let rig = match rig {
            Some(rig) => rig,
            None => rig.insert(Rig::start(parts, batch).await.expect("it was there before")),
        };
        let n = left.min(ROUND - rig.carried);
        took += rig.carry(n).await;
        left -= n;
    }
    took
}

fn dispatch(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for (parts, batches) in ALL {
        let mut group = c.benchmark_group(name(*parts));
        group.throughput(Throughput::Elements(1)).sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
        for batch in *batches {
            let mut rig = runtime.block_on(Rig::start(*parts, *batch));
            if rig.is_none() {
                break;
            }
            group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
                bencher.iter_custom(|messages| runtime.block_on(carry(&mut rig, *parts, *batch, messages)));
            });
            if let Some(rig) = rig {
                runtime.block_on(rig.stop());
            }
        }
        group.finish();
    }
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
