//! Private servers and a bad network for the tests of smsgw.
//!
//! [`Postgres`], [`Redis`], [`RabbitMq`] and [`Mosquitto`] start a server of their own: a child process on a free port
//! of 127.0.0.1, with a data directory of its own. Each can be killed, stopped, started again on the same port and
//! data, paused and resumed. Where the program is not installed, `start` answers [`Missing`], which names the Debian
//! package. [`Proxy`] stands between a client and a server and cuts, stalls and delays. [`fuzz::smoke`] runs
//! what fuzz targets run, [`usage`] says what a process costs.
//!
//! Nothing stays behind. A server ends with its value; it also ends with the test's process, however that ends, for
//! the kernel kills it then. What a killed process leaves in the temporary directory, the next one removes.
//!
//! ```no_run
//! use smsgw_test_support::Redis;
//!
//! let redis = Redis::start().expect("Redis");
//! println!("{}", redis.url());
//! redis.kill();
//! redis.start_again().expect("the same port, and what is left of the data");
//! ```

mod directory;
pub mod fuzz;
mod log;
mod missing;
mod mosquitto;
mod port;
mod postgres;
mod process;
mod proxy;
mod rabbitmq;
mod redis;
mod server;
pub mod usage;

pub use log::Log;
pub use missing::Missing;
pub use mosquitto::{Mosquitto, Place};
pub use postgres::Postgres;
pub use proxy::{Direction, Proxy};
pub use rabbitmq::RabbitMq;
pub use redis::Redis;
