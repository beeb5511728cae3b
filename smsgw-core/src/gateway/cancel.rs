//! Takes messages back: at once where no device has them, and by asking the device where one may.

use std::sync::Arc;

use super::Shared;
use super::dispatch::send;
use crate::device::Protocol;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{AccountId, DeviceId, MessageId};
use crate::message::Message;
use crate::state::{Change, Fence, State, Transition};
use crate::store::{Advanced, Claim};

/// How often a message may change under our hands.
const ROUNDS: usize = 8;

/// What came of taking a message back, with the message as it is then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// It is canceled: no device sends it.
    Canceled(Message),
    /// A device may have it, and is asked not to send it. It becomes `canceled` when the device says that it did not.
    Requested(Message),
    /// It is on the air, or over, or its device cannot be asked.
    TooLate(Message),
}

pub(super) async fn cancel(
    shared: &Arc<Shared>,
    account: AccountId,
    id: MessageId,
) -> Result<Option<Cancellation>> {
    for _ in 0..ROUNDS {
        let Some(before) = shared.store.message(account, id).await? else { return Ok(None) };
        let by_asking = hears_cancel(shared, before.device).await?;
        let change = Change::Cancel { device: before.device, by_asking };
        let transition = Transition { id, fence: Fence::Account(account), change };
        let outcome = shared.store.advance(&[transition]).await?.pop();
        let Some(after) = shared.store.message(account, id).await? else { return Ok(None) };
        if let Some(Advanced::Applied(moved)) = outcome {
            if let Some(device) = moved.device.filter(|_| moved.to == State::Scheduled) {
                // In a task of its own: whoever waits for the answer need not wait for the broker. What is lost with
                // the task is due.
                let task = shared.clone();
                shared.sending.spawn(async move {
                    if let Err(error) = ask(&task, &[Claim { id, device }]).await {
                        tracing::warn!(%error, "could not ask a device for a message; it is asked later");
                    }
                });
            }
            shared.announce([moved]);
        }
        return Ok(Some(match after.state {
            State::Canceled => Cancellation::Canceled(after),
            _ if after.is_canceling() => Cancellation::Requested(after),
            // It was just given to a device, and whether that can be asked was not known.
            _ if before.device != after.device => continue,
            _ => Cancellation::TooLate(after),
        }));
    }
    Err(Error::new(ErrorKind::Unavailable, "gateway", "cancel")
        .with_detail("the message changes too fast; try again"))
}

/// Tells devices not to send what was taken back. Neither a window nor a rate limit holds that up, and where the device
/// is not here, its message waits for it and is due again.
pub(super) async fn ask(shared: &Shared, asks: &[Claim]) -> Result<()> {
    let is_here = |ask: &&Claim| shared.fleet.presence(ask.device).online;
    let asks: Vec<Claim> = asks.iter().filter(is_here).copied().collect();
    if asks.is_empty() {
        return Ok(());
    }
    let claimed = shared.store.claim(&asks, shared.settings.lease).await?;
    let routes = shared.fleet.routes(asks.iter().map(|ask| ask.device));
    let messages = claimed.into_iter().zip(routes).filter_map(|(message, route)| Some((message?, route)));
    send(shared, messages.collect()).await
}

/// Whether a device understands that a message is taken back.
async fn hears_cancel(shared: &Shared, device: Option<DeviceId>) -> Result<bool> {
    let Some(device) = device else { return Ok(false) };
    let found = shared.store.find_devices(&[device]).await?.pop().flatten();
    Ok(found.is_some_and(|device| device.protocol == Protocol::Native))
}
