#![doc = include_str!("../README.md")]

pub use smsgw_core::*;

#[cfg(feature = "http")]
pub use smsgw_http as http;
#[cfg(feature = "mqtt")]
pub use smsgw_mqtt as mqtt;
#[cfg(feature = "amqp")]
pub use smsgw_store::amqp;
#[cfg(feature = "postgres")]
pub use smsgw_store::postgres;
#[cfg(feature = "redis")]
pub use smsgw_store::redis;
#[cfg(feature = "sqlite")]
pub use smsgw_store::sqlite;

/// Its code is the same, and is compiled and run too.
#[cfg(doctest)]
#[doc = include_str!("../README.es.md")]
struct ReadmeEs;
