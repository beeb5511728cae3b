#![doc = include_str!("../README.md")]

pub mod account;
pub mod audit;
pub mod auth;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "crash-points")]
pub mod crash;
#[cfg(not(feature = "crash-points"))]
mod crash;
pub mod device;
pub mod error;
mod forward;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod gateway;
pub mod guard;
pub mod id;
pub mod key;
pub mod layer;
pub mod memory;
pub mod message;
pub mod phone;
pub mod provision;
pub mod pseudonym;
pub mod queue;
pub mod rate;
pub mod seal;
pub mod segment;
pub mod state;
pub mod store;
pub mod text;
pub mod time;
pub mod transport;
