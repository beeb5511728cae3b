//! Sends: leases ids, chooses devices, claims, publishes, writes down what the broker said.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::Instrument;

use super::Shared;
use super::fleet::{Placement, Route};
use super::retry::{is_poison, until_done};
use crate::crash;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId};
use crate::message::Message;
use crate::queue::{Job, Leased, Receipt, Settlement};
use crate::state::{Change, Fence, Reason, Transition, WaitsFor};
use crate::store::{Advanced, Claim};
use crate::time::Timestamp;
use crate::transport::{Address, Command, Downlink, Sent};

/// How long one look into the queue waits.
const WAIT: Duration = Duration::from_secs(1);
/// How long ids stay in the queue while every device is full, before they are set aside with the reason.
const HOLD: Duration = Duration::from_millis(250);
/// How long a message waits that the broker did not take, after its first attempt; doubled with each.
const RESEND_AFTER: Duration = Duration::from_secs(1);
/// The longest such wait: after an outage all is sent again soon.
const RESEND_WITHIN: Duration = Duration::from_secs(5);
/// The longest wait for a device that may not have subscribed yet.
const LOOK_WITHIN: Duration = Duration::from_secs(64);

/// Leases and sends until the gateway stops; what it has begun goes on in `shared.sending`.
pub(super) async fn run(shared: Arc<Shared>) {
    let in_flight = Arc::new(Semaphore::new(shared.settings.batches_in_flight));
    loop {
        let Ok(permit) = in_flight.clone().acquire_owned().await else { return };
        let jobs = tokio::select! {
            () = shared.stop.cancelled() => return,
            jobs = next_jobs(&shared) => jobs,
        };
        if jobs.is_empty() {
            continue;
        }
        crash::point("leased");
        // Places are taken here, before the next look at the room: only the claims and the rest overlap.
        let now = shared.clock.now();
        let plain: Vec<Job> = jobs.iter().map(|leased| leased.job).collect();
        let placements = shared.fleet.place(&plain, now);
        let task = shared.clone();
        shared.sending.spawn(async move {
            send_leased(&task, jobs, placements).await;
            drop(permit);
        });
    }
}

/// The next jobs, as many as there is room for. Dropped, its lease call gives back what it took.
async fn next_jobs(shared: &Shared) -> Vec<Leased> {
    let batch = shared.settings.batch;
    let room = match shared.fleet.room(batch) {
        Some(room) => room,
        None => held_room(shared, batch).await,
    };
    match shared.queue.lease(room, WAIT).await {
        Ok(jobs) => {
            shared.backlog.leased(jobs.len());
            jobs
        }
        Err(error) => {
            tracing::warn!(%error, "could not read the queue");
            tokio::time::sleep(WAIT).await;
            Vec::new()
        }
    }
}

/// Waits a moment for room. There may be none for long: then what waits is to say so.
async fn held_room(shared: &Shared, batch: usize) -> usize {
    let room = async {
        loop {
            shared.fleet.opened().await;
            if let Some(room) = shared.fleet.room(batch) {
                return room;
            }
        }
    };
    tokio::time::timeout(HOLD, room).await.unwrap_or(batch)
}

async fn send_leased(shared: &Shared, jobs: Vec<Leased>, placements: Vec<Placement>) {
    let mut claims = Vec::with_capacity(jobs.len());
    let mut taken = Vec::with_capacity(jobs.len());
    let mut waits = Vec::new();
    for (leased, placement) in jobs.iter().zip(placements) {
        match placement {
            Placement::Device { device, is_new } => {
                claims.push(Claim { id: leased.job.id, device });
                taken.push(is_new);
            }
            Placement::Wait(reason) => waits.push((leased.job, reason)),
        }
    }
    let done = tokio::join!(claim_and_send(shared, &claims, &taken), set_aside(shared, &waits));
    if let Err(error) = done.0.and(done.1) {
        // The ids stay leased, or come again by reconciliation; nothing is settled that may not be done.
        tracing::warn!(%error, messages = jobs.len(), "could not send a batch; it is tried again");
        return;
    }
    crash::point("written");
    let receipts: Vec<(Receipt, Settlement)> = jobs.iter().map(|l| (l.receipt, Settlement::Done)).collect();
    if let Err(error) = shared.queue.settle(&receipts).await {
        tracing::warn!(%error, "could not settle with the queue; the ids come again and claim nothing");
    }
}

/// `taken` says for which claims a place in a window was taken; the others had theirs, and keep it.
async fn claim_and_send(shared: &Shared, claims: &[Claim], taken: &[bool]) -> Result<()> {
    if claims.is_empty() {
        return Ok(());
    }
    let claimed = claim(shared, claims).await;
    crash::point("claimed");
    let got = |index: usize| claimed.as_ref().is_ok_and(|claimed| claimed[index].is_some());
    let missed = (0..claims.len()).filter(|index| taken[*index] && !got(*index));
    shared.fleet.release(missed.map(|index| (claims[index].device, claims[index].id)), shared.clock.now());
    let routes = shared.fleet.routes(claims.iter().map(|claim| claim.device));
    let messages = claimed?.into_iter().zip(routes).filter_map(|(message, route)| Some((message?, route)));
    send(shared, messages.collect()).await
}

async fn claim(shared: &Shared, claims: &[Claim]) -> Result<Vec<Option<Message>>> {
    let (lease, begun) = (shared.settings.lease, shared.clock.now());
    let outcome = shared.store.claim(claims, lease).await;
    shared.counters.claim.add(begun.until(shared.clock.now()), 1);
    let error = match outcome {
        Err(error) if is_poison(&error) && claims.len() > 1 => error,
        outcome => return outcome,
    };
    tracing::error!(%error, "could not claim a batch; claiming its messages one by one");
    let mut claimed = Vec::with_capacity(claims.len());
    for claim in claims {
        claimed.push(match shared.store.claim(std::slice::from_ref(claim), lease).await {
            Ok(mut one) => one.pop().flatten(),
            Err(error) => {
                tracing::error!(id = %claim.id, %error, "set a message aside that cannot be claimed");
                None
            }
        });
    }
    Ok(claimed)
}

/// Messages for which there is no device now wait in the store until one pulls them.
async fn set_aside(shared: &Shared, waits: &[(Job, Reason)]) -> Result<()> {
    if waits.is_empty() {
        return Ok(());
    }
    let transitions = waits
        .iter()
        .map(|(job, reason)| Transition {
            id: job.id,
            fence: Fence::Unclaimed,
            change: Change::SetAside { reason: *reason, release_device: false },
        })
        .collect();
    let outcomes = shared.writer.advance(transitions).await?;
    announce(shared, outcomes);
    let marks =
        waits.iter().map(|(job, _)| job.device.map_or(WaitsFor::Account(job.account), WaitsFor::Device));
    shared.fleet.set_aside(marks, shared.clock.now());
    Ok(())
}

/// What must be known of a message after the transport has taken it.
pub(super) struct Record {
    pub(super) id: MessageId,
    pub(super) epoch: u32,
    pub(super) device: DeviceId,
    session: u64,
    // Who may have it if this device has not got it.
    otherwise: WaitsFor,
    // Whether no earlier attempt can have reached the device.
    is_first: bool,
    reports: bool,
    // It tells the device not to send the message.
    pub(super) is_cancel: bool,
    // The device may subscribe only after it has authenticated, and nobody tells when.
    may_subscribe_late: bool,
}

/// Publishes claimed messages and writes down what became of them.
pub(super) async fn send(shared: &Shared, messages: Vec<(Message, Option<Route>)>) -> Result<()> {
    let span = tracing::debug_span!("send", messages = messages.len());
    publish(shared, messages).instrument(span).await
}

async fn publish(shared: &Shared, messages: Vec<(Message, Option<Route>)>) -> Result<()> {
    let started = shared.clock.now();
    let mut records = Vec::with_capacity(messages.len());
    let mut downlinks = Vec::with_capacity(messages.len());
    let mut gone = Vec::new();
    for (message, route) in messages {
        let original = route.as_ref().map(|route| matches!(route.address, Address::Original(_)));
        // A claim writes the device down, so there is one.
        let Some(device) = message.device else { continue };
        let is_first = message.attempts == 1;
        if is_first && !message.is_canceling() {
            shared.counters.queue_wait.add(message.due_at.max(message.created_at).until(started), 1);
        }
        tracing::debug!(id = %message.id, %device, attempt = message.attempts, "claimed");
        let stays = message.device_fixed || !is_first;
        let record = Record {
            id: message.id,
            epoch: message.attempts,
            device,
            session: route.as_ref().map_or(0, |route| route.session),
            otherwise: if stays { WaitsFor::Device(device) } else { WaitsFor::Account(message.account) },
            is_first,
            reports: original == Some(false),
            is_cancel: message.is_canceling(),
            may_subscribe_late: original == Some(true) && !shared.fleet.tells_listening(),
        };
        match route {
            Some(route) => {
                let command = if message.is_canceling() {
                    Command::Cancel(message.id)
                } else {
                    let remaining = started.until(message.expires_at);
                    Command::Send { message: Box::new(message), remaining }
                };
                downlinks.push(Downlink { address: route.address, command });
                records.push(record);
            }
            None => gone.push(record),
        }
    }
    let sent = if downlinks.is_empty() {
        Vec::new()
    } else {
        let sent = crash::amid("publishing", shared.transport.send(&downlinks)).await;
        shared.counters.send.add(started.until(shared.clock.now()), 1);
        match sent {
            Ok(sent) => sent,
            Err(error) => records.iter().map(|_| Sent::Failed(error.clone())).collect(),
        }
    };
    let taken = records.iter().zip(&sent);
    let taken = taken.filter(|(record, sent)| matches!(sent, Sent::Taken) && !record.is_cancel).count();
    shared.counters.dispatched.add(taken);
    drop(downlinks);
    crash::point("published");
    let outcomes: Vec<(Record, Sent)> = records
        .into_iter()
        .zip(sent)
        .chain(gone.into_iter().map(|record| (record, Sent::NoSubscriber)))
        .collect();
    write_down(shared, outcomes, started).await
}

async fn write_down(shared: &Shared, outcomes: Vec<(Record, Sent)>, started: Timestamp) -> Result<()> {
    let now = shared.clock.now();
    let reports = |(record, sent): &(Record, Sent)| matches!(sent, Sent::Taken) && record.reports;
    let (taken, outcomes): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(reports);
    shared.words.hold(taken.into_iter().map(|(record, _)| record).collect()).await;
    if outcomes.is_empty() {
        return Ok(());
    }
    let transitions: Arc<[Transition]> =
        outcomes.iter().map(|(record, sent)| transition(record, sent, now)).collect();
    for (record, sent) in &outcomes {
        if matches!(sent, Sent::NoSubscriber) && !record.may_subscribe_late {
            shared.fleet.miss(record.device, record.session, now);
        }
    }
    let failure = |(_, sent): &(Record, Sent)| match sent {
        Sent::NotSent(error) | Sent::Failed(error) => Some(error.clone()),
        Sent::Taken | Sent::NoSubscriber => None,
    };
    if let Some(error) = outcomes.iter().find_map(failure) {
        tracing::warn!(%error, "the broker did not take every message; these are sent again");
    }
    // Past the lease another dispatcher has the messages, and our word would be stale.
    let over = |_: &Error| started.until(shared.clock.now()) >= shared.settings.lease;
    let written = until_done(|| shared.writer.advance(transitions.clone()), over).await;
    let now = shared.clock.now();
    let left = outcomes.iter().map(|(record, _)| (record.device, record.id));
    shared.fleet.release(left, now);
    announce(shared, written?);
    let is_aside = |(r, sent): &&(Record, Sent)| matches!(sent, Sent::NoSubscriber) && !r.may_subscribe_late;
    let waiting = outcomes.iter().filter(is_aside).map(|(record, _)| record.otherwise);
    shared.fleet.set_aside(waiting, now);
    Ok(())
}

fn transition(record: &Record, sent: &Sent, now: Timestamp) -> Transition {
    let change = match sent {
        Sent::NoSubscriber if record.may_subscribe_late => {
            let until = now + pause(record.epoch, LOOK_WITHIN);
            Change::Deferred { reason: Reason::DeviceOffline, until, release_device: false }
        }
        // Of a device that reports, this is said later.
        Sent::Taken => Change::Dispatched { recheck: None },
        Sent::NoSubscriber => {
            Change::SetAside { reason: Reason::DeviceOffline, release_device: record.is_first }
        }
        Sent::NotSent(_) | Sent::Failed(_) => Change::Deferred {
            reason: Reason::TransportDown,
            until: now + pause(record.epoch, RESEND_WITHIN),
            release_device: record.is_first && matches!(sent, Sent::NotSent(_)),
        },
    };
    Transition { id: record.id, fence: Fence::Epoch(record.epoch), change }
}

fn pause(attempt: u32, longest: Duration) -> Duration {
    (RESEND_AFTER * 2u32.saturating_pow(attempt.saturating_sub(1).min(16))).min(longest)
}

pub(super) fn announce(shared: &Shared, outcomes: Vec<Advanced>) {
    shared.announce(outcomes.into_iter().filter_map(|outcome| match outcome {
        Advanced::Applied(moved) => Some(moved),
        _ => None,
    }));
}
