//! What a gateway does about who may do what: forged reports, accounts that are closed, keys and tokens that are replaced,
//! and what is forgotten.

use std::sync::Arc;
use std::time::Duration;

use smsgw_core::account::Role;
use smsgw_core::audit::{Act, AuditAction, AuditLog};
use smsgw_core::auth::Refusal;
use smsgw_core::gateway::{Gateway, GatewayBuilder, Handle, NewDevice, NewToken};
use smsgw_core::id::{AccountId, IdSource, MessageId};
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, Message, NewMessage};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::state::{ReportState, State};
use smsgw_core::store::{AuditQuery, AuditStore, Erased};
use smsgw_core::time::{Clock, SystemClock, Timestamp};
use smsgw_core::transport::Command;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Time that Tokio holds: it passes at once where everybody waits for it.
#[derive(Debug, Clone)]
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000) + self.0.elapsed()
    }
}

struct Ground {
    store: MemoryStore,
    transport: MemoryTransport,
    clock: Arc<Paused>,
}

impl Ground {
    fn new() -> Self {
        let clock = Arc::new(Paused(tokio::time::Instant::now()));
        Self { store: MemoryStore::with_clock(clock.clone()), transport: MemoryTransport::new(), clock }
    }

    fn builder(&self) -> GatewayBuilder {
        Gateway::builder(self.store.clone(), MemoryQueue::new(), self.transport.clone())
            .clock(self.clock.clone())
    }
}

async fn send(handle: &Handle, account: AccountId) -> MessageId {
    let message = NewMessage::new(
        account,
        "+5351234567".parse().expect("a number"),
        Body::new("hola").expect("a body"),
    );
    handle.submit(vec![message]).await.expect("accepted");
    let query = smsgw_core::store::MessageQuery::new(account, 1);
    handle.messages(&query).await.expect("messages").items.pop().expect("it is there").id
}

async fn read(handle: &Handle, account: AccountId, id: MessageId) -> Message {
    handle.message(account, id).await.expect("message").expect("it is there")
}

#[tokio::test]
async fn a_thousand_forged_reports_change_nothing_and_each_is_written_down() {
    let ground = Ground::new();
    let running = ground.builder().build().start().await.expect("starts");
    let handle = running.handle();
    let [mine, theirs] = ["mine", "theirs"].map(|name| handle.ensure_account(name));
    let (mine, theirs) = (mine.await.expect("an account").id, theirs.await.expect("an account").id);
    let victim = handle.create_device(theirs, NewDevice::new("phone")).await.expect("a device").id;
    let forger = handle.create_device(mine, NewDevice::new("forger")).await.expect("a device").id;
    let mut victim = ground.transport.connect(victim).await;
    let id = send(&handle, theirs).await;
    assert!(matches!(victim.command().await, Some(Command::Send { .. })));
    let before = loop {
        let message = read(&handle, theirs, id).await;
        if message.state == State::Dispatched {
            break message;
        }
        tokio::task::yield_now().await;
    };

    let mut phone = ground.transport.connect(forger).await;
    let ids = IdSource::new();
    for turn in 0..1_000 {
        let about = if turn % 2 == 0 { id } else { ids.next(SystemClock.now()) };
        phone.report(about, ReportState::Delivered).await.expect("the transport is open");
    }
    let mut receipts = 0;
    while receipts < 1_000 {
        if let Some(Command::Receipt(reports)) = phone.command().await {
            receipts += reports.len();
        }
    }
    assert_eq!(receipts, 1_000, "no retry loop: each has its receipt");
    assert_eq!(read(&handle, theirs, id).await, before);
    running.drain(Duration::from_secs(5)).await.expect("drains");

    let rows = ground.store.clone().audit(&AuditQuery::new(2_000)).await.expect("audit").items;
    assert_eq!(rows.len(), 1_000);
    assert!(rows.iter().all(|row| row.act.action == AuditAction::Report && row.act.device == Some(forger)));
    let about = rows.iter().filter(|row| row.act.target == Some(id.to_string())).count();
    assert_eq!(about, 500);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_replaced_ends_after_its_grace() {
    let ground = Ground::new();
    let running = ground.builder().build().start().await.expect("starts");
    let handle = running.handle();
    let account =
        handle.create_account("ops", Role::Admin).await.expect("an account").expect("a new name").id;
    assert_eq!(handle.create_account("ops", Role::User).await.expect("the store answers"), None);
    let (old, record) = handle.create_token(account, NewToken::new("cron")).await.expect("a token");
    let opens = async |credential: &smsgw_core::key::Credential| {
        handle.authenticator().token(credential.expose()).await.expect("the store answers").map(drop)
    };
    let rotated = handle.rotate_token(account, record.id, DAY).await.expect("the store answers");
    let (new, made) = rotated.expect("the token is there");
    assert_eq!((made.name.as_str(), made.scopes), ("cron", record.scopes));
    tokio::time::advance(DAY - Duration::from_secs(1)).await;
    assert_eq!((opens(&old).await, opens(&new).await), (Ok(()), Ok(())));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!((opens(&old).await, opens(&new).await), (Err(Refusal::Revoked), Ok(())));
    assert!(
        handle.rotate_token(account, record.id, DAY).await.expect("the store answers").is_none(),
        "it has ended"
    );
    let endless = handle.rotate_token(account, made.id, 400 * DAY).await.expect("the store answers");
    let (newest, _) = endless.expect("the token is there");
    tokio::time::advance(30 * DAY).await;
    assert_eq!((opens(&new).await, opens(&newest).await), (Err(Refusal::Revoked), Ok(())), "30 days at most");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_replaced_ends_after_its_grace_and_its_session_with_it() {
    let ground = Ground::new();
    let running = ground.builder().build().start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("ops").await.expect("an account").id;
    let device = handle.create_device(account, NewDevice::new("phone")).await.expect("a device").id;
    let made = handle.create_key(account, device, None).await.expect("create_key");
    let (old, record) = made.expect("the device is there");
    let opens = async |credential: &smsgw_core::key::Credential| {
        handle.authenticator().device(credential.expose()).await.expect("the store answers").map(drop)
    };
    let other = handle.ensure_account("other").await.expect("an account").id;
    let stolen = handle.rotate_key(other, device, record.id, DAY).await.expect("the store answers");
    assert!(stolen.is_none(), "the key of another account");
    let rotated = handle.rotate_key(account, device, record.id, DAY).await.expect("the store answers");
    let (new, _) = rotated.expect("the key is there");
    let mut phone = ground.transport.connect(device).await;
    tokio::time::sleep(DAY - Duration::from_secs(1)).await;
    assert_eq!((opens(&old).await, opens(&new).await), (Ok(()), Ok(())));
    let gone =
        tokio::time::timeout(Duration::from_secs(3), async { while phone.command().await.is_some() {} });
    gone.await.expect("the session ends within 2 s of the end of the key");
    assert_eq!((opens(&old).await, opens(&new).await), (Err(Refusal::Revoked), Ok(())));
}

#[tokio::test]
async fn a_closed_account_is_shut_out_with_its_devices() {
    let ground = Ground::new();
    let running = ground.builder().build().start().await.expect("starts");
    let handle = running.handle();
    let [account, other] = ["ops", "other"].map(|name| handle.ensure_account(name));
    let (account, other) = (account.await.expect("an account").id, other.await.expect("an account").id);
    let mut keys = Vec::new();
    for owner in [account, account, other] {
        let device = handle.create_device(owner, NewDevice::new("phone")).await.expect("a device").id;
        keys.push(handle.create_key(owner, device, None).await.expect("create_key").expect("a device").0);
    }
    let (token, _) = handle.create_token(account, NewToken::new("t")).await.expect("a token");
    let closed = handle.close_account(account).await.expect("closes").expect("the account is there");
    assert!(closed.closed_at.is_some());
    let authenticator = handle.authenticator();
    assert_eq!(authenticator.token(token.expose()).await.expect("a store").map(drop), Err(Refusal::Closed));
    let mut opens = Vec::new();
    for key in &keys {
        opens.push(authenticator.device(key.expose()).await.expect("a store").map(drop));
    }
    assert_eq!(opens, [Err(Refusal::Revoked), Err(Refusal::Revoked), Ok(())]);
    assert_eq!(handle.close_account(IdSource::new().next(handle.now())).await.expect("a store"), None);
}

#[tokio::test(start_paused = true)]
async fn texts_numbers_and_the_audit_log_are_forgotten_in_time() {
    let ground = Ground::new();
    let pseudonyms = Pseudonyms::new(&[1; 32]);
    let builder = ground.builder().pseudonyms(pseudonyms.clone());
    let builder = builder.keep_contents(Some(HOUR)).keep_audit(Some(3 * HOUR));
    let running = builder.build().start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("ops").await.expect("an account").id;
    let id = send(&handle, account).await;
    assert_eq!(handle.erase_message(account, id).await.expect("a store"), Some(Erased::NotOver));
    handle.cancel(account, id).await.expect("a store").expect("it is there");
    handle.audit_log().note(Act::done(AuditAction::CreateKey));
    tokio::time::sleep(HOUR - Duration::from_secs(60)).await;
    let before = read(&handle, account, id).await;
    assert_eq!(before.body.expose(), "hola");
    tokio::time::sleep(Duration::from_secs(180)).await;
    let after = read(&handle, account, id).await;
    assert_eq!((after.body.expose(), after.to), ("", pseudonyms.of_number(before.to)));
    let rows = async || handle.audit(&AuditQuery::new(10)).await.expect("audit").items.len();
    assert_eq!(rows().await, 1);
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!(rows().await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_message_is_removed_in_time() {
    let ground = Ground::new();
    // Less than two days is too short: its sender may repeat it.
    let builder = ground.builder().keep_contents(Some(HOUR)).keep_history(Some(HOUR));
    let running = builder.build().start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("ops").await.expect("an account").id;
    let id = send(&handle, account).await;
    handle.cancel(account, id).await.expect("a store").expect("it is there");
    tokio::time::sleep(48 * HOUR).await;
    assert!(read(&handle, account, id).await.erased_at.is_some());
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!(handle.message(account, id).await.expect("a store"), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_kept_is_kept() {
    let ground = Ground::new();
    let builder = ground.builder().keep_contents(None).keep_audit(None);
    let running = builder.build().start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("ops").await.expect("an account").id;
    let id = send(&handle, account).await;
    handle.cancel(account, id).await.expect("a store").expect("it is there");
    handle.audit_log().note(Act::done(AuditAction::CreateKey));
    tokio::time::sleep(24 * HOUR).await;
    assert_eq!(read(&handle, account, id).await.body.expose(), "hola");
    assert_eq!(handle.audit(&AuditQuery::new(10)).await.expect("audit").items.len(), 1);
    assert_eq!(handle.erase_message(account, id).await.expect("a store"), Some(Erased::Done));
    assert!(read(&handle, account, id).await.to.is_pseudonym());
}

#[tokio::test(start_paused = true)]
async fn the_audit_log_counts_what_it_cannot_keep() {
    let ground = Ground::new();
    let log = AuditLog::new(ground.store.clone(), ground.clock.clone());
    for _ in 0..5_000 {
        log.note(Act::refused(AuditAction::Connect, "wrong\nkey"));
    }
    let running = ground.builder().audit_log(log).build().start().await.expect("starts");
    let handle = running.handle();
    running.drain(Duration::from_secs(30)).await.expect("drains");
    drop(handle);
    let rows = ground.store.clone().audit(&AuditQuery::new(10_000)).await.expect("audit").items;
    let noted: u32 = rows.iter().map(|row| row.act.count).sum();
    assert_eq!(noted, 5_000, "each is written or counted");
    // At one and the same instant; which of them is the newest is left to their ids.
    let (overflow, kept): (Vec<_>, Vec<_>) =
        rows.iter().partition(|row| row.act.action == AuditAction::Overflow);
    assert!(!overflow.is_empty());
    assert_eq!(kept[0].act.refused.as_deref().map(|why| why.contains('\n')), Some(false));
}
