//! The suite of smsgw-core, for each store and queue of this crate.

use std::process::ExitCode;

use smsgw_core::conformance::{self, Arguments};

#[cfg(feature = "amqp")]
#[path = "fixtures/amqp.rs"]
mod amqp;

#[cfg(feature = "postgres")]
#[path = "fixtures/postgres.rs"]
mod postgres;

#[cfg(feature = "redis")]
#[path = "fixtures/redis.rs"]
mod redis;

#[cfg(feature = "sqlite")]
#[path = "fixtures/sqlite.rs"]
mod sqlite;

fn main() -> ExitCode {
    let suites = vec![
        #[cfg(feature = "amqp")]
        amqp::queue(),
        #[cfg(feature = "postgres")]
        postgres::store(),
        #[cfg(feature = "postgres")]
        postgres::queue(),
        #[cfg(feature = "redis")]
        redis::queue(),
        #[cfg(feature = "sqlite")]
        sqlite::store(),
    ];
    conformance::run(&Arguments::from_args(), suites)
}
