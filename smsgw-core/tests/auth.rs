//! What opens, and what is said of what does not.

use std::sync::Arc;
use std::time::Duration;

use smsgw_core::account::{Account, Role, Scope, Scopes, Token};
use smsgw_core::auth::{Authenticator, Refusal};
use smsgw_core::id::IdSource;
use smsgw_core::key::{Credential, CredentialKind};
use smsgw_core::memory::MemoryStore;
use smsgw_core::store::{AccountPatch, AccountStore};
use smsgw_core::time::{Clock, ManualClock, SystemClock};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_token_opens_until_it_expires_or_is_revoked() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let now = clock.now();
    let store = MemoryStore::with_clock(clock.clone());
    let account = Account::new(IdSource::new().next(now), "a", now);
    store.ensure_account(&account).await.expect("an account");
    let authenticator = Authenticator::new(store.clone(), clock.clone());
    let add = async |expires_at, revoked_at| {
        let credential = Credential::generate(CredentialKind::Token).expect("random numbers");
        let token = Token {
            id: credential.id(),
            account: account.id,
            name: "t".into(),
            scopes: Scopes::ALL,
            digest: credential.digest(),
            created_at: now,
            expires_at,
            revoked_at,
            last_used_at: None,
        };
        store.create_token(&token).await.expect("a token");
        credential
    };
    let lasting = add(None, None).await;
    let expiring = add(Some(now + HOUR), None).await;
    let revoked = add(None, Some(now)).await;
    let ending = add(None, Some(now + HOUR)).await;
    let check =
        async |text: &str| authenticator.token(text).await.expect("the store answers").map(|p| p.account);

    assert_eq!(check(lasting.expose()).await, Ok(account.id));
    assert_eq!(check(expiring.expose()).await, Ok(account.id));
    assert_eq!(check(ending.expose()).await, Ok(account.id));
    assert_eq!(check(revoked.expose()).await, Err(Refusal::Revoked));
    // At the very instant of its end it is over.
    clock.advance(HOUR);
    assert_eq!(check(lasting.expose()).await, Ok(account.id));
    assert_eq!(check(expiring.expose()).await, Err(Refusal::Expired));
    assert_eq!(check(ending.expose()).await, Err(Refusal::Revoked));

    let unknown = Credential::generate(CredentialKind::Token).expect("random numbers");
    let device = Credential::generate(CredentialKind::Device).expect("random numbers");
    assert_eq!(check(unknown.expose()).await, Err(Refusal::Unknown));
    assert_eq!(check(device.expose()).await, Err(Refusal::Unknown));
    assert_eq!(check("").await, Err(Refusal::Malformed));
    assert_eq!(check(&lasting.expose()[..60]).await, Err(Refusal::Checksum));
}

#[tokio::test]
async fn a_token_opens_no_more_than_its_account_may_and_nothing_once_that_is_closed() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let now = clock.now();
    let store = MemoryStore::with_clock(clock.clone());
    let account = Account { role: Role::Admin, ..Account::new(IdSource::new().next(now), "a", now) };
    store.ensure_account(&account).await.expect("an account");
    let credential = Credential::generate(CredentialKind::Token).expect("random numbers");
    let token = Token {
        id: credential.id(),
        account: account.id,
        name: "t".into(),
        scopes: [Scope::InboxRead, Scope::Admin].into_iter().collect(),
        digest: credential.digest(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    store.create_token(&token).await.expect("a token");
    let authenticator = Authenticator::new(store.clone(), clock.clone());
    let check = async || authenticator.token(credential.expose()).await.expect("the store answers");

    let principal = check().await.expect("a good token");
    assert!(
        principal.may(Scope::Admin) && principal.may(Scope::InboxRead) && !principal.may(Scope::MessagesRead)
    );
    let last_used = async || {
        store.find_token(token.id).await.expect("the store answers").expect("a token").0.last_used_at
    };
    assert_eq!(last_used().await, Some(now));
    clock.advance(Duration::from_secs(59));
    check().await.expect("a good token");
    assert_eq!(last_used().await, Some(now), "not written at each use");
    clock.advance(Duration::from_secs(1));
    check().await.expect("a good token");
    assert_eq!(last_used().await, Some(clock.now()));

    let demoted = AccountPatch { role: Some(Role::User), closed_at: None };
    store.update_account(account.id, demoted).await.expect("the store answers");
    let principal = check().await.expect("a good token");
    assert!(!principal.may(Scope::Admin) && principal.may(Scope::InboxRead));
    let closed = AccountPatch { role: None, closed_at: Some(clock.now()) };
    store.update_account(account.id, closed).await.expect("the store answers");
    assert_eq!(check().await, Err(Refusal::Closed));
}
