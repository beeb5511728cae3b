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
mod sqlite {
    use std::sync::Arc;
    use std::time::Duration;

    use smsgw_core::conformance::store::{StoreFixture, suite};
    use smsgw_core::conformance::{Absent, Suite};
    use smsgw_core::store::Store;
    use smsgw_core::time::{Clock, ManualClock, Timestamp};
    use smsgw_store::sqlite::{SqliteConfig, SqliteStore};
    use tempfile::TempDir;

    /// A database of its own, and the first store on it.
    struct Fixture {
        directory: TempDir,
        clock: Arc<ManualClock>,
        store: Arc<SqliteStore>,
    }

    impl Fixture {
        async fn fresh() -> Result<Self, Absent> {
            let directory = tempfile::tempdir().expect("a directory");
            let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_767_323_045_000_000)));
            let store = open(&directory, &clock).await;
            Ok(Self { directory, clock, store })
        }
    }

    async fn open(directory: &TempDir, clock: &Arc<ManualClock>) -> Arc<SqliteStore> {
        let config = SqliteConfig::new(directory.path().join("smsgw.db"));
        Arc::new(SqliteStore::open(config, clock.clone()).await.expect("a fresh database"))
    }

    #[async_trait::async_trait]
    impl StoreFixture for Fixture {
        fn store(&self) -> Arc<dyn Store> {
            self.store.clone()
        }

        async fn peer(&self) -> Option<Arc<dyn Store>> {
            Some(open(&self.directory, &self.clock).await)
        }

        /// As after a kill: the files as they are on the disk now, without what the living store knows.
        async fn reopen(&self) -> Option<Arc<dyn Store>> {
            let copy = tempfile::tempdir_in(self.directory.path()).expect("a directory");
            for name in ["smsgw.db", "smsgw.db-wal"] {
                std::fs::copy(self.directory.path().join(name), copy.path().join(name)).expect("a file");
            }
            let store = open(&copy, &self.clock).await;
            // It goes with the directory that it is in.
            _ = copy.keep();
            Some(store)
        }

        fn now(&self) -> Timestamp {
            self.clock.now()
        }

        async fn elapse(&self, span: Duration) {
            self.clock.advance(span);
        }
    }

    pub(crate) fn store() -> Suite {
        suite("sqlite", Fixture::fresh)
    }
}

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
