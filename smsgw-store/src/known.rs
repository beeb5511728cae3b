//! What a batch of new messages meets, and what becomes of each: the same in every SQL store.

use std::collections::HashMap;

use smsgw_core::id::{AccountId, MessageId};
use smsgw_core::message::Message;
use smsgw_core::store::{Idempotency, Inserted, Insertion};

/// What a batch may repeat: what is stored, and what came earlier in it.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) messages: HashMap<MessageId, Message>,
    pub(crate) keys: HashMap<(AccountId, String), ([u8; 32], MessageId)>,
}

impl Known {
    /// Remembers what the batch itself adds.
    pub(crate) fn add(&mut self, message: &Message, idempotency: Option<&Idempotency>) {
        self.messages.insert(message.id, message.clone());
        if let Some(Idempotency { key, fingerprint }) = idempotency {
            self.keys.insert((message.account, key.clone()), (*fingerprint, message.id));
        }
    }

    /// What becomes of an insertion.
    pub(crate) fn find(&self, Insertion { message, idempotency, .. }: &Insertion) -> Inserted {
        let asked = idempotency.as_ref().and_then(|request| {
            let (fingerprint, id) = self.keys.get(&(message.account, request.key.clone()))?;
            Some((*fingerprint == request.fingerprint, id))
        });
        let (same, id) = asked.unwrap_or((true, &message.id));
        match self.messages.get(id) {
            // Under a key the fingerprint has said whether it is the same request.
            Some(earlier) if same && (asked.is_some() || earlier.same_request(message)) => {
                Inserted::Duplicate(Box::new(earlier.clone()))
            }
            Some(_) => Inserted::Mismatch,
            None => Inserted::New,
        }
    }
}
