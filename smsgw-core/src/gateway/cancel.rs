//! Takes messages back: at once where no device has them, and by asking the device where one may.

use super::Shared;
use crate::device::Protocol;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{AccountId, MessageId};
use crate::message::{Message, Priority};
use crate::queue::Job;
use crate::state::{Change, Fence, Reason, State, Transition};
use crate::store::Advanced;

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
    shared: &Shared,
    account: AccountId,
    id: MessageId,
) -> Result<Option<Cancellation>> {
    for _ in 0..ROUNDS {
        let Some(before) = shared.store.message(account, id).await? else { return Ok(None) };
        let transition = Transition {
            id,
            fence: Fence::Account(account),
            change: Change::Cancel { by_asking: hears_cancel(shared, &before).await? },
        };
        let outcome = shared.store.advance(&[transition]).await?.pop();
        let Some(after) = shared.store.message(account, id).await? else { return Ok(None) };
        match outcome {
            Some(Advanced::Applied(moved)) => {
                let is_over = moved.to == State::Canceled;
                shared.announce(vec![moved]);
                if is_over {
                    return Ok(Some(Cancellation::Canceled(after)));
                }
                // Before all that waits: the device may be about to send it. A queue that is away gets it later.
                let job = Job { id, account, priority: Priority::High, device: after.device };
                if let Err(error) = shared.queue.push(&[job]).await {
                    tracing::warn!(%error, "could not hurry a cancellation; its device is asked later");
                }
                return Ok(Some(Cancellation::Requested(after)));
            }
            _ if after.state == State::Canceled => return Ok(Some(Cancellation::Canceled(after))),
            _ if after.reason == Some(Reason::CancelRequested) => {
                return Ok(Some(Cancellation::Requested(after)));
            }
            // It was just given to a device, and whether that can be asked was not known.
            _ if before.device != after.device => {}
            _ => return Ok(Some(Cancellation::TooLate(after))),
        }
    }
    Err(Error::new(ErrorKind::Unavailable, "gateway", "cancel")
        .with_detail("the message changes too fast; try again"))
}

/// Whether the device of a message understands that a message is taken back.
async fn hears_cancel(shared: &Shared, message: &Message) -> Result<bool> {
    let Some(device) = message.device else { return Ok(false) };
    let found = shared.store.find_devices(&[device]).await?.pop().flatten();
    Ok(found.is_some_and(|device| device.protocol == Protocol::Native))
}
