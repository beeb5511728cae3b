//! What a row costs in PostgreSQL: `cargo run --release -p smsgw-store --features postgres --example postgres_speed [URL]`
//!
//! Takes messages from `queued` to `sent` in batches and prints, for each step, the microseconds of CPU that one row
//! took here and in the server, and of waiting, its event and its share of the commit included; then the same for jobs
//! of the queue. Then lets 100,000 messages wait, and asks what is due. Without a URL it starts a server of its own,
//! which waits for the disk.
#![allow(clippy::print_stdout)] // A program for people.

use std::error::Error;
use std::time::{Duration, Instant};

use smsgw_core::id::{AccountId, DeviceId, IdSource, MessageId};
use smsgw_core::message::{Body, NewMessage, Priority};
use smsgw_core::queue::{Job, Queue, Settlement};
use smsgw_core::state::{Change, Fence, Report, ReportState, Transition};
use smsgw_core::store::{Claim, DueQuery, Insertion, MessageStore, Store};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_store::postgres::{PostgresConfig, PostgresStore};
use smsgw_test_support::Postgres;

const LEASE: Duration = Duration::from_secs(30);
/// Messages for each size of batch, enough to see CPU time in the kernel's clock of 10 ms.
const MESSAGES: usize = 40_000;
/// Messages that wait while it is asked what is due, and how often it is asked.
const WAITING: usize = 100_000;
const CALLS: usize = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let own = match std::env::args().nth(1) {
        Some(_) => None,
        None => {
            Some(Postgres::start_with(&["fsync=on", "shared_buffers=128MB"]).map_err(|missing| missing.0)?)
        }
    };
    let url = own.as_ref().map(Postgres::url).or_else(|| std::env::args().nth(1)).unwrap_or_default();
    let config = PostgresConfig { schema: Some("speed".into()), ..PostgresConfig::new(url) };
    let store = PostgresStore::connect(config).await?;
    let queue = store.queue(LEASE);
    let ids = IdSource::new();
    let account: AccountId = ids.next(SystemClock.now());
    let device: DeviceId = ids.next(SystemClock.now());
    println!("{:>6}  {:<24} {:>9} {:>9} {:>9}", "batch", "step", "cpu µs", "server µs", "wall µs");
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
        for ids in &messages {
            let job = |id: &_| Job { id: *id, account, priority: Priority::Normal, device: None };
            queue.push(&ids.iter().map(job).collect::<Vec<_>>()).await?;
        }
        meter.print(batch, "queue: push");
        for _ in 0..MESSAGES / batch {
            let leased = queue.lease(batch, Duration::ZERO).await?;
            let done: Vec<_> = leased.iter().map(|leased| (leased.receipt, Settlement::Done)).collect();
            queue.settle(&done).await?;
        }
        meter.print(batch, "queue: lease and settle");
        assert_eq!(queue.depth().await?.ready, 0);
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
    queue.close().await?;
    store.close().await?;
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
    own: Duration,
    server: Duration,
    started: Instant,
}

impl Meter {
    fn start() -> Self {
        Self { own: cpu("self"), server: server_cpu(), started: Instant::now() }
    }

    fn print(&mut self, batch: usize, step: &str) {
        let count = if step.starts_with("due") { CALLS } else { MESSAGES };
        let each = |span: Duration| span.as_secs_f64() * 1e6 / count as f64;
        let (own, server) = (each(cpu("self") - self.own), each(server_cpu().saturating_sub(self.server)));
        println!("{batch:>6}  {step:<24} {own:>9.1} {server:>9.1} {:>9.1}", each(self.started.elapsed()));
        *self = Self::start();
    }
}

/// The CPU time of all programs of this name here: the server's, where no other runs.
fn server_cpu() -> Duration {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let is_server = |id: &String| {
        std::fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.trim() == "postgres")
    };
    names.filter(is_server).map(|id| cpu(&id)).sum()
}

/// The CPU time of a process, as Linux counts it: hundredths of a second.
fn cpu(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}
