use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::birth::AT_ONCE;
use super::broker_accounts::BrokerAccounts;
use super::dispatched::Words;
use super::ending::EndingKeys;
use super::events::EventLog;
use super::fleet::Fleet;
use super::intake::Intake;
use super::queued::Backlog;
use super::statistics::{Counters, History};
use super::writer::Writer;
use super::{Gateway, Settings, Shared};
use crate::audit::AuditLog;
use crate::auth::Failures;
use crate::id::IdSource;
use crate::provision::Provisioner;
use crate::pseudonym::Pseudonyms;
use crate::queue::Queue;
use crate::rate::RateLimit;
use crate::seal::Seal;
use crate::store::{KEYS_KEPT, Store};
use crate::time::{Clock, SystemClock};
use crate::transport::Transport;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Options of a [`Gateway`]; the backends are given already.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct GatewayBuilder {
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    rate_limit: Option<RateLimit>,
    provisioner: Option<Arc<dyn Provisioner>>,
    sealer: Option<Arc<dyn Seal>>,
    audit: Option<AuditLog>,
    pseudonyms: Pseudonyms,
    observer_capacity: usize,
    settings: Settings,
}

impl GatewayBuilder {
    pub(super) fn new(store: Arc<dyn Store>, queue: Arc<dyn Queue>, transport: Arc<dyn Transport>) -> Self {
        Self {
            store,
            queue,
            transport,
            clock: Arc::new(SystemClock),
            rate_limit: None,
            provisioner: None,
            sealer: None,
            audit: None,
            pseudonyms: Pseudonyms::default(),
            observer_capacity: 4_096,
            settings: Settings {
                lease: Duration::from_secs(30),
                batch: 256,
                batches_in_flight: 4,
                always_queue: false,
                recheck: Duration::from_secs(60),
                reconcile_every: Duration::from_secs(1),
                keep_contents: Some(30 * DAY),
                keep_history: None,
                keep_audit: Some(90 * DAY),
            },
        }
    }

    /// How fast each device may be given messages that has no limit of its own. Default: as fast as it acknowledges.
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate_limit = Some(limit);
        self
    }

    /// Who tells the broker which keys are good, where that cannot ask the store. Default: nobody need be told.
    pub fn provisioner(mut self, provisioner: impl Provisioner) -> Self {
        self.provisioner = Some(Arc::new(provisioner));
        self
    }

    /// What seals the keys of devices of the original protocol, so that they can be read back: a broker that outlives
    /// this gateway holds these devices' connections, and their topics are made of their keys. Default: such devices
    /// are reached again when they authenticate again.
    pub fn sealer(mut self, sealer: impl Seal) -> Self {
        self.sealer = Some(Arc::new(sealer));
        self
    }

    /// The audit log, where a broker or others write to it too. Default: one of its own in the store.
    pub fn audit_log(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
    }

    /// How long texts and numbers are kept after a message is over or an SMS was received; then they are erased, and of a
    /// number its pseudonym is left. `None` keeps them for ever. Default: 30 days.
    pub fn keep_contents(mut self, time: Option<Duration>) -> Self {
        self.settings.keep_contents = time;
        self
    }

    /// How long what is left of a message or of a received SMS is kept after it was erased, two days at least; then it is removed
    /// with its history, and its id is free again. `None` keeps it for ever. Default: for ever.
    pub fn keep_history(mut self, time: Option<Duration>) -> Self {
        self.settings.keep_history = time.map(|time| time.max(2 * KEYS_KEPT));
        self
    }

    /// What makes pseudonyms of numbers. Default: nothing is left of a number.
    pub fn pseudonyms(mut self, pseudonyms: Pseudonyms) -> Self {
        self.pseudonyms = pseudonyms;
        self
    }

    /// How long the audit log is kept; `None` keeps it for ever. Default: 90 days.
    pub fn keep_audit(mut self, time: Option<Duration>) -> Self {
        self.settings.keep_audit = time;
        self
    }

    /// Where `now` comes from, for a gateway under test. Default: the machine's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How long a dispatcher may take over a claimed message before another may have it. Default: 30 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// How many messages are claimed and sent at a time, from 1. Default: 256.
    pub fn batch(mut self, messages: usize) -> Self {
        self.settings.batch = messages.max(1);
        self
    }

    /// How many batches are on their way at once, from 1. Default: 4.
    pub fn batches_in_flight(mut self, batches: usize) -> Self {
        self.settings.batches_in_flight = batches.max(1);
        self
    }

    /// Whether every message goes through the queue, also one that this gateway could send at once. That spreads messages over
    /// gateways that share the queue, where one of them accepts most; each message then costs a claim more. Default: no.
    pub fn always_queue(mut self, always: bool) -> Self {
        self.settings.always_queue = always;
        self
    }

    /// How long a device may take to acknowledge a message before it is sent again. Default: 60 s.
    pub fn acknowledge_within(mut self, time: Duration) -> Self {
        self.settings.recheck = time;
        self
    }

    /// How often the store is asked what has become due. Default: every second.
    pub fn reconcile_every(mut self, time: Duration) -> Self {
        self.settings.reconcile_every = time;
        self
    }

    /// How many changes of state an observer may fall behind, from 1. Default: 4,096.
    pub fn observer_capacity(mut self, changes: usize) -> Self {
        self.observer_capacity = changes.max(1);
        self
    }

    /// The gateway, ready to start.
    pub fn build(self) -> Gateway {
        let (intake, submissions) = Intake::new();
        let (writer, changes) = Writer::new();
        let (words, held) = Words::new();
        let tells_listening = self.transport.capabilities().tells_listening;
        let audit = self.audit;
        let audit = audit.unwrap_or_else(|| AuditLog::from_parts(self.store.clone(), self.clock.clone()));
        let counters = Counters::new(self.clock.now());
        let ids = IdSource::new();
        let events = Arc::new(EventLog::new(ids.next(self.clock.now())));
        let shared = Shared {
            store: self.store,
            queue: self.queue,
            transport: self.transport,
            ids,
            fleet: Fleet::new(self.rate_limit, tells_listening, events.clone(), self.clock.clone()),
            clock: self.clock,
            broker_accounts: BrokerAccounts::new(self.provisioner, self.sealer),
            ending: EndingKeys::default(),
            intake,
            writer,
            words,
            backlog: Backlog::default(),
            births: Arc::new(Semaphore::new(AT_ONCE)),
            observers: broadcast::Sender::new(self.observer_capacity),
            events,
            audit,
            failures: Failures::new(),
            pseudonyms: self.pseudonyms,
            counters,
            history: History::default(),
            settings: self.settings,
            stop: CancellationToken::new(),
            sending: TaskTracker::new(),
        };
        Gateway { shared: Arc::new(shared), submissions, changes, words: held }
    }
}
