use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use smsgw_core::error::{Error, ErrorKind, Result};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::classify::BACKEND;
use super::connections::{TRIED_AFTER, is_well};

/// How long the server lets us be in the middle of a transaction and say nothing. Only schema changes take several
/// statements; whoever dies there must not keep the others out.
const IDLE_IN_TRANSACTION_MS: u32 = 10_000;

/// Where the database is, and how it is spoken to. `Debug` does not show the URL, which may hold a password.
///
/// ```
/// use smsgw_store::postgres::PostgresConfig;
///
/// let config = PostgresConfig::new("postgres://smsgw:secret@db.example.org/smsgw?sslmode=verify-full");
/// assert_eq!(config.connections, 10);
/// assert!(!format!("{config:?}").contains("secret"));
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// Where it is; see [`PostgresConfig::new`]. May hold a password.
    pub url: String,
    /// The schema that the tables are in, made where there is none: a lower-case name. Where nothing is said, the
    /// first of the user's search path, as a rule `public`.
    #[serde(default)]
    pub schema: Option<String>,
    /// The most connections. They are made when they are needed.
    #[serde(default = "default_connections")]
    pub connections: u32,
    /// How long a connection is waited for, in milliseconds: a server that is away is known to be within this time.
    #[serde(default = "default_connect_timeout_ms")]
    pub connect_timeout_ms: u32,
    /// How long a call may take as a whole, in milliseconds. The server gives up a statement after as long.
    #[serde(default = "default_call_timeout_ms")]
    pub call_timeout_ms: u32,
}

const fn default_connections() -> u32 {
    10
}

const fn default_connect_timeout_ms() -> u32 {
    1_500
}

const fn default_call_timeout_ms() -> u32 {
    1_800
}

impl PostgresConfig {
    /// The database at `url`, as `postgres://user:password@host:5432/database?sslmode=verify-full&sslrootcert=ca.pem`,
    /// spoken to as the defaults say. What the URL leaves out is taken from `PGHOST` and its like, as in every client
    /// of PostgreSQL; a host that begins with `/` is the directory of a socket.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: None,
            connections: default_connections(),
            connect_timeout_ms: default_connect_timeout_ms(),
            call_timeout_ms: default_call_timeout_ms(),
        }
    }

    pub(super) fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms.into())
    }

    /// A pool that has no connection yet.
    ///
    /// # Errors
    /// `Invalid` where the URL or the schema is not what it should be.
    pub(super) fn pool(&self) -> Result<PgPool> {
        let options = PgPoolOptions::new()
            .max_connections(self.connections.max(1))
            .acquire_timeout(Duration::from_millis(self.connect_timeout_ms.into()))
            .test_before_acquire(false)
            .before_acquire(|conn, used| {
                Box::pin(async move { Ok(used.idle_for < TRIED_AFTER || is_well(conn).await) })
            });
        Ok(options.connect_lazy_with(self.options()?))
    }

    fn options(&self) -> Result<PgConnectOptions> {
        // The parser's own words may quote the password.
        let options: PgConnectOptions = self.url.parse().map_err(|_| {
            invalid("the URL is not postgres://user:password@host:port/database?sslmode=verify-full")
        })?;
        let options = options
            .application_name("smsgw")
            .disable_statement_logging()
            .options([("statement_timeout", self.call_timeout_ms), ("lock_timeout", self.call_timeout_ms)])
            .options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MS)])
            // Lists are handed over as parameters of unknown length, and the plan for one fits all.
            .options([
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
                ("enable_bitmapscan", "off"),
                ("jit", "off"),
            ]);
        Ok(match &self.schema {
            Some(schema) if is_name(schema) => options.options([("search_path", schema)]),
            Some(_) => {
                return Err(invalid(
                    "the schema's name is not a lower-case letter and at most 62 letters, digits and `_` after it",
                ));
            }
            None => options,
        })
    }
}

fn invalid(detail: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, BACKEND, "connect").with_detail(detail)
}

/// Whether `name` needs no quotes.
fn is_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("call_timeout_ms", &self.call_timeout_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        let url = "postgres://smsgw:hunter2@db:port/x";
        let error = PostgresConfig::new(url).options().expect_err("no such port");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        for schema in ["", "Smsgw", "a b", "a;drop", "1a", &"a".repeat(64)] {
            let config =
                PostgresConfig { schema: Some(schema.into()), ..PostgresConfig::new("postgres://db/x") };
            assert_eq!(
                config.options().err().map(|error| error.kind()),
                Some(ErrorKind::Invalid),
                "{schema}"
            );
        }
    }

    #[test]
    fn the_server_is_told_when_to_give_up() {
        let config = PostgresConfig { call_timeout_ms: 900, ..PostgresConfig::new("postgres://db/x") };
        let options = config.options().expect("valid");
        let told = options.get_options().unwrap_or_default();
        for limit in
            ["statement_timeout=900", "lock_timeout=900", "idle_in_transaction_session_timeout=10000"]
        {
            assert!(told.contains(limit), "{told}");
        }
    }

    #[test]
    fn reads_what_is_said_and_no_more() {
        let read = |json| serde_json::from_str::<PostgresConfig>(json);
        let config = read(r#"{"url": "postgres://db/x", "schema": "sms"}"#).expect("valid");
        assert_eq!(
            config,
            PostgresConfig { schema: Some("sms".into()), ..PostgresConfig::new("postgres://db/x") }
        );
        assert!(read(r#"{"url": "postgres://db/x", "pool": 3}"#).is_err());
    }
}
