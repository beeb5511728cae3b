//! Makes the store and the queue that the settings name.

mod schema;

use std::error::Error;
use std::sync::Arc;
#[cfg(feature = "postgres")]
use std::time::Duration;

#[cfg(any(feature = "amqp", feature = "postgres", feature = "redis"))]
use secrecy::ExposeSecret;
#[cfg(feature = "amqp")]
use smsgw::amqp::{AmqpConfig, AmqpQueue};
use smsgw::memory::MemoryQueue;
#[cfg(feature = "postgres")]
use smsgw::postgres::{PostgresConfig, PostgresQueue, PostgresStore};
use smsgw::queue::Queue;
#[cfg(feature = "redis")]
use smsgw::redis::{RedisConfig, RedisQueue};
use smsgw::sqlite::{SqliteConfig, SqliteStore};
use smsgw::store::Store;
use smsgw::time::SystemClock;

pub(crate) use self::schema::{Part, older, schema};
use crate::exit::Failure;
use crate::owner;
use crate::settings::{QueueUrl, Settings, StoreUrl};

/// How long a job of the queue in PostgreSQL is leased; the engine's own leases last as long.
#[cfg(feature = "postgres")]
const LEASE: Duration = Duration::from_secs(30);

type Opened<T> = Result<Arc<T>, Box<dyn Error>>;

/// Opens the database. Its schema is brought up to date, or refused where the settings leave that to `gateway migrate`.
pub(crate) async fn store(settings: &Settings) -> Opened<dyn Store> {
    if !settings.migrate {
        schema::is_current(settings, Part::Store).await?;
    }
    migrated_store(settings).await
}

/// Opens the database, and brings its schema up to date.
pub(crate) async fn migrated_store(settings: &Settings) -> Opened<dyn Store> {
    match &settings.store {
        StoreUrl::Sqlite(path) => {
            owner::prepare(path)?;
            let store = SqliteStore::open(SqliteConfig::new(path), Arc::new(SystemClock)).await;
            Ok(Arc::new(store.map_err(|error| Failure::of(&error, place_of_store(settings)))?))
        }
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => {
            let store = PostgresStore::connect(PostgresConfig::new(url.expose_secret())).await;
            Ok(Arc::new(store.map_err(|error| Failure::of(&error, "DATABASE_URL"))?))
        }
        #[cfg(not(feature = "postgres"))]
        StoreUrl::Postgres(url) => Err(not_built(url)),
    }
}

/// Opens the queue, as [`store`] the database.
pub(crate) async fn queue(settings: &Settings) -> Opened<dyn Queue> {
    if !settings.migrate {
        schema::is_current(settings, Part::Queue).await?;
    }
    migrated_queue(settings).await
}

/// Opens the queue, and makes what it needs where that is missing.
pub(crate) async fn migrated_queue(settings: &Settings) -> Opened<dyn Queue> {
    match &settings.queue {
        QueueUrl::Memory => Ok(Arc::new(MemoryQueue::new())),
        #[cfg(feature = "redis")]
        QueueUrl::Redis(url) => opened(RedisQueue::open(RedisConfig::new(url.expose_secret())).await),
        #[cfg(not(feature = "redis"))]
        QueueUrl::Redis(url) => Err(not_built(url)),
        #[cfg(feature = "amqp")]
        QueueUrl::Amqp(url) => opened(AmqpQueue::open(AmqpConfig::new(url.expose_secret())).await),
        #[cfg(not(feature = "amqp"))]
        QueueUrl::Amqp(url) => Err(not_built(url)),
        #[cfg(feature = "postgres")]
        QueueUrl::Postgres(url) => {
            opened(PostgresQueue::connect(PostgresConfig::new(url.expose_secret()), LEASE).await)
        }
        #[cfg(not(feature = "postgres"))]
        QueueUrl::Postgres(url) => Err(not_built(url)),
    }
}

#[cfg(any(feature = "amqp", feature = "postgres", feature = "redis"))]
fn opened(queue: smsgw::error::Result<impl Queue>) -> Opened<dyn Queue> {
    Ok(Arc::new(queue.map_err(|error| Failure::of(&error, "BROKER_URL"))?))
}

/// The setting to look at where the database is wrong.
fn place_of_store(settings: &Settings) -> &'static str {
    if settings.keeps_database { "--data DIR" } else { "DATABASE_URL" }
}

/// The settings have refused such a URL before, in better words.
#[cfg(not(all(feature = "amqp", feature = "postgres", feature = "redis")))]
pub(crate) fn not_built(_: &secrecy::SecretString) -> Box<dyn Error> {
    "this build lacks that backend".into()
}
