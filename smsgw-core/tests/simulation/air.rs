use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use smsgw_core::id::{DeviceId, MessageId};

/// What went over the air: the phones that sent each message, once for each time.
#[derive(Clone, Default)]
pub(crate) struct Air(Arc<Mutex<HashMap<MessageId, Vec<DeviceId>>>>);

impl Air {
    pub(crate) fn send(&self, message: MessageId, device: DeviceId) {
        self.0.lock().expect("not poisoned").entry(message).or_default().push(device);
    }

    pub(crate) fn of(&self, message: MessageId) -> Vec<DeviceId> {
        self.0.lock().expect("not poisoned").get(&message).cloned().unwrap_or_default()
    }
}
