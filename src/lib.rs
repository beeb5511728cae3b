#![doc = include_str!("../README.md")]

pub use smsgw_core::*;

#[cfg(feature = "http")]
pub use smsgw_http as http;
#[cfg(feature = "mqtt")]
pub use smsgw_mqtt as mqtt;
#[cfg(feature = "sqlite")]
pub use smsgw_store::sqlite;
