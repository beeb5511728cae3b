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
pub mod guard;
mod host;
#[cfg_attr(
    not(feature = "broker"),
    allow(dead_code, reason = "some refusals are the embedded broker's alone")
)]
mod login;
#[cfg(feature = "measuring")]
#[doc(hidden)]
pub mod measuring;
#[cfg(feature = "tls")]
mod pem;
pub mod provision;
#[cfg_attr(not(feature = "broker"), allow(dead_code, reason = "some rules are the embedded broker's alone"))]
mod rules;
pub mod transport;
pub mod wire;
mod witness;
