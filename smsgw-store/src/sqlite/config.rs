use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the database is, and how it is opened.
///
/// ```
/// use smsgw_store::sqlite::SqliteConfig;
///
/// let config = SqliteConfig::new("/var/lib/smsgw/smsgw.db");
/// assert_eq!(config.readers, 4);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteConfig {
    /// The file, on a local disk: SQLite's write-ahead log does not work over a network file system. It is made where
    /// there is none (mode 0600), with the directories above it (mode 0700).
    pub path: PathBuf,
    /// Connections for reading, each a thread. Writes have one of their own.
    #[serde(default = "default_readers")]
    pub readers: u32,
    /// How long another process that writes to the file is waited for, in milliseconds.
    #[serde(default = "default_busy_timeout_ms")]
    pub busy_timeout_ms: u32,
}

const fn default_readers() -> u32 {
    4
}

const fn default_busy_timeout_ms() -> u32 {
    5_000
}

impl SqliteConfig {
    /// The file at `path`, opened as the defaults say.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: default_readers(), busy_timeout_ms: default_busy_timeout_ms() }
    }
}
