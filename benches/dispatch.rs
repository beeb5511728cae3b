//! How fast the whole engine moves messages, from `submit` to the stored report `sent`, with backends that cost next to
//! nothing: intake, queue, claim, choice of device, send, report. One iteration is one message.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use smsgw::gateway::{Gateway, Handle, NewDevice, Running};
use smsgw::id::AccountId;
use smsgw::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw::message::{Body, NewMessage};
use smsgw::state::{ReportState, State};
use tokio::runtime::Runtime;
use tokio::sync::broadcast::error::RecvError;

/// Devices that share the load: enough that their windows (16 each) never hold a batch back.
const DEVICES: usize = 256;
/// Messages between two looks at the clock: memory use stays flat, since a store is made anew for each.
const ROUND: u64 = 50_000;

async fn start(batch: usize) -> (Running, Handle, AccountId) {
    let transport = MemoryTransport::new();
    let gateway = Gateway::builder(MemoryStore::new(), MemoryQueue::new(), transport.clone())
        .batch(batch)
        .observer_capacity(1 << 18)
        .build();
    let running = gateway.start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("bench").await.expect("an account").id;
    for n in 0..DEVICES {
        let new = NewDevice::new(n.to_string());
        let device = handle.create_device(account, new).await.expect("a device");
        transport.connect_echo(device.id, ReportState::Sent).await;
    }
    // Until the last device has been asked for what waited, the first messages would queue behind that.
    tokio::time::sleep(Duration::from_millis(20)).await;
    (running, handle, account)
}

/// Submits `messages` in batches and waits until each is stored as `sent`.
async fn round(batch: usize, messages: u64) -> Duration {
    let (running, handle, account) = start(batch).await;
    let to = "+5351234567".parse().expect("a number");
    let message = NewMessage::new(account, to, Body::new("a".repeat(100)).expect("a body"));
    let mut changes = handle.observe();
    let began = Instant::now();
    let submit = tokio::spawn(async move {
        let mut left = messages;
        while left > 0 {
            let n = left.min(batch as u64);
            handle.submit(vec![message.clone(); n as usize]).await.expect("accepted");
            left -= n;
        }
    });
    let mut sent = 0;
    while sent < messages {
        match changes.recv().await {
            Ok(change) => sent += u64::from(change.to == State::Sent),
            Err(RecvError::Lagged(_) | RecvError::Closed) => panic!("the bench counts every message"),
        }
    }
    let took = began.elapsed();
    submit.await.expect("submitted");
    running.drain(Duration::from_secs(5)).await.expect("drains");
    took
}

fn dispatch(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("dispatch/memory");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(3));
    for batch in [1, 16, 64, 256, 1_000] {
        group.bench_with_input(BenchmarkId::from_parameter(batch), &batch, |bencher, &batch| {
            bencher.to_async(&runtime).iter_custom(|messages| async move {
                let mut took = Duration::ZERO;
                let mut left = messages;
                while left > 0 {
                    let n = left.min(ROUND);
                    took += round(batch, n).await;
                    left -= n;
                }
                took
            });
        });
    }
    group.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
