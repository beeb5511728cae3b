//! The one task that writes.
//!
//! SQLite has one writer at a time, and a commit costs a write to the disk however much it holds. So whatever waits
//! while a commit is under way forms the next one. An operation lives in the task, not in its caller: dropping the
//! caller's future never leaves half a transaction behind.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::time::{Clock, Timestamp};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};

use super::classify::{BACKEND, classify};
use super::connect::Connector;
use super::damaged::DamageLog;

/// The most operations in one commit.
const GROUP_OPERATIONS: usize = 64;
/// The most rows in one commit, unless one operation alone has more: it bounds how long the first waits for the last.
const GROUP_ROWS: usize = 4_000;
/// Operations that may wait; more wait outside.
const WAITING: usize = 256;

// Together, because each statement costs a way to SQLite's thread and back.
const BEGIN: &str = "BEGIN IMMEDIATE; SAVEPOINT operation; SELECT ifnull(max(seq), 0) FROM messages";
const NEXT: &str = "RELEASE operation; SAVEPOINT operation";
const COMMIT: &str = "RELEASE operation; COMMIT";

pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;
type Failure<'c> = Pin<Box<dyn Future<Output = Option<Error>> + Send + 'c>>;

/// Hands operations to the task. The task ends with it.
pub(super) struct Writer {
    /// Taken by `close`; then the task ends when it has done what waits.
    sender: Mutex<Option<mpsc::Sender<Box<dyn Operation>>>>,
    /// How the task ended, once it has.
    ended: watch::Receiver<Option<Result<()>>>,
}

impl Writer {
    /// Starts the task, which owns `conn` from now on.
    pub(super) fn start(
        conn: SqliteConnection,
        connector: Connector,
        clock: Arc<dyn Clock>,
        damage: Arc<DamageLog>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (end, ended) = watch::channel(None);
        let transaction = Some(Transaction::over(conn, damage.clone()));
        let task = Task { transaction, connector, clock, damage, waiting: VecDeque::new() };
        tokio::spawn(async move {
            // The receiver of a dropped writer is gone; then nobody wants to know.
            end.send(Some(task.run(receiver).await)).ok();
        });
        Self { sender: Mutex::new(Some(sender)), ended }
    }

    /// Has `work` done in a transaction and waits for its commit. `rows` is roughly how many it writes.
    ///
    /// What `work` does as a whole is undone where it fails; [`Transaction::undo`] undoes it within.
    pub(super) async fn run<T, F>(&self, name: &'static str, rows: usize, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Transaction) -> Work<'c, T> + Send + 'static,
    {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let closed = || Error::new(ErrorKind::Closed, BACKEND, name);
        let sender = sender.ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        let operation = Pending { name, rows, work: Some(work), outcome: None, reply };
        sender.send(Box::new(operation)).await.map_err(|_| closed())?;
        drop(sender);
        answer.await.map_err(|_| closed())?
    }

    /// Lets the task finish what waits, and waits for its end.
    pub(super) async fn close(&self) -> Result<()> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Err(Error::new(ErrorKind::Internal, BACKEND, "close")),
        }
    }
}

/// The transaction that an operation is part of.
pub(super) struct Transaction {
    pub(super) conn: SqliteConnection,
    /// When it began.
    pub(super) now: Timestamp,
    /// The number of the newest message. Nobody else writes while this transaction is open; who adds messages, counts.
    pub(super) last_seq: i64,
    /// Where rows that cannot be read are told of.
    pub(super) damage: Arc<DamageLog>,
}

impl Transaction {
    /// None yet, over `conn`.
    fn over(conn: SqliteConnection, damage: Arc<DamageLog>) -> Self {
        Self { conn, now: Timestamp::EPOCH, last_seq: 0, damage }
    }

    /// Takes the lock for writing, and a first savepoint.
    async fn begin(&mut self, clock: &dyn Clock) -> sqlx::Result<()> {
        let newest = sqlx::query_scalar(BEGIN).fetch_all(&mut self.conn).await?;
        self.last_seq = newest.first().copied().unwrap_or(0);
        // Only now, because the lock may have been waited for.
        self.now = clock.now();
        Ok(())
    }

    /// Undoes what the operation that is under way has done so far.
    pub(super) async fn undo(&mut self) -> sqlx::Result<()> {
        self.control("ROLLBACK TO operation").await
    }

    async fn control(&mut self, sql: &'static str) -> sqlx::Result<()> {
        sqlx::query(sql).execute(&mut self.conn).await.map(drop)
    }
}

/// An operation of any type.
trait Operation: Send {
    fn rows(&self) -> usize;
    /// Does it, and keeps its outcome. Answers the error where it failed.
    fn run<'c>(&'c mut self, transaction: &'c mut Transaction) -> Failure<'c>;
    /// Tells its caller: its own outcome where the group was committed.
    fn answer(self: Box<Self>, group: Result<()>);
}

struct Pending<T, F> {
    name: &'static str,
    rows: usize,
    work: Option<F>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Operation for Pending<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut Transaction) -> Work<'c, T> + Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn run<'c>(&'c mut self, transaction: &'c mut Transaction) -> Failure<'c> {
        Box::pin(async move {
            let outcome = (self.work.take()?)(transaction).await.map_err(|error| classify(self.name, error));
            let failure = outcome.as_ref().err().cloned();
            self.outcome = Some(outcome);
            failure
        })
    }

    fn answer(self: Box<Self>, group: Result<()>) {
        let outcome =
            self.outcome.unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, BACKEND, self.name)));
        // A caller that has gone wants no answer.
        self.reply.send(group.and(outcome)).ok();
    }
}

struct Task {
    /// None after a failure that may have left its connection in an unknown state; made again for the next group.
    transaction: Option<Transaction>,
    connector: Connector,
    clock: Arc<dyn Clock>,
    damage: Arc<DamageLog>,
    waiting: VecDeque<Box<dyn Operation>>,
}

impl Task {
    async fn run(mut self, mut receiver: mpsc::Receiver<Box<dyn Operation>>) -> Result<()> {
        loop {
            if self.waiting.is_empty() {
                match receiver.recv().await {
                    Some(operation) => self.waiting.push_back(operation),
                    None => break,
                }
            }
            while self.waiting.len() < GROUP_OPERATIONS
                && let Ok(operation) = receiver.try_recv()
            {
                self.waiting.push_back(operation);
            }
            let mut group = self.next_group();
            let outcome = self.transact(&mut group).await;
            if let Err(error) = &outcome {
                tracing::warn!(%error, operations = group.len(), "nothing of a group was committed");
                self.recover().await;
            }
            for operation in group {
                operation.answer(outcome.clone());
            }
        }
        self.end().await.map_err(|error| classify("close", error))
    }

    fn next_group(&mut self) -> Vec<Box<dyn Operation>> {
        let mut group = Vec::new();
        let mut rows = 0;
        while let Some(operation) =
            self.waiting.pop_front_if(|next| rows == 0 || next.rows().saturating_add(rows) <= GROUP_ROWS)
        {
            rows = operation.rows().max(1).saturating_add(rows);
            group.push(operation);
        }
        group
    }

    /// Runs a group in one transaction. An operation that fails takes nobody with it.
    async fn transact(&mut self, group: &mut [Box<dyn Operation>]) -> Result<()> {
        let failed = |error| classify("commit", error);
        let transaction = match &mut self.transaction {
            Some(transaction) => transaction,
            lost => {
                let conn = self.connector.connect().await.map_err(failed)?;
                lost.insert(Transaction::over(conn, self.damage.clone()))
            }
        };
        transaction.begin(&*self.clock).await.map_err(failed)?;
        let mut left = group.len();
        for operation in group {
            if let Some(error) = operation.run(transaction).await {
                // It cannot where SQLite has rolled back everything by itself, as it does when the disk is full.
                transaction.undo().await.map_err(|_| error)?;
            }
            left -= 1;
            transaction.control(if left > 0 { NEXT } else { COMMIT }).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Leaves no transaction open after a failure.
    async fn recover(&mut self) {
        if let Some(transaction) = &mut self.transaction
            && transaction.control("ROLLBACK").await.is_err()
        {
            self.transaction = None;
        }
    }

    /// Moves the write-ahead log into the database file and closes both.
    async fn end(mut self) -> sqlx::Result<()> {
        let Some(mut transaction) = self.transaction.take() else { return Ok(()) };
        transaction.control("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        transaction.conn.close().await
    }
}
