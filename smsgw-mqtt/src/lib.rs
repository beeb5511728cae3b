#![doc = include_str!("../README.md")]

mod account;
mod backoff;
#[cfg(feature = "broker")]
pub mod broker;
#[cfg(feature = "device")]
pub mod device;
pub mod dialect;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod host;
#[cfg(feature = "tls")]
mod pem;
pub mod provision;
pub mod transport;
pub mod wire;
