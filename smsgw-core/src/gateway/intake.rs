//! Accepts messages: whatever waits while a write is under way is the next batch, and goes to the store as one.

use std::collections::HashSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::birth::Births;
use super::retry::is_poison;
use super::{Shared, Submitted, queued};
use crate::crash;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::id::DeviceId;
use crate::message::{Message, NewMessage};
use crate::queue::Job;
use crate::state::{Reason, State};
use crate::store::{Idempotency, Inserted, Insertion};
use crate::time::Timestamp;

/// Rows of one write.
const BATCH: usize = 1_000;
/// Messages that wait to be committed. More are refused: the caller has them still, and memory stays flat.
const BACKLOG: usize = 16_384;

/// Messages of one caller, and where the outcomes go.
pub(super) struct Submission {
    rows: Vec<Insertion>,
    // Whether no id is of the caller's choice, and so none can be that of a message that is on its way.
    are_new: bool,
    answer: oneshot::Sender<Result<Vec<Inserted>>>,
    _room: OwnedSemaphorePermit,
}

impl Submission {
    /// A caller that has gone left its messages as the outcomes say.
    fn answer(self, outcomes: Result<Vec<Inserted>>) {
        let _ = self.answer.send(outcomes);
    }
}

pub(super) struct Intake {
    submissions: mpsc::Sender<Submission>,
    room: Arc<Semaphore>,
}

impl Intake {
    pub(super) fn new() -> (Self, mpsc::Receiver<Submission>) {
        let (submissions, receiver) = mpsc::channel(BACKLOG);
        (Self { submissions, room: Arc::new(Semaphore::new(BACKLOG)) }, receiver)
    }

    pub(super) async fn submit(&self, shared: &Shared, batch: Vec<NewMessage>) -> Result<Vec<Submitted>> {
        let (messages, now) = (batch.len(), shared.clock.now());
        let outcomes = self.accept(shared, batch, now).await;
        let (mut accepted, mut refused) = (0, 0);
        match &outcomes {
            Ok(outcomes) => outcomes.iter().for_each(|outcome| match outcome {
                Submitted::Accepted(_) => accepted += 1,
                Submitted::Duplicate(_) => {}
                Submitted::Mismatch | Submitted::UnknownDevice => refused += 1,
            }),
            Err(_) => refused = messages,
        }
        shared.counters.intake.add(now.until(shared.clock.now()), accepted);
        shared.counters.refused.add(refused);
        outcomes
    }

    async fn accept(
        &self,
        shared: &Shared,
        batch: Vec<NewMessage>,
        now: Timestamp,
    ) -> Result<Vec<Submitted>> {
        if shared.stop.is_cancelled() {
            return Err(closed());
        }
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let strangers = foreign_devices(shared, &batch).await?;
        let mut outcomes: Vec<Option<Submitted>> = Vec::with_capacity(batch.len());
        let mut rows = Vec::with_capacity(batch.len());
        let are_new = batch.iter().all(|new| new.id.is_none());
        for mut new in batch {
            if new.device.is_some_and(|device| strangers.contains(&device)) {
                outcomes.push(Some(Submitted::UnknownDevice));
                continue;
            }
            let idempotency =
                new.idempotency_key.take().map(|key| Idempotency { key, fingerprint: fingerprint(&new) });
            let id = new.id.unwrap_or_else(|| shared.ids.next(now));
            rows.push(Insertion { message: new.accept(id, now), idempotency, lease: None });
            outcomes.push(None);
        }
        if !rows.is_empty() {
            // The caller keeps its own copy of what it submitted, so that the batch need not come back.
            let submitted: Vec<Message> = rows.iter().map(|row| row.message.clone()).collect();
            let mut inserted = Vec::with_capacity(rows.len());
            while !rows.is_empty() {
                let later = rows.split_off(rows.len().min(BATCH));
                inserted.extend(self.insert(std::mem::replace(&mut rows, later), are_new).await?);
            }
            let mut inserted = submitted.into_iter().zip(inserted);
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
                *outcome = inserted.next().map(|(message, inserted)| match inserted {
                    Inserted::New => Submitted::Accepted(message),
                    Inserted::Duplicate(earlier) => Submitted::Duplicate(*earlier),
                    Inserted::Mismatch => Submitted::Mismatch,
                });
            }
        }
        let outcomes: Option<Vec<Submitted>> = outcomes.into_iter().collect();
        outcomes.ok_or_else(|| {
            Error::new(ErrorKind::Internal, "gateway", "submit")
                .with_detail("the store answered too few outcomes")
        })
    }

    async fn insert(&self, rows: Vec<Insertion>, are_new: bool) -> Result<Vec<Inserted>> {
        let size = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(size).map_err(|_| {
            Error::new(ErrorKind::Throttled, "gateway", "submit")
                .with_detail("more messages wait to be committed than the gateway keeps in memory")
                .with_retry(Retry::After(std::time::Duration::from_secs(1)))
        })?;
        let (answer, answered) = oneshot::channel();
        let submission = Submission { rows, are_new, answer, _room: room };
        self.submissions.send(submission).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "gateway", "submit").with_detail("the gateway is shutting down")
}

/// The devices of `batch` that are not the sender's. Devices that are online are known without asking the store.
async fn foreign_devices(shared: &Shared, batch: &[NewMessage]) -> Result<HashSet<DeviceId>> {
    let mut foreign = HashSet::new();
    let mut unknown = Vec::new();
    for new in batch {
        let Some(device) = new.device else { continue };
        match shared.fleet.account(device) {
            Some(account) if account == new.account => {}
            Some(_) => {
                foreign.insert(device);
            }
            None => unknown.push((device, new.account)),
        }
    }
    if !unknown.is_empty() {
        let ids: Vec<DeviceId> = unknown.iter().map(|(device, _)| *device).collect();
        let found = shared.store.find_devices(&ids).await?;
        for ((device, account), found) in unknown.into_iter().zip(found) {
            if found.is_none_or(|found| found.account != account) {
                foreign.insert(device);
            }
        }
    }
    Ok(foreign)
}

/// Of all that a sender chooses. Fields are separated by a byte that none of them can hold.
fn fingerprint(new: &NewMessage) -> [u8; 32] {
    let mut hash = Sha256::new();
    let fields = [
        new.to.expose().as_str().to_owned(),
        new.body.expose().to_owned(),
        new.id.map(|id| id.to_string()).unwrap_or_default(),
        new.device.map(|id| id.to_string()).unwrap_or_default(),
        new.sim.map(|sim| sim.to_string()).unwrap_or_default(),
        new.priority.as_str().to_owned(),
        new.send_at.map(|at| at.to_string()).unwrap_or_default(),
        new.ttl.as_micros().to_string(),
    ];
    for field in fields {
        hash.update(field.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

/// Commits submissions in batches until the gateway stops and all who submitted have their answer.
///
/// One write at a time: two of half the size would cost PostgreSQL a third more, and those who wait for them no less time.
pub(super) async fn run(shared: Arc<Shared>, mut submissions: mpsc::Receiver<Submission>) {
    loop {
        let first = tokio::select! {
            // What was handed over before the stop is committed still.
            biased;
            submission = submissions.recv() => submission,
            () = shared.stop.cancelled() => {
                submissions.close();
                submissions.recv().await
            }
        };
        let Some(first) = first else { return };
        // What has piled up while the last write was under way.
        let mut size = first.rows.len();
        let mut batch = vec![first];
        while size < BATCH {
            let Ok(next) = submissions.try_recv() else { break };
            size += next.rows.len();
            batch.push(next);
        }
        commit(&shared, batch).await;
    }
}

async fn commit(shared: &Arc<Shared>, mut batch: Vec<Submission>) {
    let sizes: Vec<usize> = batch.iter().map(|submission| submission.rows.len()).collect();
    let mut rows = Vec::with_capacity(sizes.iter().sum());
    let mut births = Births::begin(shared);
    for submission in &mut batch {
        if submission.are_new {
            births.claim(shared, &mut submission.rows);
        }
        rows.append(&mut submission.rows);
    }
    crash::point("insert");
    match shared.store.insert(&rows).await {
        Ok(outcomes) => {
            crash::point("inserted");
            count(shared, &rows, &outcomes);
            let pushed: Vec<Job> = jobs(&rows, &outcomes);
            let born = births.end(shared, rows, &outcomes);
            let mut outcomes = outcomes.into_iter();
            for (submission, size) in batch.into_iter().zip(sizes) {
                submission.answer(Ok(outcomes.by_ref().take(size).collect()));
            }
            crash::point("answered");
            born.send(shared);
            push(shared, &pushed).await;
        }
        Err(error) if is_poison(&error) && batch.len() > 1 => {
            let mut rows = rows.into_iter();
            for (submission, size) in batch.into_iter().zip(sizes) {
                let own: Vec<Insertion> = rows.by_ref().take(size).collect();
                let outcomes = shared.store.insert(&own).await;
                let known = outcomes.as_deref().unwrap_or_default();
                count(shared, &own, known);
                let pushed = jobs(&own, known);
                births.end(shared, own, known).send(shared);
                submission.answer(outcomes);
                push(shared, &pushed).await;
            }
        }
        Err(error) => {
            tracing::warn!(%error, messages = rows.len(), "could not commit new messages");
            drop(births.end(shared, rows, &[]));
            for submission in batch {
                submission.answer(Err(error.clone()));
            }
        }
    }
}

fn count(shared: &Shared, rows: &[Insertion], outcomes: &[Inserted]) {
    let added = rows.iter().zip(outcomes).filter(|(_, outcome)| matches!(outcome, Inserted::New));
    let (mut accepted, mut later) = (0, 0);
    for Message { id, account, state, .. } in added.map(|(row, _)| &row.message) {
        tracing::debug!(%id, %account, state = state.as_str(), "accepted");
        accepted += 1;
        later += usize::from(*state == State::Scheduled);
    }
    shared.counters.accepted.add(accepted);
    shared.counters.waited(Reason::SendAt, later);
}

/// What is due now of the messages that were added.
fn jobs(rows: &[Insertion], outcomes: &[Inserted]) -> Vec<Job> {
    rows.iter()
        .zip(outcomes)
        .filter(|(row, outcome)| row.message.state == State::Queued && **outcome == Inserted::New)
        .map(|(row, _)| Job::of(&row.message))
        .collect()
}

/// After the answers: whether the queue takes the ids is no concern of those who submitted.
async fn push(shared: &Shared, jobs: &[Job]) {
    if let Err(error) = queued::push(shared, jobs).await {
        tracing::warn!(%error, messages = jobs.len(), "the queue did not take new messages; they are pushed again");
    }
}
