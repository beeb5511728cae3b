use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use smsgw_core::id::{DeviceId, MessageId};
use smsgw_core::time::Timestamp;

/// Who sent a message, and when.
pub(crate) type Sending = (DeviceId, Timestamp);

/// What went over the air, once for each time.
#[derive(Clone, Default)]
pub(crate) struct Air(Arc<Mutex<HashMap<MessageId, Vec<Sending>>>>);

impl Air {
    pub(crate) fn send(&self, message: MessageId, device: DeviceId, at: Timestamp) {
        self.0.lock().expect("not poisoned").entry(message).or_default().push((device, at));
    }

    pub(crate) fn of(&self, message: MessageId) -> Vec<Sending> {
        self.0.lock().expect("not poisoned").get(&message).cloned().unwrap_or_default()
    }
}
