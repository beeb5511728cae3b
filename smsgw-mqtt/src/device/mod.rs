//! The device's half of the native protocol: what turns a modem or a phone into a device of the gateway.
//!
//! Write a [`Radio`], give it to a [`Device`], and the rest of the protocol is kept: every message is
//! journalled before the broker hears that it arrived and marked before the radio is touched, so a process
//! that is killed at any moment sends nothing twice and loses nothing. Reports are repeated until the gateway
//! has stored them.
//!
//! ```no_run
//! use smsgw_mqtt::device::{Device, Outcome, Radio, RadioError, Sms};
//!
//! struct Modem;
//!
//! #[async_trait::async_trait]
//! impl Radio for Modem {
//!     async fn transmit(&mut self, sms: &Sms) -> Result<Outcome, RadioError> {
//!         // Talk to the hardware here: `sms.to`, `sms.body`, `sms.sim`.
//!         Ok(Outcome::Sent)
//!     }
//! }
//!
//! # async fn example() -> Result<(), smsgw_mqtt::device::DeviceError> {
//! let device = Device::builder("mqtt://localhost:1883", "device-id", "api-key")
//!     .journal("device.journal")
//!     .build()?;
//! device.run(Modem, std::future::pending()).await
//! # }
//! ```
//!
//! One device is one future and starts no task or thread, apart from file work on the runtime's blocking
//! pool, so a process can hold hundreds. It needs a Tokio runtime with time and I/O.

mod address;
mod agent;
mod builder;
mod clock;
mod desk;
mod error;
mod handle;
mod inbox;
mod journal;
mod ledger;
mod link;
mod outbox;
mod radio;
mod record;
mod secure;

pub use self::builder::{Builder, Device};
pub use self::error::DeviceError;
pub use self::handle::{Delivery, Handle, Status};
pub use self::radio::{Outcome, Radio, RadioError};
pub use crate::transport::TlsConfig;
pub use crate::wire::{Sim, Sms, Telemetry};
