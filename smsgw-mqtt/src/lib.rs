#![doc = include_str!("../README.md")]

mod backoff;
#[cfg(feature = "broker")]
pub mod broker;
#[cfg(feature = "device")]
pub mod device;
pub mod dialect;
pub mod provision;
pub mod transport;
pub mod wire;
