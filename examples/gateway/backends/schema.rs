//! How far the schemas have come, without changing them.

#[cfg(feature = "postgres")]
use secrecy::ExposeSecret;
#[cfg(feature = "postgres")]
use smsgw::postgres::{PostgresConfig, PostgresStore};
use smsgw::sqlite::{Schema, SqliteConfig, SqliteStore};

use crate::exit::{FAILED, Failure};
use crate::settings::{QueueUrl, Settings, StoreUrl};

/// What may be in a database.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Store,
    Queue,
}

impl Part {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Queue => "queue",
        }
    }
}

/// `None` where that part has none.
pub(crate) async fn schema(settings: &Settings, part: Part) -> Result<Option<Schema>, Failure> {
    let url = match (part, &settings.store, &settings.queue) {
        (Part::Store, StoreUrl::Sqlite(path), _) => {
            let schema = SqliteStore::schema(&SqliteConfig::new(path)).await;
            return schema.map(Some).map_err(|error| Failure::of(&error, super::place_of_store(settings)));
        }
        (Part::Store, StoreUrl::Postgres(url), _) => (url, "DATABASE_URL"),
        (Part::Queue, _, QueueUrl::Postgres(url)) => (url, "BROKER_URL"),
        (Part::Queue, ..) => return Ok(None),
    };
    #[cfg(feature = "postgres")]
    {
        let (url, see) = url;
        let schema = PostgresStore::schema(&PostgresConfig::new(url.expose_secret())).await;
        schema.map(Some).map_err(|error| Failure::of(&error, see))
    }
    #[cfg(not(feature = "postgres"))]
    Err(Failure::new(FAILED, super::not_built(url.0).to_string()))
}

/// Refuses what is older than this program, where that is not to mend it.
pub(crate) async fn is_current(settings: &Settings, part: Part) -> Result<(), Failure> {
    match schema(settings, part).await? {
        Some(schema) if schema.is_older() => Err(Failure::new(FAILED, older(schema))),
        _ => Ok(()),
    }
}

pub(crate) fn older(schema: Schema) -> String {
    format!(
        "schema {} is older than this binary, which knows {}: run `gateway migrate`",
        schema.found, schema.known
    )
}
