//! How many messages a second a transport gives to its broker, a batch at a time, each waited for until the broker has
//! taken it. Beside each broker `bare`: what a loop around rumqttc does there with the same messages.

#[cfg(feature = "mqtt")]
mod bare;
#[path = "../fixtures/mod.rs"]
mod fixtures;

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use fixtures::{message, phone, transports};
use smsgw_core::conformance::transport::{Heard, TransportFixture};
use smsgw_core::device::Protocol;
use smsgw_core::id::{DeviceId, IdSource};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_core::transport::{Ack, Address, Command, Downlink, Sent, Transport};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

const BATCHES: [usize; 4] = [1, 16, 256, 1_000];
const DEVICES: usize = 16;

/// Messages on their way at most: what the broker has taken, and no device has heard. All may be for one device, and neither
/// the memory transport nor Mosquitto keeps more for one.
const UNDER_WAY: u32 = 1_000;

/// Devices that listen and say nothing.
struct Listeners {
    ids: Vec<DeviceId>,
    room: Arc<Semaphore>,
}

impl Listeners {
    async fn connect(fixture: &dyn TransportFixture) -> Self {
        let (mut ids, room) = (Vec::new(), Arc::new(Semaphore::new(UNDER_WAY as usize)));
        for _ in 0..DEVICES {
            let mut device = fixture.device(Protocol::Native).await.expect("every transport knows it");
            device.connect().await;
            ids.push(phone::id_of(&*device));
            let room = room.clone();
            tokio::spawn(async move {
                while let Some(Heard::Send { .. }) = device.hear(phone::LONG).await {
                    room.add_permits(1);
                }
            });
        }
        Self { ids, room }
    }

    /// Waits until there is room for `size` messages, and takes it.
    async fn take_room(&self, size: usize) {
        self.room.acquire_many(size as u32).await.expect("it is never closed").forget();
    }

    /// Waits until everything is heard, so that no sample pays for the one before.
    async fn hear_all(&self) {
        let all = self.room.acquire_many(UNDER_WAY);
        let all = tokio::time::timeout(Duration::from_secs(30), all).await.expect("what was taken arrives");
        drop(all.expect("it is never closed"));
    }

    fn batch(&self, size: usize) -> Vec<Downlink> {
        let ids = IdSource::new();
        let account = ids.next(SystemClock.now());
        let downlink = |device: &DeviceId| {
            let message = Box::new(message::message(ids.next(SystemClock.now()), account));
            let remaining = Duration::from_secs(86_400);
            Downlink { address: Address::Native(*device), command: Command::Send { message, remaining } }
        };
        self.ids.iter().cycle().take(size).map(downlink).collect()
    }
}

async fn turn(transport: &dyn Transport, listeners: &Listeners, batch: &[Downlink], rounds: u64) -> Duration {
    let began = Instant::now();
    for _ in 0..rounds {
        listeners.take_room(batch.len()).await;
        let sent = transport.send(batch).await.expect("send");
        assert!(sent.iter().all(|sent| matches!(sent, Sent::Taken)), "everyone listens");
    }
    began.elapsed()
}

/// What `work` comes to as a task of the runtime, as a gateway's work is: a thread beside it would be woken for each answer.
fn in_a_task<T: Send + 'static>(runtime: &Runtime, work: impl Future<Output = T> + Send + 'static) -> T {
    runtime.block_on(runtime.spawn(work)).expect("no panic")
}

fn settings(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(1_500));
}

fn transport(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    // Some places end tasks of theirs when they are dropped.
    let _inside = runtime.enter();
    for backend in transports() {
        let Some(fixture) = runtime.block_on(backend.fresh()) else { continue };
        let transport = fixture.transport();
        let mut inbox = runtime.block_on(transport.open()).expect("open");
        runtime.spawn(async move {
            let mut news = Vec::new();
            while inbox.receive(&mut news, 1_000).await > 0 {
                Ack::acknowledge(news.drain(..).map(|delivery| delivery.ack).collect());
            }
        });
        let listeners = Arc::new(runtime.block_on(Listeners::connect(&*fixture)));
        let mut group = c.benchmark_group(format!("transport/{}", backend.name));
        settings(&mut group);
        for size in BATCHES {
            let batch = Arc::new(listeners.batch(size));
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter_custom(|rounds| {
                    let (transport, listeners, batch) = (transport.clone(), listeners.clone(), batch.clone());
                    in_a_task(&runtime, async move {
                        let took = turn(&*transport, &listeners, &batch, rounds).await;
                        listeners.hear_all().await;
                        took
                    })
                });
            });
        }
        group.finish();
        runtime.block_on(transport.close()).expect("close");
    }
    #[cfg(feature = "mqtt")]
    bare::measure(c, &runtime);
}

criterion_group!(benches, transport);
criterion_main!(benches);
