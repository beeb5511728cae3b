//! The part that a device brings: what really sends an SMS.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::wire::Sms;

/// Hands one SMS at a time to the mobile network.
#[async_trait]
pub trait Radio: Send + 'static {
    /// Sends one SMS and waits until the network took or refused it.
    ///
    /// # Contract
    /// Called once at a time, and once only for an id and attempt: if the process dies inside, the message is
    /// reported `unknown` at the next start and not sent again. An error means that the network surely did
    /// not take the message; the gateway may then order another attempt. When it is not sure, wait longer.
    ///
    /// # Cancel safety
    /// Need not be cancel safe. It is dropped only when the whole device is, or when a shutdown has waited
    /// for it in vain; the message is then `unknown`, as after a crash.
    ///
    /// # Errors
    /// [`RadioError`] with the code that the gateway stores.
    async fn transmit(&mut self, sms: &Sms) -> Result<Outcome, RadioError>;
}

/// How far a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The network took it. A delivery report may follow through [`Handle::delivery`](super::Handle::delivery).
    Sent,
    /// The network took it, and it is reported `delivered` this long afterwards: for simulated radios.
    DeliveredAfter(Duration),
}

/// The network surely did not take the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the radio refused: {code}")]
pub struct RadioError {
    /// A short stable word such as `no_service`; cut to 64 bytes of printable ASCII. Never a number or a text.
    pub code: String,
    /// More for this device's own log, never sent to the gateway. Never a number or a text.
    pub detail: Option<String>,
}

impl RadioError {
    /// An error with this code and no detail.
    pub fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), detail: None }
    }

    /// Adds what the log of this device should say.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// What the radio made of one message.
pub(super) struct Done {
    pub(super) id: String,
    pub(super) result: Result<Outcome, RadioError>,
}

/// Lets the agent go on while the radio works. Ends when the agent drops its end.
pub(super) async fn serve(mut radio: impl Radio, mut jobs: mpsc::Receiver<Sms>, done: mpsc::Sender<Done>) {
    while let Some(sms) = jobs.recv().await {
        let result = radio.transmit(&sms).await;
        if done.send(Done { id: sms.id, result }).await.is_err() {
            return;
        }
    }
}
