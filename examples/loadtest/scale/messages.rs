//! Messages: a backlog of some that are due far in the future, and the life of others beside it.

use std::sync::Arc;
use std::time::Duration;

use smsgw::id::{AccountId, DeviceId, IdSource, MessageId, ReportId};
use smsgw::message::{Body, Message, NewMessage};
use smsgw::state::{Change, Fence, Report, ReportState, State, Transition};
use smsgw::store::{Claim, Cursor, DueQuery, Insertion, MessageQuery};
use smsgw::time::{Clock, SystemClock, Timestamp};
use tokio::task::JoinSet;

use super::Table;
use super::book::Book;
use super::ground::{Ground, Result};

/// Among which the messages are dealt out in turn.
const ACCOUNTS: u64 = 10;
const BATCH: u64 = 1_000;
/// How far apart those of the backlog were made.
const APART: Duration = Duration::from_millis(100);
const LEASE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a round asks what is due, and for each page.
const ASKED: usize = 30;
/// Batches that are filled in side by side.
const WRITERS: usize = 3;

pub(crate) struct Messages {
    ground: Ground,
    accounts: Vec<AccountId>,
    device: DeviceId,
    /// Of the backlog, whose ids are as old as its messages, and of the others.
    ids: [IdSource; 2],
    begun: Timestamp,
    rows: u64,
}

impl Messages {
    /// No messages yet. There may be `most`.
    pub(crate) fn new(ground: Ground, most: u64) -> Self {
        let ids = [IdSource::new(), IdSource::new()];
        let now = SystemClock.now();
        let accounts = (0..ACCOUNTS).map(|_| ids[1].next(now)).collect();
        let age = APART.saturating_mul(u32::try_from(most).unwrap_or(u32::MAX)) + DAY;
        Self { accounts, device: ids[1].next(now), ids, begun: now - age, rows: 0, ground }
    }

    fn made_at(&self, n: u64) -> Timestamp {
        self.begun + APART.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX))
    }

    fn fresh(&self, n: u64) -> Message {
        let now = SystemClock.now();
        self.message(self.ids[1].next(now), n, now)
    }

    fn message(&self, id: MessageId, n: u64, now: Timestamp) -> Message {
        let to = "+5351234567".parse().expect("a number");
        let body = Body::from_stored("Su codigo es 123456. No lo comparta con nadie. Vence en diez minutos.");
        NewMessage::new(self.accounts[(n % ACCOUNTS) as usize], to, body).accept(id, now)
    }
}

impl Table for Messages {
    fn ground(&mut self) -> &mut Ground {
        &mut self.ground
    }

    /// Adds messages that are scheduled for some time within a year until there are `rows`.
    async fn fill(&mut self, rows: u64, random: &mut fastrand::Rng) -> Result<()> {
        let mut writers = JoinSet::new();
        while self.rows < rows {
            let count = BATCH.min(rows - self.rows);
            let batch: Vec<Insertion> = (self.rows..self.rows + count)
                .map(|n| {
                    let created = self.made_at(n);
                    let message = self.message(self.ids[0].next(created), n, created);
                    let due_at = SystemClock.now() + DAY.mul_f64(1.0 + 364.0 * random.f64());
                    Insertion::from(Message {
                        state: State::Scheduled,
                        due_at,
                        expires_at: due_at + DAY,
                        ..message
                    })
                })
                .collect();
            self.rows += count;
            if writers.len() >= WRITERS
                && let Some(written) = writers.join_next().await
            {
                written??;
            }
            let store = Arc::clone(&self.ground.filler);
            writers.spawn(async move { store.insert(&batch).await.map(drop) });
        }
        while let Some(written) = writers.join_next().await {
            written??;
        }
        self.ground.settle().await
    }

    /// A thousand messages from `queued` to `sent`, a thousand whose time has come, and pages of lists. Leaves the
    /// table as large as it was.
    async fn round(&mut self, book: &mut Book, random: &mut fastrand::Rng) -> Result<()> {
        let ground = &self.ground;
        let store = &ground.store;
        let queued: Vec<Insertion> = (0..BATCH).map(|n| self.fresh(n).into()).collect();
        let mut fresh: Vec<MessageId> = queued.iter().map(|row| row.message.id).collect();
        book.time(ground, "insert 1,000", store.insert(&queued)).await?;
        for ids in fresh.chunks(100) {
            let claims: Vec<_> = ids.iter().map(|id| Claim { id: *id, device: self.device }).collect();
            let claimed = book.time(ground, "claim 100", store.claim(&claims, LEASE)).await?;
            all(&claimed, Option::is_some)?;
            let dispatched = |id: &_| Transition {
                id: *id,
                fence: Fence::Epoch(1),
                change: Change::Dispatched { recheck: Some(LEASE) },
            };
            let batch: Vec<_> = ids.iter().map(dispatched).collect();
            book.time(ground, "advance 100 to dispatched", store.advance(&batch)).await?;
            let sent = |id: &_| {
                let report = Report {
                    id: self.ids[1].next::<ReportId>(SystemClock.now()),
                    state: ReportState::Sent,
                    failure: None,
                    attempt: None,
                };
                Transition { id: *id, fence: Fence::Device(self.device), change: Change::Reported(report) }
            };
            let batch: Vec<_> = ids.iter().map(sent).collect();
            book.time(ground, "advance 100 to sent", store.advance(&batch)).await?;
        }
        let query = DueQuery { max: BATCH as usize, requeue: false };
        for _ in 0..ASKED {
            let due = book.time(ground, "due, nothing is", store.due(query)).await?;
            all(&due.jobs, |_| false)?;
        }
        let past = SystemClock.now() - Duration::from_secs(1);
        let scheduled = |n| Message { state: State::Scheduled, due_at: past, ..self.fresh(n) };
        let scheduled: Vec<Insertion> = (0..BATCH).map(|n| scheduled(n).into()).collect();
        store.insert(&scheduled).await?;
        fresh.extend(scheduled.iter().map(|row| row.message.id));
        let due = book.time(ground, "due, 1,000 are", store.due(query)).await?;
        if due.jobs.len() != scheduled.len() {
            return Err(format!("{} of {} are due", due.jobs.len(), scheduled.len()).into());
        }
        for _ in 0..ASKED {
            let account = *random.choice(&self.accounts).ok_or("no account")?;
            let query = MessageQuery::new(account, 50);
            full(&book.time(ground, "list, the newest 50", store.messages(&query)).await?.items)?;
            // With as many behind it as a page of one account needs.
            let place = random.u64(self.rows / 2..self.rows);
            let after = Some(Cursor { at: self.made_at(place), id: uuid::Uuid::nil() });
            let query = MessageQuery { after, ..query };
            full(&book.time(ground, "list, 50 deep in", store.messages(&query)).await?.items)?;
            let query = MessageQuery { after: None, state: Some(State::Failed), ..query };
            let failed = book.time(ground, "list, failed: none", store.messages(&query)).await?.items;
            all(&failed, |_| false)?;
        }
        self.ground.remove(&fresh).await?;
        self.ground.tidy(self.rows).await
    }
}

fn full<T>(page: &[T]) -> Result<()> {
    if page.len() == 50 { Ok(()) } else { Err(format!("a page of {}", page.len()).into()) }
}

fn all<T>(outcomes: &[T], is_good: impl Fn(&T) -> bool) -> Result<()> {
    match outcomes.iter().filter(|outcome| !is_good(outcome)).count() {
        0 => Ok(()),
        wrong => Err(format!("{wrong} of {} are not as they should be", outcomes.len()).into()),
    }
}
