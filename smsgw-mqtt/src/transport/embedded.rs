//! What an embedded broker tells its transport past MQTT.

use std::sync::{Mutex, PoisonError};

use smsgw_core::id::DeviceId;
use smsgw_core::transport::{Ack, Delivery, DeviceEvent, InboxSender};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::socket::Way;
use crate::broker::{Broker, BrokerEvent, Doorway, Kicker};

pub(super) struct Embedded {
    kicker: Kicker,
    doorway: Doorway,
    // Taken when the transport is opened.
    events: Mutex<Option<mpsc::Receiver<BrokerEvent>>>,
}

impl Embedded {
    pub(super) fn new(broker: &Broker) -> Self {
        Self { kicker: broker.kicker(), doorway: broker.doorway(), events: Mutex::new(broker.events()) }
    }

    pub(super) fn way(&self) -> Way {
        Way::Doorway(self.doorway.clone())
    }

    pub(super) fn events(&self) -> Option<mpsc::Receiver<BrokerEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) async fn disconnect(&self, devices: &[DeviceId]) {
        self.kicker.disconnect(devices).await;
    }
}

/// Hands the broker's events on, until the transport is closed or the broker is gone.
pub(super) async fn forward(
    mut events: mpsc::Receiver<BrokerEvent>,
    inbox: InboxSender,
    closed: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            () = closed.cancelled() => return,
            event = events.recv() => event,
        };
        let event = match event {
            None => return,
            Some(BrokerEvent::Listening { key, listening }) => DeviceEvent::Listening { key, listening },
            // The answer went out before anybody listened for it: the key is checked and answered again.
            Some(BrokerEvent::AuthenticationAwaited { key }) => DeviceEvent::Authenticate { key },
        };
        // A full inbox that nobody reads must not keep a transport from closing.
        let delivered = tokio::select! {
            () = closed.cancelled() => return,
            delivered = inbox.deliver(Delivery { event, ack: Ack::none() }) => delivered,
        };
        if !delivered {
            return;
        }
    }
}
