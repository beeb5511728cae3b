//! What a row costs in SQLite: `cargo run --release -p smsgw-store --features sqlite --example sqlite_speed [DIRECTORY]`
//!
//! Takes messages from `queued` to `sent` in batches and prints, for each step, the microseconds of CPU (all threads)
//! and of waiting that one row took, its event and its share of the commit included. Then lets 100,000 messages wait
//! in the queue, and asks what is due.
#![allow(clippy::print_stdout)] // A program for people.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smsgw_core::id::{AccountId, DeviceId, IdSource, MessageId};
use smsgw_core::message::{Body, NewMessage};
use smsgw_core::state::{Change, Fence, Report, ReportState, Transition};
use smsgw_core::store::{Claim, DueQuery, Insertion, MessageStore, Store};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_store::sqlite::{SqliteConfig, SqliteStore};

const LEASE: Duration = Duration::from_secs(30);
/// Messages for each size of batch, enough to see CPU time in the kernel's clock of 10 ms.
const MESSAGES: usize = 40_000;
/// Messages that wait while it is asked what is due, and how often it is asked.
const WAITING: usize = 100_000;
const CALLS: usize = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let directory =
        std::env::args_os().nth(1).map_or_else(|| temporary.path().into(), std::path::PathBuf::from);
    let path = directory.join("speed.db");
    let store = SqliteStore::open(SqliteConfig::new(&path), Arc::new(SystemClock)).await?;
    let ids = IdSource::new();
    let account: AccountId = ids.next(SystemClock.now());
    let device: DeviceId = ids.next(SystemClock.now());
    println!("{:>6}  {:<24} {:>8} {:>8}", "batch", "step", "cpu µs", "wall µs");
    for batch in [1_000, 100, 10] {
        let mut messages: Vec<Vec<MessageId>> = Vec::new();
        let mut meter = Meter::start();
        for _ in 0..MESSAGES / batch {
            let rows: Vec<_> = (0..batch).map(|_| insertion(ids.next(SystemClock.now()), account)).collect();
            store.insert(&rows).await?;
            messages.push(rows.iter().map(|row| row.message.id).collect());
        }
        meter.print(batch, "insert");
        for ids in &messages {
            let claims: Vec<_> = ids.iter().map(|id| Claim { id: *id, device }).collect();
            assert!(store.claim(&claims, LEASE).await?.iter().all(Option::is_some));
        }
        meter.print(batch, "claim");
        let dispatched = Change::Dispatched { recheck: Some(LEASE) };
        for ids in &messages {
            let by = |id: &_| Transition { id: *id, fence: Fence::Epoch(1), change: dispatched.clone() };
            store.advance(&ids.iter().map(by).collect::<Vec<_>>()).await?;
        }
        meter.print(batch, "advance to dispatched");
        for rows in &messages {
            let sent = |id: &_| {
                let report = Report {
                    id: ids.next(SystemClock.now()),
                    state: ReportState::Sent,
                    failure: None,
                    attempt: None,
                };
                Transition { id: *id, fence: Fence::Device(device), change: Change::Reported(report) }
            };
            store.advance(&rows.iter().map(sent).collect::<Vec<_>>()).await?;
        }
        meter.print(batch, "advance to sent");
    }
    for _ in 0..WAITING / 1_000 {
        let rows: Vec<_> = (0..1_000).map(|_| insertion(ids.next(SystemClock.now()), account)).collect();
        store.insert(&rows).await?;
    }
    let mut meter = Meter::start();
    for _ in 0..CALLS {
        let due = store.due(DueQuery { max: 1_000, requeue: false }).await?;
        assert!(due.jobs.is_empty());
    }
    meter.print(1_000, "due (a call), all queued");
    store.close().await?;
    let bytes = std::fs::metadata(&path)?.len();
    println!("{} bytes a message", bytes / (3 * MESSAGES + WAITING) as u64);
    Ok(())
}

fn insertion(id: MessageId, account: AccountId) -> Insertion {
    let now = SystemClock.now();
    let to = "+5351234567".parse().expect("a number");
    let body = Body::from_stored("Su codigo es 123456. No lo comparta con nadie.");
    NewMessage::new(account, to, body).accept(id, now).into()
}

/// CPU and time since the last print.
struct Meter {
    cpu: Duration,
    started: Instant,
}

impl Meter {
    fn start() -> Self {
        Self { cpu: cpu(), started: Instant::now() }
    }

    fn print(&mut self, batch: usize, step: &str) {
        let count = if step.starts_with("due") { CALLS } else { MESSAGES };
        let each = |span: Duration| span.as_secs_f64() * 1e6 / count as f64;
        let (cpu_each, wall_each) = (each(cpu() - self.cpu), each(self.started.elapsed()));
        println!("{batch:>6}  {step:<24} {cpu_each:>8.1} {wall_each:>8.1}");
        *self = Self::start();
    }
}

/// The CPU time of this process, as Linux counts it: hundredths of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}
