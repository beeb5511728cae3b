//! One row that a store can never take does not hold up the others that were unlucky enough to share its batch.

mod forward;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::gateway::{Gateway, Handle, NewDevice, Submitted};
use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, Message, MessageEvent, NewMessage};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::state::{Change, ReportState, State, Transition};
use smsgw_core::store::{
    Advanced, Claim, Due, DueQuery, Erased, Inserted, Insertion, MessageQuery, MessageStore, Page, Pull,
};
use smsgw_core::time::Timestamp;
use smsgw_core::transport::Command;
use uuid::Uuid;

use forward::forward_all_but_messages;

/// What goes wrong with the message [`POISON`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    Insert,
    Claim,
    Report,
    Advance,
    Due,
}

/// A store that fails for good whenever a batch holds one message.
#[derive(Debug)]
struct Poisoned {
    inner: MemoryStore,
    bad: Bad,
}

fn poison() -> MessageId {
    Uuid::from_u128(0xdead).into()
}

impl Poisoned {
    fn check(&self, bad: Bad, mut ids: impl Iterator<Item = MessageId>) -> Result<()> {
        match self.bad == bad && ids.any(|id| id == poison()) {
            true => Err(Error::new(ErrorKind::Internal, "poisoned", "test")),
            false => Ok(()),
        }
    }
}

impl fmt::Display for Poisoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("poisoned store")
    }
}

#[async_trait]
impl MessageStore for Poisoned {
    async fn insert(&self, batch: &[Insertion]) -> Result<Vec<Inserted>> {
        // Long enough for others to join the next batch.
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.check(Bad::Insert, batch.iter().map(|row| row.message.id))?;
        self.inner.insert(batch).await
    }

    async fn claim(&self, claims: &[Claim], lease: Duration) -> Result<Vec<Option<Message>>> {
        self.check(Bad::Claim, claims.iter().map(|claim| claim.id))?;
        self.inner.claim(claims, lease).await
    }

    async fn claim_waiting(&self, pulls: &[Pull], lease: Duration) -> Result<Vec<Vec<Message>>> {
        self.inner.claim_waiting(pulls, lease).await
    }

    async fn advance(&self, batch: &[Transition]) -> Result<Vec<Advanced>> {
        assert_ne!(self.bad, Bad::Advance, "a bug of the backend");
        let reports = batch.iter().filter(|transition| matches!(transition.change, Change::Reported(_)));
        self.check(Bad::Report, reports.map(|transition| transition.id))?;
        self.inner.advance(batch).await
    }

    async fn recall(&self, devices: &[DeviceId]) -> Result<u64> {
        self.inner.recall(devices).await
    }

    async fn in_hand(&self, held: &[Claim]) -> Result<Vec<bool>> {
        self.inner.in_hand(held).await
    }

    async fn due(&self, query: DueQuery) -> Result<Due> {
        assert_ne!(self.bad, Bad::Due, "a bug of the backend");
        self.inner.due(query).await
    }

    async fn forget_keys(&self, max: usize) -> Result<usize> {
        self.inner.forget_keys(max).await
    }

    async fn erase(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize> {
        self.inner.erase(before, max, pseudonyms).await
    }

    async fn erase_message(
        &self,
        account: AccountId,
        id: MessageId,
        pseudonyms: &Pseudonyms,
    ) -> Result<Option<Erased>> {
        self.inner.erase_message(account, id, pseudonyms).await
    }

    async fn remove(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.inner.remove(before, max).await
    }

    async fn message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>> {
        self.inner.message(account, id).await
    }

    async fn events(&self, account: AccountId, id: MessageId) -> Result<Option<Vec<MessageEvent>>> {
        self.inner.events(account, id).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<Page<Message>> {
        self.inner.messages(query).await
    }
}

forward_all_but_messages!(Poisoned);

struct Setup {
    handle: Handle,
    account: AccountId,
    transport: MemoryTransport,
    running: smsgw_core::gateway::Running,
}

async fn setup(bad: Bad) -> Setup {
    let transport = MemoryTransport::new();
    let store = Poisoned { inner: MemoryStore::new(), bad };
    let gateway = Gateway::builder(Arc::new(store), MemoryQueue::new(), transport.clone()).build();
    let running = gateway.start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    Setup { handle, account, transport, running }
}

impl Setup {
    fn message(&self, id: MessageId) -> NewMessage {
        let to = "+5351234567".parse().expect("a number");
        let mut new = NewMessage::new(self.account, to, Body::new("x").expect("a body"));
        new.id = Some(id);
        new
    }

    async fn device(&self) -> DeviceId {
        let new = NewDevice::new("phone");
        self.handle.create_device(self.account, new).await.expect("a device").id
    }

    async fn reaches(&self, id: MessageId, state: State) {
        let reached = async {
            while self.handle.message(self.account, id).await.expect("read").expect("there").state != state {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reached).await.expect("within 10 s");
    }
}

/// The poison among nine others.
fn ids() -> Vec<MessageId> {
    let mut ids: Vec<MessageId> = (1..10u128).map(|n| Uuid::from_u128(n).into()).collect();
    ids.insert(5, poison());
    ids
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_fails_alone() {
    let setup = Arc::new(setup(Bad::Insert).await);
    let mut callers = tokio::task::JoinSet::new();
    for id in ids() {
        let setup = setup.clone();
        callers.spawn(async move { (id, setup.handle.submit(vec![setup.message(id)]).await) });
    }
    while let Some(outcome) = callers.join_next().await {
        let (id, outcome) = outcome.expect("no panic");
        match outcome {
            Ok(outcomes) => assert!(id != poison() && matches!(outcomes[..], [Submitted::Accepted(_)])),
            Err(error) => assert!(id == poison(), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_claimed_waits_alone() {
    let setup = setup(Bad::Claim).await;
    let device = setup.device().await;
    let mut phone = setup.transport.connect(device).await;
    // Until the device has been asked for what waited, the batch would be set aside.
    tokio::time::sleep(Duration::from_millis(50)).await;
    setup.handle.submit(ids().into_iter().map(|id| setup.message(id)).collect()).await.expect("accepted");
    for _ in 0..9 {
        let next = tokio::time::timeout(Duration::from_secs(4), phone.command()).await;
        let Some(Command::Send { message, .. }) = next.expect("the others go out") else {
            panic!("no message")
        };
        assert_ne!(message.id, poison());
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_stored_is_set_aside_alone() {
    let setup = setup(Bad::Report).await;
    let device = setup.device().await;
    let mut phone = setup.transport.connect(device).await;
    setup.handle.submit(ids().into_iter().map(|id| setup.message(id)).collect()).await.expect("accepted");
    for _ in 0..10 {
        assert!(matches!(phone.command().await, Some(Command::Send { .. })));
    }
    for id in ids() {
        phone.report(id, ReportState::Sent).await.expect("heard");
    }
    for id in ids().into_iter().filter(|id| *id != poison()) {
        setup.reaches(id, State::Sent).await;
    }
    // The inbox is not stuck either.
    let next = Uuid::from_u128(77).into();
    setup.handle.submit(vec![setup.message(next)]).await.expect("accepted");
    while !matches!(phone.command().await, Some(Command::Send { .. })) {}
    phone.report(next, ReportState::Sent).await.expect("heard");
    setup.reaches(next, State::Sent).await;
}

#[tokio::test]
async fn that_nothing_can_be_written_down_any_more_is_told_of() {
    let mut setup = setup(Bad::Advance).await;
    let device = setup.device().await;
    let mut phone = setup.transport.connect(device).await;
    setup.handle.submit(vec![setup.message(ids()[0])]).await.expect("accepted");
    assert!(matches!(phone.command().await, Some(Command::Send { .. })));
    phone.report(ids()[0], ReportState::Sent).await.expect("heard");
    let failed = tokio::time::timeout(Duration::from_secs(10), setup.running.failed()).await;
    assert_eq!(failed.expect("within 10 s").kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn a_stage_that_panics_is_told_of() {
    let mut setup = setup(Bad::Due).await;
    let failed = tokio::time::timeout(Duration::from_secs(10), setup.running.failed()).await;
    assert_eq!(failed.expect("within 10 s").kind(), ErrorKind::Internal);
}
