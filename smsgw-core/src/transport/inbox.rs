use tokio::sync::mpsc;

use super::{Ack, DeviceEvent};

/// One word of a device, and the right to acknowledge it.
#[derive(Debug)]
pub struct Delivery {
    /// What the device said.
    pub event: DeviceEvent,
    /// Use it when the store has it.
    pub ack: Ack,
}

/// A bounded channel of deliveries: the transport holds the sender.
///
/// `capacity` must be at least the number of deliveries that a broker sends before it wants one acknowledged, so that
/// these always fit.
pub fn inbox(capacity: usize) -> (InboxSender, Inbox) {
    let (sender, receiver) = mpsc::channel(capacity);
    (InboxSender(sender), Inbox(receiver))
}

/// What devices have said, in order of arrival.
#[derive(Debug)]
pub struct Inbox(mpsc::Receiver<Delivery>);

impl Inbox {
    /// Waits for deliveries and appends at most `max` of them to `batch`. 0: the transport is closed and nothing is left.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost: what was not handed over is next.
    pub async fn receive(&mut self, batch: &mut Vec<Delivery>, max: usize) -> usize {
        self.0.recv_many(batch, max).await
    }
}

/// The transport's end of an [`Inbox`].
#[derive(Debug, Clone)]
pub struct InboxSender(mpsc::Sender<Delivery>);

impl InboxSender {
    /// How many more deliveries fit.
    pub fn room(&self) -> usize {
        self.0.capacity()
    }

    /// Hands a delivery over, waiting for room. `false` where nobody reads the inbox any more.
    pub async fn deliver(&self, delivery: Delivery) -> bool {
        self.0.send(delivery).await.is_ok()
    }
}
