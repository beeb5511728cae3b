//! [`PostgresQueue`]: ready work in a table of its own.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use smsgw_core::error::Result;
use smsgw_core::queue::{Job, Leased, Queue, QueueCapabilities, QueueDepth, Receipt, Settled, Settlement};
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::config::PostgresConfig;
use super::rows::{Columns, device_uuid, limit, priority_code};
use super::session::Session;
use super::{CALL_TIMEOUT, migrate, ready};

/// How often those who wait look for what other gateways have pushed. `NOTIFY` would have every push commit under one
/// lock of the whole database.
const LOOK: Duration = Duration::from_millis(25);
/// How long closing may take to give back what was leased.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) const PUSH: &str = "INSERT INTO queue_jobs (message, account, device, priority) SELECT * FROM \
     unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::smallint[])";

/// $1 the limit, $2 how long the lease lasts. What others are just taking is passed over.
pub(super) const LEASE_SOME: &str = "WITH now AS MATERIALIZED (SELECT smsgw_now() AS at), \
     picked AS MATERIALIZED (SELECT seq FROM queue_jobs WHERE visible_at <= (SELECT at FROM now) \
     ORDER BY priority DESC, visible_at, seq LIMIT $1 FOR UPDATE SKIP LOCKED) \
     UPDATE queue_jobs AS j SET visible_at = now.at + $2, lease = j.lease + 1 FROM now \
     WHERE j.seq = ANY (ARRAY (SELECT seq FROM picked)) RETURNING j.seq, j.lease, j.message, j.account, j.priority, j.device";

/// Numbers, leases and whether they are released; answers the numbers of those whose lease was still that one.
pub(super) const SETTLE: &str = "WITH v AS MATERIALIZED (SELECT * FROM unnest((SELECT $1::bigint[]), \
     (SELECT $2::int[]), (SELECT $3::boolean[])) AS v (seq, lease, release)), \
     back AS (UPDATE queue_jobs AS j SET visible_at = 0 FROM v \
     WHERE v.release AND j.seq = v.seq AND j.lease = v.lease AND j.visible_at > 0 RETURNING j.seq), \
     done AS (DELETE FROM queue_jobs AS j USING v \
     WHERE NOT v.release AND j.seq = v.seq AND j.lease = v.lease AND j.visible_at > 0 RETURNING j.seq) \
     SELECT seq FROM back UNION ALL SELECT seq FROM done";

const DEPTH: &str = "SELECT count(*) FILTER (WHERE visible_at <= now.at), count(*) FILTER (WHERE visible_at > now.at) \
     FROM queue_jobs, (SELECT smsgw_now() AS at) AS now";

/// A [`Queue`] in a PostgreSQL database, shared by any number of gateways: nothing to run but the database.
///
/// Leases are taken by `FOR UPDATE SKIP LOCKED` and run out by the server's clock. Whoever waits is woken at once by
/// what its own gateway pushes, and looks 40 times a second for what others have pushed.
///
/// ```no_run
/// use std::time::Duration;
///
/// use smsgw_core::queue::Queue;
/// use smsgw_store::postgres::{PostgresConfig, PostgresStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> smsgw_core::error::Result<()> {
/// let store = PostgresStore::connect(PostgresConfig::new("postgres://smsgw@localhost/smsgw")).await?;
/// let queue = store.queue(Duration::from_secs(30));
/// assert_eq!(queue.depth().await?.ready, 0);
/// # Ok(())
/// # }
/// ```
pub struct PostgresQueue {
    shared: Arc<Shared>,
}

struct Shared {
    session: Session,
    lease: Duration,
    /// The leases that this handle has: numbers of jobs, and of their leases. Held for one batch, never across an await.
    leased: Mutex<HashMap<i64, i32>>,
    /// Wakes all who wait on this handle.
    work: Notify,
}

impl PostgresQueue {
    /// Connects to the database that `config` names, with connections of its own, and brings its schema up to date.
    /// Leases last for `lease`: 30 s or so.
    ///
    /// # Errors
    /// As [`PostgresStore::connect`](super::PostgresStore::connect).
    pub async fn connect(config: PostgresConfig, lease: Duration) -> Result<Self> {
        let session = Session::new(config.pool()?, true, config.call_timeout());
        migrate::migrate(&session, config.schema).await?;
        Ok(Self::over(session, lease))
    }

    /// A queue on a pool of yours, as [`PostgresStore::from_pool`](super::PostgresStore::from_pool) says.
    ///
    /// # Errors
    /// As [`PostgresStore::connect`](super::PostgresStore::connect).
    pub async fn from_pool(pool: PgPool, lease: Duration) -> Result<Self> {
        let session = Session::new(pool, false, CALL_TIMEOUT);
        migrate::migrate(&session, None).await?;
        Ok(Self::over(session, lease))
    }

    pub(super) fn over(session: Session, lease: Duration) -> Self {
        Self { shared: Arc::new(Shared { session, lease, leased: Mutex::default(), work: Notify::new() }) }
    }

    /// Takes up to `max` jobs, if there are any.
    async fn take(&self, max: usize) -> Result<Vec<Leased>> {
        let lease = i64::try_from(self.shared.lease.as_micros()).unwrap_or(i64::MAX / 4);
        let shared = Arc::clone(&self.shared);
        let taken = self
            .shared
            .session
            .run_then(
                "lease",
                move |conn| Box::pin(take(conn, max, lease)),
                // In the task: also what nobody waits for any more is known to be leased.
                move |taken| Handover::new(shared, taken),
            )
            .await?;
        Ok(taken.accept())
    }
}

/// Jobs on the way from the server to who asked for them; given back where that has gone.
struct Handover {
    shared: Arc<Shared>,
    taken: Vec<Leased>,
}

impl Handover {
    fn new(shared: Arc<Shared>, taken: Vec<Leased>) -> Self {
        shared.leased().extend(taken.iter().map(|leased| key_of(leased.receipt)));
        Self { shared, taken }
    }

    fn accept(mut self) -> Vec<Leased> {
        std::mem::take(&mut self.taken)
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        let keys = self.taken.iter().map(|leased| key_of(leased.receipt)).collect();
        let shared = Arc::clone(&self.shared);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Where this fails, the leases run out.
            runtime.spawn(async move { shared.give_back(keys).await });
        }
    }
}

impl Shared {
    fn leased(&self) -> MutexGuard<'_, HashMap<i64, i32>> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases leases, whether or not this handle is closed.
    async fn give_back(&self, keys: Vec<(i64, i32)>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let numbers: Vec<i64> = keys.iter().map(|(number, _)| *number).collect();
        let released: Arc<[_]> = keys.into_iter().map(|key| (key, true)).collect();
        self.session
            .maintain("release", FAREWELL, move |conn| {
                let released = Arc::clone(&released);
                Box::pin(async move { settle(conn, &released).await })
            })
            .await?;
        let mut leased = self.leased();
        numbers.iter().for_each(|number| _ = leased.remove(number));
        drop(leased);
        self.work.notify_waiters();
        Ok(())
    }
}

#[async_trait]
impl Queue for PostgresQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities { durable: true, shared: true, lease_timer: true }
    }

    async fn push(&self, jobs: &[Job]) -> Result<()> {
        if jobs.is_empty() {
            return self.shared.session.check_open("push");
        }
        let jobs: Arc<[Job]> = jobs.into();
        let shared = Arc::clone(&self.shared);
        self.shared
            .session
            .run_then(
                "push",
                move |conn| {
                    let jobs = Arc::clone(&jobs);
                    Box::pin(async move { push(conn, &jobs).await })
                },
                move |()| shared.work.notify_waiters(),
            )
            .await
    }

    async fn lease(&self, max: usize, wait: Duration) -> Result<Vec<Leased>> {
        let deadline = Instant::now() + wait;
        loop {
            // Made before looking, so that no push between looking and waiting goes unheard.
            let work = self.shared.work.notified();
            if max == 0 {
                return self.shared.session.check_open("lease").map(|()| Vec::new());
            }
            let taken = self.take(max).await?;
            let now = Instant::now();
            if !taken.is_empty() || now >= deadline {
                return Ok(taken);
            }
            tokio::select! {
                () = work => {}
                () = sleep_until(deadline.min(now + LOOK)) => {}
            }
        }
    }

    async fn settle(&self, settlements: &[(Receipt, Settlement)]) -> Result<Vec<Settled>> {
        if settlements.is_empty() {
            return self.shared.session.check_open("settle").map(|()| Vec::new());
        }
        // Of two for one lease the first counts.
        let mut first: HashMap<(i64, i32), usize> = HashMap::with_capacity(settlements.len());
        for (place, (receipt, _)) in settlements.iter().enumerate() {
            first.entry(key_of(*receipt)).or_insert(place);
        }
        let mut asked: Vec<_> =
            first.iter().map(|(key, place)| (*key, settlements[*place].1 == Settlement::Release)).collect();
        asked.sort_unstable();
        let releases = asked.iter().any(|(_, release)| *release);
        let asked: Arc<[_]> = asked.into();
        let shared = Arc::clone(&self.shared);
        let settled = self
            .shared
            .session
            .run_then(
                "settle",
                move |conn| {
                    let asked = Arc::clone(&asked);
                    Box::pin(async move { settle(conn, &asked).await })
                },
                move |settled: Vec<i64>| {
                    let mut leased = shared.leased();
                    settled.iter().for_each(|number| _ = leased.remove(number));
                    drop(leased);
                    if releases {
                        shared.work.notify_waiters();
                    }
                    settled
                },
            )
            .await?;
        let mut settled: std::collections::HashSet<i64> = settled.into_iter().collect();
        let outcome = |(place, (receipt, _)): (usize, &(Receipt, Settlement))| {
            let key = key_of(*receipt);
            match first.get(&key) == Some(&place) && settled.remove(&key.0) {
                true => Settled::Applied,
                false => Settled::Stale,
            }
        };
        Ok(settlements.iter().enumerate().map(outcome).collect())
    }

    async fn depth(&self) -> Result<QueueDepth> {
        let (ready, leased): (i64, i64) = self
            .shared
            .session
            .run("depth", |conn| Box::pin(async { sqlx::query_as(DEPTH).fetch_one(conn).await }))
            .await?;
        Ok(QueueDepth { ready: ready.unsigned_abs(), leased: leased.unsigned_abs() })
    }

    async fn ready(&self) -> Result<()> {
        ready(&self.shared.session).await
    }

    async fn close(&self) -> Result<()> {
        let Shared { session, work, .. } = &*self.shared;
        // Those who wait see that it is closed; those who are just taking something are waited for.
        let stopped = session.stop();
        tokio::pin!(stopped);
        loop {
            work.notify_waiters();
            tokio::select! {
                () = &mut stopped => break,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        work.notify_waiters();
        let keys: Vec<_> = self.shared.leased().iter().map(|(number, lease)| (*number, *lease)).collect();
        let released = self.shared.give_back(keys).await;
        session.close().await;
        released
    }
}

impl fmt::Debug for PostgresQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresQueue").field("lease", &self.shared.lease).finish_non_exhaustive()
    }
}

impl fmt::Display for PostgresQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgreSQL queue")
    }
}

async fn push(conn: &mut PgConnection, jobs: &[Job]) -> sqlx::Result<()> {
    sqlx::query(PUSH)
        .bind(jobs.iter().map(|job| *job.id.as_uuid()).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| *job.account.as_uuid()).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| device_uuid(job.device)).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| priority_code(job.priority)).collect::<Vec<_>>())
        .execute(conn)
        .await
        .map(drop)
}

async fn take(conn: &mut PgConnection, max: usize, lease: i64) -> sqlx::Result<Vec<Leased>> {
    let rows = sqlx::query(LEASE_SOME).bind(limit(max)).bind(lease).fetch_all(conn).await?;
    let mut taken = rows
        .iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            let (number, lease): (i64, i32) = (columns.take()?, columns.take()?);
            let job = Job {
                id: columns.id()?,
                account: columns.id()?,
                priority: columns.priority()?,
                device: columns.id_or_null()?,
            };
            Ok((number, Leased { job, receipt: receipt(number, lease) }))
        })
        .collect::<sqlx::Result<Vec<_>>>()?;
    taken.sort_unstable_by_key(|(number, leased)| (Reverse(leased.job.priority), *number));
    Ok(taken.into_iter().map(|(_, leased)| leased).collect())
}

async fn settle(conn: &mut PgConnection, asked: &[((i64, i32), bool)]) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar(SETTLE)
        .bind(asked.iter().map(|((number, _), _)| *number).collect::<Vec<_>>())
        .bind(asked.iter().map(|((_, lease), _)| *lease).collect::<Vec<_>>())
        .bind(asked.iter().map(|(_, release)| *release).collect::<Vec<_>>())
        .fetch_all(conn)
        .await
}

/// The number of a job and of its lease, as a receipt.
fn receipt(number: i64, lease: i32) -> Receipt {
    Receipt { source: 0, entry: u128::from(number.unsigned_abs()) << 32 | u128::from(lease.unsigned_abs()) }
}

/// What [`receipt`] was made of. A receipt of another queue names a lease that never was.
fn key_of(receipt: Receipt) -> (i64, i32) {
    let number = i64::try_from(receipt.entry >> 32).unwrap_or(-1);
    let lease = i32::try_from(receipt.entry & u128::from(u32::MAX)).unwrap_or(-1);
    (number, lease)
}
