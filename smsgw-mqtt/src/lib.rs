#![doc = include_str!("../README.md")]

mod backoff;
#[cfg(feature = "broker")]
pub mod broker;
#[cfg(feature = "device")]
pub mod device;
pub mod dialect;
pub mod transport;
pub mod wire;
