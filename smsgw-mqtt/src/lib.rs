#![doc = include_str!("../README.md")]

#[cfg(feature = "device")]
pub mod device;
pub mod dialect;
pub mod wire;
