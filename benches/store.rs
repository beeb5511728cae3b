//! How many messages a second a store inserts, claims and moves on, a batch at a time, each committed before the next.

mod fixtures;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use fixtures::{message, store_of, stores};
use smsgw_core::id::{AccountId, DeviceId, IdSource};
use smsgw_core::message::Message;
use smsgw_core::state::{Change, Fence, Report, ReportState, Transition};
use smsgw_core::store::{Claim, Insertion, Store};
use smsgw_core::time::{Clock, SystemClock};
use tokio::runtime::Runtime;

const BATCHES: [usize; 3] = [1, 100, 1_000];
const LEASE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Insert,
    Claim,
    Dispatched,
    Sent,
}

impl Step {
    /// In the order of a message's life.
    const ALL: [Self; 4] = [Self::Insert, Self::Claim, Self::Dispatched, Self::Sent];

    const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Claim => "claim",
            Self::Dispatched => "dispatched",
            Self::Sent => "sent",
        }
    }
}

/// A store, and whose messages are in it.
struct Place<'a> {
    store: &'a dyn Store,
    ids: IdSource,
    account: AccountId,
    device: DeviceId,
}

impl<'a> Place<'a> {
    fn new(store: &'a dyn Store) -> Self {
        let (ids, now) = (IdSource::new(), SystemClock.now());
        Self { store, account: ids.next(now), device: ids.next(now), ids }
    }

    /// Takes `rounds` new batches to `last`, and says how long that step took.
    async fn turn(&self, last: Step, size: usize, rounds: u64) -> Duration {
        let mut took = Duration::ZERO;
        for _ in 0..rounds {
            let new = || message::message(self.ids.next(SystemClock.now()), self.account);
            let messages: Vec<Message> = (0..size).map(|_| new()).collect();
            for step in Step::ALL.into_iter().take_while(|step| *step != last) {
                self.step(step, &messages).await;
            }
            took += self.step(last, &messages).await;
        }
        took
    }

    async fn step(&self, step: Step, messages: &[Message]) -> Duration {
        match step {
            Step::Insert => {
                let rows: Vec<Insertion> = messages.iter().cloned().map(Insertion::from).collect();
                let began = Instant::now();
                self.store.insert(&rows).await.expect("insert");
                began.elapsed()
            }
            Step::Claim => {
                let claim = |message: &Message| Claim { id: message.id, device: self.device };
                let claims: Vec<_> = messages.iter().map(claim).collect();
                let began = Instant::now();
                let claimed = self.store.claim(&claims, LEASE).await.expect("claim");
                let took = began.elapsed();
                assert!(claimed.iter().all(Option::is_some), "nobody else is here");
                took
            }
            Step::Dispatched => {
                let change = Change::Dispatched { recheck: Some(LEASE) };
                self.advance(messages, Fence::Epoch(1), |_| change.clone()).await
            }
            Step::Sent => {
                let sent = |id| Report { id, state: ReportState::Sent, failure: None, attempt: Some(1) };
                let change = |ids: &IdSource| Change::Reported(sent(ids.next(SystemClock.now())));
                self.advance(messages, Fence::Device(self.device), change).await
            }
        }
    }

    async fn advance(
        &self,
        messages: &[Message],
        fence: Fence,
        change: impl Fn(&IdSource) -> Change,
    ) -> Duration {
        let by = |message: &Message| Transition { id: message.id, fence, change: change(&self.ids) };
        let transitions: Vec<_> = messages.iter().map(by).collect();
        let began = Instant::now();
        self.store.advance(&transitions).await.expect("advance");
        began.elapsed()
    }
}

fn store(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    // Some places end tasks of theirs when they are dropped.
    let _inside = runtime.enter();
    'backends: for backend in stores() {
        let mut group = c.benchmark_group(format!("store/{}", backend.name));
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        for step in Step::ALL {
            for size in BATCHES {
                let Some(fixture) = runtime.block_on(backend.fresh()) else { continue 'backends };
                let store = runtime.block_on(store_of(&*fixture));
                let place = Place::new(&*store);
                group.throughput(Throughput::Elements(size as u64));
                group.bench_function(BenchmarkId::new(step.name(), size), |bencher| {
                    bencher.iter_custom(|rounds| runtime.block_on(place.turn(step, size, rounds)));
                });
                runtime.block_on(store.close()).expect("close");
            }
        }
        group.finish();
    }
}

criterion_group!(benches, store);
criterion_main!(benches);
