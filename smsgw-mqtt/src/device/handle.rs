//! How a program speaks to its running device.

use tokio::sync::{mpsc, watch};

use crate::wire::{Inbound, Telemetry};

/// How many words may wait for the device before the caller waits.
pub(super) const COMMANDS: usize = 64;

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Not connected; being tried again.
    Offline,
    /// Connected and subscribed.
    Online,
    /// The broker refuses this id and key; being tried again, slowly.
    Refused,
}

/// What the network said of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// It arrived.
    Delivered,
    /// It did not arrive, with a short stable code.
    Undelivered(String),
}

/// A word from the program to its device.
pub(super) enum Command {
    Delivery { id: String, delivery: Delivery },
    Inbound(Inbound),
    Telemetry(Telemetry),
}

/// Speaks to a device that [runs](super::Device::run). Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
}

impl Handle {
    pub(super) fn new(commands: mpsc::Sender<Command>, status: watch::Receiver<Status>) -> Self {
        Self { commands, status }
    }

    /// Tells what the network reported for a message that was sent. Unknown ids are ignored.
    ///
    /// Waits while the device is busy. Answers `false` when the device has stopped.
    pub async fn delivery(&self, id: impl Into<String>, delivery: Delivery) -> bool {
        self.tell(Command::Delivery { id: id.into(), delivery }).await
    }

    /// Passes on an SMS that the device received; it is journalled and repeated until the gateway has it.
    /// Longer texts than the broker takes in one packet (about 3 KiB) do not arrive.
    ///
    /// Waits while the device is busy. Answers `false` when the device has stopped.
    pub async fn inbound(&self, from: impl Into<String>, body: impl Into<String>, sim: Option<u8>) -> bool {
        self.tell(Command::Inbound(Inbound {
            report_id: uuid::Uuid::now_v7().to_string(),
            from: from.into(),
            body: body.into(),
            sim,
            received_at: super::clock::now(),
        }))
        .await
    }

    /// Passes on how the device is. Dropped when it is not connected: only the newest word counts.
    ///
    /// Waits while the device is busy. Answers `false` when the device has stopped.
    pub async fn telemetry(&self, telemetry: Telemetry) -> bool {
        self.tell(Command::Telemetry(telemetry)).await
    }

    /// Where the connection stands, and each change of it.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    async fn tell(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }
}
