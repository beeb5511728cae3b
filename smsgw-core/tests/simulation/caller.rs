//! An application: submits under ids of its own, repeats what it got no answer to, and takes some of it back.

use std::time::Duration;

use fastrand::Rng;
use smsgw_core::gateway::{Cancellation, Submitted};
use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::message::{Body, NewMessage, Priority};
use smsgw_core::time::{Clock, Timestamp};
use tokio::time::sleep;
use uuid::Uuid;

use crate::clock::RuntimeClock;
use crate::gateways::Gateways;

/// What the application knows of a message that was accepted.
pub(crate) struct Accepted {
    pub(crate) id: MessageId,
    pub(crate) device: Option<DeviceId>,
    pub(crate) expires_at: Timestamp,
    /// It was told that no device sends it.
    pub(crate) is_canceled: bool,
}

pub(crate) struct Caller {
    pub(crate) gateways: Gateways,
    pub(crate) clock: RuntimeClock,
    pub(crate) account: AccountId,
    pub(crate) devices: Vec<DeviceId>,
    pub(crate) random: Rng,
}

impl Caller {
    pub(crate) async fn run(mut self, messages: usize) -> Vec<Accepted> {
        let mut accepted = Vec::with_capacity(messages);
        for _ in 0..messages {
            let message = self.message();
            let mut known = self.submit(&message).await;
            if self.random.f64() < 0.15 {
                sleep(Duration::from_millis(self.random.u64(0..3_000))).await;
                known.is_canceled = self.cancel(known.id).await;
            }
            accepted.push(known);
            sleep(Duration::from_millis(self.random.u64(0..400))).await;
        }
        accepted
    }

    fn message(&mut self) -> NewMessage {
        let to = "+5351234567".parse().expect("a number");
        let mut new = NewMessage::new(self.account, to, Body::new("x").expect("a body"));
        new.id = Some(MessageId::from(Uuid::from_u128(self.random.u128(..))));
        new.ttl = Duration::from_secs(if self.random.f64() < 0.2 { 20 } else { 1_200 });
        if self.random.f64() < 0.2 {
            new.device = self.random.choice(&self.devices).copied();
        }
        if self.random.f64() < 0.2 {
            new.send_at = Some(self.clock.now() + Duration::from_secs(self.random.u64(0..120)));
        }
        if self.random.bool() {
            new.priority = Priority::High;
        }
        new
    }

    async fn submit(&mut self, new: &NewMessage) -> Accepted {
        loop {
            if let Some(handle) = self.gateways.handle(self.random.usize(..))
                && let Ok(outcomes) = handle.submit(vec![new.clone()]).await
            {
                match &outcomes[..] {
                    [Submitted::Accepted(message) | Submitted::Duplicate(message)] => {
                        let (id, expires_at) = (message.id, message.expires_at);
                        return Accepted { id, device: new.device, expires_at, is_canceled: false };
                    }
                    other => panic!("{other:?}"),
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn cancel(&mut self, id: MessageId) -> bool {
        loop {
            if let Some(handle) = self.gateways.handle(self.random.usize(..))
                && let Ok(answer) = handle.cancel(self.account, id).await
            {
                return matches!(answer.expect("it was accepted"), Cancellation::Canceled(_));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}
