use super::Shared;
use crate::audit::{Act, AuditAction};
use crate::crash;
use crate::error::Result;
use crate::id::{DeviceId, MessageId, ReportId};
use crate::state::{Change, Fence, Report, State, Transition};
use crate::store::Advanced;

/// A report and who made it.
pub(super) struct Reported {
    pub(super) device: DeviceId,
    pub(super) message: MessageId,
    pub(super) report: Report,
}

/// Stores reports and says which want a receipt: all, since no repetition would have another effect.
pub(super) async fn process(shared: &Shared, reports: &[Reported]) -> Result<Vec<(DeviceId, ReportId)>> {
    if reports.is_empty() {
        return Ok(Vec::new());
    }
    let transitions = reports
        .iter()
        .map(|reported| Transition {
            id: reported.message,
            fence: Fence::Device(reported.device),
            change: Change::Reported(reported.report.clone()),
        })
        .collect();
    crash::point("heard");
    let outcomes = shared.writer.advance(transitions).await?;
    crash::point("recorded");
    let now = shared.clock.now();
    let mut moved = Vec::with_capacity(outcomes.len());
    for (reported, outcome) in reports.iter().zip(outcomes) {
        match outcome {
            Advanced::Applied(change) => {
                if matches!(change.to, State::Failed | State::Undelivered | State::Unknown) {
                    shared.counters.failed(reported.report.failure.as_ref());
                }
                moved.push(change);
            }
            Advanced::Foreign => forged(shared, reported, "the device was not given that message").await,
            Advanced::Missing => forged(shared, reported, "there is no such message").await,
            Advanced::Recorded | Advanced::Unchanged | Advanced::Stale => {}
        }
    }
    // Before anything that may fail: a repetition would find nothing new.
    shared.announce(moved);
    // Whatever a report says, the device has taken the message out of its window.
    let held = shared.fleet.reported(reports.iter().map(|reported| (reported.device, reported.message)), now);
    held.into_iter().for_each(|time| shared.counters.report.add(time, 1));
    let seen = shared.fleet.seen(reports.iter().map(|reported| reported.device), now);
    if !seen.is_empty() {
        let seen: Vec<_> = seen.into_iter().map(|device| (device, now, None)).collect();
        shared.store.touch_devices(&seen).await?;
    }
    Ok(reports.iter().map(|reported| (reported.device, reported.report.id)).collect())
}

async fn forged(shared: &Shared, reported: &Reported, why: &str) {
    let target = Some(reported.message.to_string());
    let act = Act::refused(AuditAction::Report, why);
    shared.audit.record(Act { device: Some(reported.device), target, ..act }).await;
}
