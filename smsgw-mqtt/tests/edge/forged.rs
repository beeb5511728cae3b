//! A report for an unknown message, or for another device's: counted, acknowledged once, no retry loop, a security event.

use std::collections::HashMap;

use smsgw_core::audit::AuditAction;
use smsgw_core::device::Protocol;
use smsgw_core::id::DeviceId;
use smsgw_core::store::AuditQuery;
use smsgw_mqtt::wire::{Down, ReportState};
use tokio::time::Instant;

use crate::client::Version;
use crate::phone::{Ears, report};
use crate::place::{LONG, Place, until};

const REPORTS: usize = 1_000;
/// Messages of the other device: no more than it is given without a word of it.
const MESSAGES: usize = 10;

/// How often each report was receipted.
fn receipts(ears: &Ears) -> HashMap<String, usize> {
    let mut receipts = HashMap::new();
    for (_, payload) in &ears.heard {
        if let Ok(Down::Receipt(receipt)) = Down::parse(payload.as_bytes()) {
            receipt.report_ids.into_iter().for_each(|id| *receipts.entry(id).or_default() += 1);
        }
    }
    receipts
}

pub(crate) async fn a_report_for_an_unknown_message_or_for_another_devices(place: Place) {
    let (one, other) = (place.phone(Protocol::Native, None).await, place.phone(Protocol::Native, None).await);
    let (mut forger, mut victim) = (one.come(Version::V5).await, other.come(Version::V5).await);
    place.until_online(other.device).await;
    let messages = place.submit(&[other.device; MESSAGES]).await;
    victim.listen(Instant::now() + LONG, |ears| ears.orders().len() == MESSAGES).await;
    let mut before = Vec::new();
    for id in &messages {
        // The last word of the gateway itself.
        let dispatched = smsgw_core::state::State::Dispatched;
        let state =
            async || place.handle.message(place.account, *id).await.expect("message").map(|m| m.state);
        until(async || state().await == Some(dispatched)).await;
        before.push(history(&place, *id).await);
    }
    let states = [ReportState::Acknowledged, ReportState::Sent, ReportState::Delivered, ReportState::Failed];
    let mut said = Vec::new();
    for number in 0..REPORTS {
        let absent = uuid::Uuid::now_v7().to_string();
        let of_other = messages[number % MESSAGES].to_string();
        let message = if number % 2 == 0 { of_other } else { absent };
        let (id, payload) = report(&message, states[number % 3 + usize::from(number % 5 == 0)]);
        assert_eq!(forger.publish(&one.up(), &payload, false).await, 0, "acknowledged once");
        said.push(id);
    }
    forger.listen(Instant::now() + LONG, |ears| receipts(ears).len() >= REPORTS).await;
    let receipts = receipts(&forger);
    assert_eq!(receipts.len(), REPORTS);
    assert!(said.iter().all(|id| receipts.get(id) == Some(&1)), "each has one receipt");

    let rows = async || {
        let query = AuditQuery { action: Some(AuditAction::Report), ..AuditQuery::new(2 * REPORTS) };
        place.handle.audit(&query).await.expect("audit").items
    };
    until(async || rows().await.len() >= REPORTS).await;
    let rows = rows().await;
    assert_eq!(rows.len(), REPORTS);
    let is_whole = |device: Option<DeviceId>, why: Option<&str>| device == Some(one.device) && why.is_some();
    assert!(
        rows.iter().all(|row| is_whole(row.act.device, row.act.refused.as_deref()) && row.act.count == 1)
    );
    for (id, before) in messages.iter().zip(before) {
        assert_eq!(history(&place, *id).await, before, "no state has changed");
    }
}

async fn history(
    place: &Place,
    id: smsgw_core::id::MessageId,
) -> (smsgw_core::state::State, Vec<smsgw_core::message::MessageEvent>) {
    let message = place.handle.message(place.account, id).await.expect("message").expect("it is there");
    let events = place.handle.message_events(place.account, id).await.expect("events");
    (message.state, events.expect("it is there"))
}
