//! Hears the devices: their words go to the store in batches, and are acknowledged when it has them.

mod presence;
mod receipts;
mod reports;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument;

use self::receipts::Receipts;
use super::Shared;
use super::retry::{is_poison, until_done};
use crate::audit::{Act, AuditAction};
use crate::crash;
use crate::error::{Error, Result};
use crate::id::{DeviceId, ReportId};
use crate::store::{Received, ReceivedSms};
use crate::transport::{Ack, Address, Command, DeviceEvent, Downlink, InboundSms, Inbox, Sent};

/// Deliveries of one write.
const BATCH: usize = 512;
/// Answers that are on their way at once.
const REPLIES: usize = 4;

/// How long an original device may take to subscribe to the answer that it has asked for.
const LISTENS_WITHIN: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1_500)];

/// Hears until the transport is closed and nothing is left.
pub(super) async fn run(shared: Arc<Shared>, mut inbox: Inbox) {
    let permits = Arc::new(Semaphore::new(REPLIES));
    let mut receipts = Receipts::default();
    let mut deliveries = Vec::with_capacity(BATCH);
    loop {
        let due = receipts.take_due(Instant::now(), shared.stop.is_cancelled());
        reply(&shared, &permits, due).await;
        let heard = tokio::select! {
            heard = inbox.receive(&mut deliveries, BATCH) => heard,
            () = receipts.due(&shared) => continue,
        };
        if heard == 0 {
            return;
        }
        let mut batch = Batch::default();
        let mut acks = Vec::with_capacity(deliveries.len());
        for delivery in deliveries.drain(..) {
            batch.add(delivery.event);
            acks.push(delivery.ack);
        }
        let span = tracing::debug_span!("inbound", deliveries = acks.len());
        match store(&shared, batch).instrument(span).await {
            Ok((replies, stored)) => {
                Ack::acknowledge(acks);
                receipts.add(stored);
                reply(&shared, &permits, replies).await;
            }
            Err(error) => {
                tracing::error!(%error, "device traffic could not be stored; the broker delivers it again")
            }
        }
    }
}

/// What is to be answered at once, and what was stored, of which its device is told when it is due.
type Replies = (Vec<Downlink>, Vec<(DeviceId, ReportId)>);

/// Stores a batch, however long that takes, and says what is to be answered.
async fn store(shared: &Shared, batch: Batch) -> Result<Replies> {
    // Everything here may be done twice without harm, so a store that is away is waited for, and the broker keeps
    // what it has until then.
    let error = match until_done(|| process(shared, &batch), |error| given_up(shared, error)).await {
        Err(error) if is_poison(&error) => error,
        outcome => return outcome,
    };
    tracing::error!(%error, "could not store device traffic; storing it one by one");
    let mut replies = Replies::default();
    for single in batch.into_singles() {
        match until_done(|| process(shared, &single), |error| given_up(shared, error)).await {
            Ok((answers, stored)) => {
                replies.0.extend(answers);
                replies.1.extend(stored);
            }
            Err(error) if is_poison(&error) => {
                tracing::error!(%error, "set device traffic aside that cannot be stored")
            }
            Err(error) => return Err(error),
        }
    }
    Ok(replies)
}

/// While the gateway stops, what cannot be stored is left to the broker.
fn given_up(shared: &Shared, error: &Error) -> bool {
    tracing::warn!(%error, "could not store device traffic");
    shared.stop.is_cancelled()
}

/// Deliveries by kind. Within a kind the order of arrival stays; between kinds it does not matter.
#[derive(Default)]
struct Batch {
    reports: Vec<reports::Reported>,
    inbound: Vec<(Address, InboundSms)>,
    presence: Vec<presence::Sign>,
}

impl Batch {
    /// Each of its deliveries alone.
    fn into_singles(self) -> impl Iterator<Item = Self> {
        let reports = self.reports.into_iter().map(|one| Self { reports: vec![one], ..Self::default() });
        let inbound = self.inbound.into_iter().map(|one| Self { inbound: vec![one], ..Self::default() });
        let presence = self.presence.into_iter().map(|one| Self { presence: vec![one], ..Self::default() });
        presence.chain(reports).chain(inbound)
    }

    fn add(&mut self, event: DeviceEvent) {
        match event {
            DeviceEvent::Report { device, message, report } => {
                self.reports.push(reports::Reported { device, message, report });
            }
            DeviceEvent::Inbound { origin, sms } => self.inbound.push((origin, sms)),
            DeviceEvent::Presence { device, online } => {
                self.presence.push(presence::Sign::Presence { device, online })
            }
            DeviceEvent::Hello { device, sims } => self.presence.push(presence::Sign::Hello { device, sims }),
            DeviceEvent::Telemetry { device, telemetry } => {
                self.presence.push(presence::Sign::Telemetry { device, telemetry });
            }
            DeviceEvent::Authenticate { key } => self.presence.push(presence::Sign::Authenticate { key }),
            DeviceEvent::Listening { key, listening } => {
                self.presence.push(presence::Sign::Listening { key, listening });
            }
        }
    }
}

async fn process(shared: &Shared, batch: &Batch) -> Result<Replies> {
    let replies = presence::process(shared, &batch.presence).await?;
    let mut stored = reports::process(shared, &batch.reports).await?;
    stored.extend(receive(shared, &batch.inbound).await?);
    Ok((replies, stored))
}

/// Stores received SMS and says which reports want a receipt.
async fn receive(shared: &Shared, inbound: &[(Address, InboundSms)]) -> Result<Vec<(DeviceId, ReportId)>> {
    if inbound.is_empty() {
        return Ok(Vec::new());
    }
    let natives: Vec<DeviceId> = inbound
        .iter()
        .filter_map(|(from, _)| if let Address::Native(id) = from { Some(*id) } else { None })
        .collect();
    let mut natives = shared.store.find_devices(&natives).await?.into_iter();
    let mut rows = Vec::with_capacity(inbound.len());
    let mut receipts = Vec::new();
    for (origin, sms) in inbound {
        let device = match origin {
            Address::Native(_) => natives.next().flatten(),
            Address::Original(key) => presence::authenticate(shared, key).await?.map(|(device, _)| device),
        };
        let Some(device) = device else {
            if let Address::Native(device) = origin {
                let act = Act::refused(AuditAction::Publish, "a received SMS of an unknown device");
                shared.audit.record(Act { device: Some(*device), ..act }).await;
            }
            continue;
        };
        let now = shared.clock.now();
        if let Some(id) = sms.id {
            receipts.push((device.id, id));
        }
        rows.push(ReceivedSms {
            id: sms.id.unwrap_or_else(|| shared.ids.next(now)),
            account: device.account,
            device: device.id,
            from: sms.from.clone(),
            body: sms.body.clone(),
            sim: sms.sim,
            // The device's clock may be wrong; what lies ahead would stay on top of every list.
            erased_at: None,
            received_at: sms.received_at.map_or(now, |at| at.min(now)),
        });
    }
    let stored = shared.store.receive(&rows).await?;
    shared.counters.received.add(stored.iter().filter(|stored| **stored == Received::New).count());
    Ok(receipts)
}

/// Sends receipts and other answers, a few batches at once. What is lost is asked for again by the device.
async fn reply(shared: &Arc<Shared>, permits: &Arc<Semaphore>, replies: Vec<Downlink>) {
    if replies.is_empty() {
        return;
    }
    let Ok(permit) = permits.clone().acquire_owned().await else { return };
    let task = shared.clone();
    shared.sending.spawn(async move {
        crash::point("replying");
        let sent = task.transport.send(&replies).await;
        crash::point("replied");
        drop(permit);
        match sent {
            Ok(sent) => answer_again(&task, replies, sent).await,
            Err(error) => tracing::debug!(%error, "could not send receipts; the devices report again"),
        }
    });
}

/// An original device asks before it has subscribed to the answer: where nobody listened, it is said again.
async fn answer_again(shared: &Shared, mut replies: Vec<Downlink>, mut sent: Vec<Sent>) {
    for pause in LISTENS_WITHIN {
        let unheard = replies.into_iter().zip(sent).filter(|(reply, sent)| {
            matches!(reply.command, Command::Authentication { .. }) && matches!(sent, Sent::NoSubscriber)
        });
        replies = unheard.map(|(reply, _)| reply).collect();
        if replies.is_empty() || shared.stop.is_cancelled() {
            return;
        }
        tokio::time::sleep(pause).await;
        sent = match shared.transport.send(&replies).await {
            Ok(sent) => sent,
            Err(_) => return,
        };
    }
}
