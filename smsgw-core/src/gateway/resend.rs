//! Sends again what is over and did not arrive, as a new message.

use super::{Handle, Submitted};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{AccountId, MessageId};
use crate::message::{MAX_AHEAD, Message, NewMessage};
use crate::state::State;

/// What came of sending a message again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// A new message was submitted: `Accepted`, or `Duplicate` where that was done before.
    Submitted(Submitted),
    /// The old one, which is still on its way.
    NotOver(Message),
    /// The old one, of which there is nothing to send: it went out, or its text was erased.
    Nothing(Message),
}

impl Handle {
    /// Sends what a message of an account said to the same number again, as a new message: with the same SIM and priority, the same
    /// device where one was asked for, and wanted for as long as the old one was from when it was accepted. `None` where there is
    /// no such message.
    ///
    /// Doing so twice under the same `key`, or twice without one, makes one new message, for as long as idempotency keys are
    /// remembered.
    ///
    /// # Cancel safety
    /// Dropped, the new message was accepted or was not; calling again is safe.
    ///
    /// # Errors
    /// Those of [`Handle::submit`].
    pub async fn retry(
        &self,
        account: AccountId,
        id: MessageId,
        key: Option<&str>,
    ) -> Result<Option<Retried>> {
        let Some(old) = self.message(account, id).await? else { return Ok(None) };
        if matches!(old.state, State::Sent | State::Delivered) || old.erased_at.is_some() {
            return Ok(Some(Retried::Nothing(old)));
        }
        if !old.state.is_terminal() {
            return Ok(Some(Retried::NotOver(old)));
        }
        let new = NewMessage {
            device: old.device.filter(|_| old.device_fixed),
            sim: old.sim,
            priority: old.priority,
            ttl: old.created_at.until(old.expires_at).min(MAX_AHEAD),
            idempotency_key: Some(own_key(id, key)),
            ..NewMessage::new(account, old.to, old.body)
        };
        let submitted = self.submit(vec![new]).await?.pop();
        let submitted = submitted.ok_or_else(|| Error::new(ErrorKind::Internal, "gateway", "retry"))?;
        Ok(Some(Retried::Submitted(submitted)))
    }
}

/// Begins as no key does that a client can write into a header.
fn own_key(id: MessageId, key: Option<&str>) -> String {
    format!("\u{21bb}{id}{}", key.unwrap_or_default())
}
