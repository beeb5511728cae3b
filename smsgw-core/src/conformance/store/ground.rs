use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::StoreFixture;
use crate::account::Account;
use crate::conformance::Stage;
use crate::device::{Device, Protocol};
use crate::id::{AccountId, DeviceId, IdSource, MessageId};
use crate::message::{Body, Failure, Message, NewMessage, Priority};
use crate::phone::PhoneNumber;
use crate::queue::Job;
use crate::state::{Change, Fence, QUEUED_RECHECK, Reason, Report, ReportState, State, Transition};
use crate::store::{Advanced, Claim, DueQuery, Inserted, Insertion, Moved, Pull, Store};
use crate::time::Timestamp;

/// How long a claim lasts in the cases.
pub(super) const LEASE: Duration = Duration::from_secs(2);
/// How long a dispatched message waits for its device in the cases.
pub(super) const RECHECK: Duration = Duration::from_secs(1);
/// The life of a message that is to end.
pub(super) const SHORT: Duration = Duration::from_secs(3);
/// A lease as gateways have it.
pub(super) const LONG: Duration = Duration::from_secs(30);
/// A moment more.
pub(super) const MOMENT: Duration = Duration::from_millis(100);

/// A store with an account, a device and short words for what the cases do.
pub(super) struct Ground {
    pub(super) fixture: Box<dyn StoreFixture>,
    pub(super) store: Arc<dyn Store>,
    pub(super) account: AccountId,
    pub(super) device: DeviceId,
    ids: IdSource,
}

impl Ground {
    pub(super) async fn new(stage: &Stage<dyn StoreFixture>) -> Self {
        let fixture = stage.fresh().await;
        let nil = Uuid::nil();
        let store = fixture.store();
        let mut ground =
            Self { fixture, store, account: nil.into(), device: nil.into(), ids: IdSource::new() };
        ground.account = ground.new_account("first").await;
        ground.device = ground.new_device(ground.account).await;
        ground
    }

    pub(super) fn now(&self) -> Timestamp {
        self.fixture.now()
    }

    pub(super) async fn elapse(&self, span: Duration) {
        self.fixture.elapse(span).await;
    }

    /// An id that nothing has yet.
    pub(super) fn id<T: From<Uuid>>(&self) -> T {
        self.ids.next(self.now())
    }

    pub(super) async fn new_account(&self, name: &str) -> AccountId {
        let account = Account::new(self.id(), name, self.now());
        self.store.ensure_account(&account).await.expect("ensure_account").id
    }

    pub(super) fn device_of(&self, account: AccountId) -> Device {
        Device {
            id: self.id(),
            account,
            name: "phone".into(),
            description: None,
            protocol: Protocol::Native,
            rate_limit: None,
            paused: false,
            sims: Vec::new(),
            created_at: self.now(),
            last_seen_at: None,
        }
    }

    pub(super) async fn new_device(&self, account: AccountId) -> DeviceId {
        let device = self.device_of(account);
        self.store.create_device(&device).await.expect("create_device");
        device.id
    }

    /// A request of the first account for an SMS without extras.
    pub(super) fn request(&self) -> NewMessage {
        NewMessage::new(self.account, number("+5351234567"), Body::new("hola").expect("a good body"))
    }

    pub(super) fn accept(&self, request: NewMessage) -> Message {
        request.accept(self.id(), self.now())
    }

    /// A message of the first account that is queued.
    pub(super) fn message(&self) -> Message {
        self.accept(self.request())
    }

    pub(super) async fn insert(&self, messages: &[Message]) -> Vec<Inserted> {
        let batch: Vec<_> = messages.iter().cloned().map(plain).collect();
        self.store.insert(&batch).await.expect("insert")
    }

    pub(super) async fn insert_new(&self, messages: &[Message]) {
        let outcomes = self.insert(messages).await;
        assert!(outcomes.iter().all(|outcome| *outcome == Inserted::New), "fresh ids are new: {outcomes:?}");
        assert_eq!(outcomes.len(), messages.len());
    }

    /// A request that was accepted and inserted.
    pub(super) async fn submitted(&self, request: NewMessage) -> MessageId {
        let message = self.accept(request);
        self.insert_new(std::slice::from_ref(&message)).await;
        message.id
    }

    pub(super) async fn queued(&self) -> MessageId {
        self.submitted(self.request()).await
    }

    /// Queued messages of the first account, in order of acceptance.
    pub(super) async fn queued_many(&self, count: usize) -> Vec<MessageId> {
        let messages: Vec<_> = (0..count).map(|_| self.message()).collect();
        self.insert_new(&messages).await;
        messages.into_iter().map(|message| message.id).collect()
    }

    /// A message that the first device has claimed.
    pub(super) async fn claimed(&self) -> MessageId {
        let id = self.queued().await;
        self.claim(id).await.expect("a queued message is claimed");
        id
    }

    /// A message that was dispatched to the first device.
    pub(super) async fn dispatched(&self) -> MessageId {
        let id = self.claimed().await;
        let outcome = self.dispatch(id, 1).await;
        assert!(matches!(outcome, Advanced::Applied(_)), "{outcome:?}");
        id
    }

    /// A message that was set aside for the first device, and could not be by another.
    pub(super) async fn set_aside(&self) -> MessageId {
        let id = self.claimed().await;
        let outcome = self.advance(id, Fence::Epoch(1), set_aside(false)).await;
        assert!(matches!(outcome, Advanced::Applied(_)), "{outcome:?}");
        id
    }

    pub(super) async fn claim(&self, id: MessageId) -> Option<Message> {
        self.claim_for(id, self.device).await
    }

    pub(super) async fn claim_for(&self, id: MessageId, device: DeviceId) -> Option<Message> {
        self.claim_under(id, device, LEASE).await
    }

    pub(super) async fn claim_under(
        &self,
        id: MessageId,
        device: DeviceId,
        lease: Duration,
    ) -> Option<Message> {
        let claimed = self.store.claim(&[Claim { id, device }], lease).await.expect("claim");
        <[_; 1]>::try_from(claimed).expect("one outcome").into_iter().next().flatten()
    }

    pub(super) fn pull_for(&self, device: DeviceId, max: usize) -> Pull {
        Pull { device, account: self.account, max }
    }

    /// What the first account's `device` pulls.
    pub(super) async fn pull(&self, device: DeviceId, max: usize) -> Vec<Message> {
        let pulls = [self.pull_for(device, max)];
        let pulled = self.store.claim_waiting(&pulls, LEASE).await.expect("claim_waiting");
        <[_; 1]>::try_from(pulled).expect("one list").into_iter().next().unwrap_or_default()
    }

    pub(super) async fn advance(&self, id: MessageId, fence: Fence, change: Change) -> Advanced {
        let outcomes = self.store.advance(&[Transition { id, fence, change }]).await.expect("advance");
        <[_; 1]>::try_from(outcomes).expect("one outcome").into_iter().next().expect("one outcome")
    }

    pub(super) async fn dispatch(&self, id: MessageId, epoch: u32) -> Advanced {
        self.advance(id, Fence::Epoch(epoch), dispatched()).await
    }

    /// The first device reports, under a new report id.
    pub(super) async fn report(&self, id: MessageId, state: ReportState) -> Advanced {
        self.advance(id, Fence::Device(self.device), self.reported(state)).await
    }

    pub(super) fn reported(&self, state: ReportState) -> Change {
        Change::Reported(Report { id: self.id(), state, failure: None, attempt: None })
    }

    /// The first device says that it failed with `code`, under a new report id.
    pub(super) fn failed(&self, code: &str) -> Change {
        let failure = Some(Failure::from_device(code));
        Change::Reported(Report { id: self.id(), state: ReportState::Failed, failure, attempt: None })
    }

    /// The first device fails with `code`.
    pub(super) async fn fail(&self, id: MessageId, code: &str) -> Advanced {
        self.advance(id, Fence::Device(self.device), self.failed(code)).await
    }

    /// The first device fails to send an attempt for want of a network.
    pub(super) async fn fail_attempt(&self, id: MessageId, attempt: u32) -> Advanced {
        let Change::Reported(report) = self.failed("no_service") else { unreachable!("it is a report") };
        let change = Change::Reported(Report { attempt: Some(attempt), ..report });
        self.advance(id, Fence::Device(self.device), change).await
    }

    pub(super) async fn read(&self, id: MessageId) -> Message {
        self.store.message(self.account, id).await.expect("message").expect("the message is there")
    }

    pub(super) async fn state(&self, id: MessageId) -> State {
        self.read(id).await.state
    }

    /// The states in the history of a message, and whether each was applied.
    pub(super) async fn history(&self, id: MessageId) -> Vec<(State, bool)> {
        let events =
            self.store.events(self.account, id).await.expect("events").expect("the message is there");
        events.into_iter().map(|event| (event.state, event.applied)).collect()
    }

    /// All that is due now, in as many calls as it takes.
    pub(super) async fn due(&self, requeue: bool) -> (Vec<Job>, Vec<Moved>) {
        let (mut jobs, mut moved) = (Vec::new(), Vec::new());
        for _ in 0..1_000 {
            let due = self.store.due(DueQuery { max: 100, requeue }).await.expect("due");
            jobs.extend(due.jobs);
            moved.extend(due.moved);
            if !due.more {
                return (jobs, moved);
            }
        }
        panic!("there is always more due");
    }

    /// Takes what is due now and answers the ids of the jobs, sorted.
    pub(super) async fn due_ids(&self, requeue: bool) -> Vec<MessageId> {
        let mut ids: Vec<_> = self.due(requeue).await.0.into_iter().map(|job| job.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Brings back a message whose claim or queue entry may have been lost, and claims it.
    pub(super) async fn recover(&self, id: MessageId) -> Message {
        self.elapse(LEASE.max(QUEUED_RECHECK) + MOMENT).await;
        self.due(true).await;
        self.claim(id).await.expect("nothing is lost: what was claimed or queued can be claimed again")
    }
}

pub(super) fn plain(message: Message) -> Insertion {
    message.into()
}

pub(super) fn number(text: &str) -> PhoneNumber {
    text.parse().expect("a good number")
}

pub(super) fn dispatched() -> Change {
    Change::Dispatched { recheck: Some(RECHECK) }
}

pub(super) fn set_aside(release_device: bool) -> Change {
    Change::SetAside { reason: Reason::DeviceOffline, release_device }
}

pub(super) fn applied(outcome: Advanced) -> Moved {
    match outcome {
        Advanced::Applied(moved) => moved,
        other => panic!("expected the transition to be applied, not {other:?}"),
    }
}

/// A request that goes before the others.
pub(super) fn urgent(request: NewMessage) -> NewMessage {
    NewMessage { priority: Priority::High, ..request }
}
