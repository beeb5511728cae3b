use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{Act, AuditAction, AuditEvent};
use crate::id::IdSource;
use crate::store::Store;
use crate::text::printable;
use crate::time::Clock;

/// Events that wait to be written.
const WAITING: usize = 4_096;
/// Events of one write.
const BATCH: usize = 512;
/// How long a store that is away is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// Writes the audit log, in batches and in the order of what happened. Cheap to clone: one log for a broker, an API and
/// the gateway that they belong to.
///
/// It begins to write when its gateway starts, and is given to that by
/// [`audit_log`](crate::gateway::GatewayBuilder::audit_log) where others have it too.
///
/// Each act is also an event of `tracing`, to the target `smsgw::audit`. Where the store is away the log waits for it, with
/// up to 4,096 events; what [`AuditLog::note`] cannot keep then is counted, and the count is written.
#[derive(Clone)]
pub struct AuditLog(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    ids: IdSource,
    line: mpsc::Sender<Entry>,
    /// What the task takes along when it begins.
    waiting: Mutex<Option<Writer>>,
    /// What found no place.
    lost: AtomicU32,
}

/// What writes down what waits.
struct Writer {
    store: Arc<dyn Store>,
    waiting: mpsc::Receiver<Entry>,
}

enum Entry {
    Event(Box<AuditEvent>),
    /// Answered when all before it is written.
    Flush(oneshot::Sender<()>),
}

impl AuditLog {
    /// A log in `store`, at the time of `clock`.
    pub fn new(store: impl Store, clock: impl Clock) -> Self {
        Self::from_parts(Arc::new(store), Arc::new(clock))
    }

    pub(crate) fn from_parts(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let (line, waiting) = mpsc::channel(WAITING);
        let waiting = Mutex::new(Some(Writer { store, waiting }));
        Self(Arc::new(Inner { clock, ids: IdSource::new(), line, waiting, lost: AtomicU32::new(0) }))
    }

    /// Begins to write, as a task of the runtime that this is called in. The task ends when the last clone is dropped, after
    /// it has written what waits.
    pub(crate) fn start(&self) {
        let writer = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            tokio::spawn(writer.run());
        }
    }

    /// Notes an act, without waiting.
    pub fn note(&self, act: Act) {
        let event = self.0.event(act);
        if self.0.line.try_send(Entry::Event(Box::new(event))).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes an act, and waits for a place where there is none.
    pub async fn record(&self, act: Act) {
        let event = self.0.event(act);
        // Closed only where the store was.
        let _ = self.0.line.send(Entry::Event(Box::new(event))).await;
    }

    /// Waits until everything that was noted is written.
    pub(crate) async fn flush(&self) {
        let lost = self.0.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.record(Act { count: lost, ..Act::done(AuditAction::Overflow) }).await;
        }
        let (done, written) = oneshot::channel();
        if self.0.line.send(Entry::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }
}

impl Inner {
    fn event(&self, act: Act) -> AuditEvent {
        let now = self.clock.now();
        AuditEvent { id: self.ids.next(now), at: now, act: act.told() }
    }
}

impl Act {
    /// Makes it an event of `tracing`, as [`AuditLog::note`] does, where there is no log to note it in. Returns it as it was
    /// told: texts as one line each.
    pub fn told(self) -> Self {
        // What somebody sent may be in here: one line each, and no longer than that.
        let act = Self {
            refused: self.refused.as_deref().map(printable),
            target: self.target.as_deref().map(printable),
            origin: self.origin.map(|origin| origin.to_canonical()),
            ..self
        };
        log(&act);
        act
    }
}

fn log(act: &Act) {
    let Act { action, refused, account, credential, device, target, origin, count } = act;
    let account = account.map(tracing::field::display);
    let credential = credential.map(tracing::field::display);
    let device = device.map(tracing::field::display);
    let origin = origin.map(tracing::field::display);
    let about = target.as_deref();
    match refused {
        Some(reason) => tracing::warn!(
            target: "smsgw::audit", %action, account, credential, device, about, origin, count, reason, "refused"
        ),
        None => {
            tracing::info!(target: "smsgw::audit", %action, account, credential, device, about, origin, count, "done");
        }
    }
}

impl Writer {
    /// Writes until nobody can note anything any more.
    async fn run(mut self) {
        let mut entries = Vec::with_capacity(BATCH);
        while self.waiting.recv_many(&mut entries, BATCH).await > 0 {
            let mut events = Vec::with_capacity(entries.len());
            let mut flushed = Vec::new();
            for entry in entries.drain(..) {
                match entry {
                    Entry::Event(event) => events.push(*event),
                    Entry::Flush(done) => flushed.push(done),
                }
            }
            self.write(&events).await;
            for done in flushed {
                // Whoever asked may be gone.
                let _ = done.send(());
            }
        }
    }

    async fn write(&self, events: &[AuditEvent]) {
        while let Err(error) = self.store.record(events).await {
            if !error.is_retryable() {
                tracing::error!(%error, events = events.len(), "the audit log cannot store these events");
                return;
            }
            tracing::warn!(%error, "could not write the audit log; trying again");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("waiting", &(WAITING - self.0.line.capacity()))
            .finish_non_exhaustive()
    }
}
