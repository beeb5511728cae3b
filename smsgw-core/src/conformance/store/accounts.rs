//! What [`AccountStore`](crate::store::AccountStore) promises.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::StoreFixture;
use super::ground::Ground;
use crate::account::{Account, Role, Scope, Scopes, Token};
use crate::conformance::Stage;
use crate::key::{KeyDigest, KeyId};
use crate::store::{AccountPatch, Cursor};

fn account(ground: &Ground, name: &str) -> Account {
    Account::new(ground.id(), name, ground.now())
}

/// A token of the first account, told apart by `byte`.
pub(super) fn token(ground: &Ground, byte: u8) -> Token {
    Token {
        id: KeyId::from_bytes([byte; 10]),
        account: ground.account,
        name: "cron".into(),
        scopes: [Scope::MessagesWrite, Scope::InboxRead].into_iter().collect(),
        digest: KeyDigest::from_bytes([9; 32]),
        created_at: ground.now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

pub(super) async fn account_is_made_once(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let (made, again) = (account(&ground, "ops ñ"), account(&ground, "ops ñ"));
    assert_eq!(ground.store.ensure_account(&made).await.expect("ensure_account"), made);
    assert_eq!(ground.store.ensure_account(&again).await.expect("ensure_account"), made, "the first holds");
    let other = account(&ground, "OPS ñ");
    assert_eq!(ground.store.ensure_account(&other).await.expect("ensure_account"), other, "case tells apart");
}

pub(super) async fn concurrent_starts_make_one_account(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let mut tasks = Vec::new();
    for turn in 0..6 {
        let store = match ground.fixture.peer().await {
            Some(peer) if turn % 2 == 1 => peer,
            _ => Arc::clone(&ground.store),
        };
        let account = account(&ground, "admin");
        tasks
            .push(tokio::spawn(async move { store.ensure_account(&account).await.expect("ensure_account") }));
    }
    let mut ids = HashSet::new();
    for task in tasks {
        ids.insert(task.await.expect("the task ends").id);
    }
    assert_eq!(ids.len(), 1, "all gateways that start together act for one account");
}

pub(super) async fn token_reads_back_whole(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let at = ground.now();
    let plain = token(&ground, 7);
    let full = Token {
        id: KeyId::from_bytes([0xff; 10]),
        name: String::new(),
        scopes: Scopes::ALL,
        expires_at: Some(at + Duration::from_secs(5)),
        revoked_at: Some(at),
        last_used_at: Some(at),
        ..plain.clone()
    };
    for token in [plain, full] {
        for _ in 0..2 {
            ground.store.create_token(&token).await.expect("create_token");
        }
        let (read, owner) = ground.store.find_token(token.id).await.expect("find_token").expect("is there");
        assert_eq!((read.id, read.account, &read.name), (token.id, token.account, &token.name));
        assert_eq!(read.scopes, token.scopes);
        assert_eq!((owner.id, owner.name.as_str()), (ground.account, "first"));
        assert_eq!(read.digest.as_bytes(), token.digest.as_bytes());
        let times =
            |token: &Token| (token.created_at, token.expires_at, token.revoked_at, token.last_used_at);
        assert_eq!(times(&read), times(&token));
    }
    assert!(ground.store.find_token(KeyId::from_bytes([8; 10])).await.expect("find_token").is_none());
}

pub(super) async fn accounts_are_listed_in_pages(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let mut made = vec![ground.store.account(ground.account).await.expect("account").expect("is there")];
    for name in ["a", "b", "c", "d"] {
        let account = Account { role: Role::Admin, ..account(&ground, name) };
        made.push(ground.store.ensure_account(&account).await.expect("ensure_account"));
    }
    made.sort_by_key(|account| std::cmp::Reverse((account.created_at, account.id)));
    for limit in [1, 2, 5, 100] {
        let (mut all, mut after): (Vec<Account>, Option<Cursor>) = (Vec::new(), None);
        loop {
            let page = ground.store.accounts(after, limit).await.expect("accounts");
            assert!(page.items.len() <= limit);
            all.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(all, made, "{limit} a page");
    }
    assert_eq!(ground.store.account(ground.id()).await.expect("account"), None);
}

pub(super) async fn account_changes_what_the_patch_names(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let stored = ground.store.account(ground.account).await.expect("account").expect("is there");
    let change =
        async |patch| ground.store.update_account(ground.account, patch).await.expect("update_account");
    assert_eq!(change(AccountPatch::default()).await, Some(stored.clone()));
    let admin = Account { role: Role::Admin, ..stored };
    let patch = AccountPatch { role: Some(Role::Admin), ..AccountPatch::default() };
    assert_eq!(change(patch).await, Some(admin.clone()));
    let at = ground.now();
    let closed = Account { closed_at: Some(at), ..admin };
    for later in [at, at + Duration::from_secs(1)] {
        let patch = AccountPatch { closed_at: Some(later), ..AccountPatch::default() };
        assert_eq!(change(patch).await, Some(closed.clone()), "since the earliest time");
    }
    ground.store.create_token(&token(&ground, 1)).await.expect("create_token");
    let (_, owner) =
        ground.store.find_token(token(&ground, 1).id).await.expect("find_token").expect("is there");
    assert_eq!(owner, closed);
    assert_eq!(
        ground.store.update_account(ground.id(), AccountPatch::default()).await.expect("update_account"),
        None
    );
}

pub(super) async fn tokens_are_listed_newest_first(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_account("other").await;
    for byte in [2, 1, 3] {
        ground.store.create_token(&token(&ground, byte)).await.expect("create_token");
        ground.elapse(Duration::from_millis(2)).await;
    }
    let theirs = Token { account: other, ..token(&ground, 4) };
    ground.store.create_token(&theirs).await.expect("create_token");
    let ids = async |account| {
        let tokens = ground.store.tokens(account).await.expect("tokens");
        tokens.iter().map(|token| token.id.as_bytes()[0]).collect::<Vec<_>>()
    };
    assert_eq!(ids(ground.account).await, [3, 1, 2]);
    assert_eq!(ids(other).await, [4]);
    assert!(ids(ground.id()).await.is_empty());
}

pub(super) async fn revoked_token_stays_revoked(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let token = token(&ground, 1);
    ground.store.create_token(&token).await.expect("create_token");
    let other = ground.new_account("other").await;
    let revoke =
        async |account, id, at| ground.store.revoke_token(account, id, at).await.expect("revoke_token");
    let at = ground.now();
    assert!(!revoke(other, token.id, at).await, "of another account");
    assert!(!revoke(ground.account, KeyId::from_bytes([2; 10]), at).await, "of nobody");
    let revoked_at =
        async || ground.store.find_token(token.id).await.expect("find_token").expect("is there").0.revoked_at;
    assert_eq!(revoked_at().await, None);
    for (given, expected) in [
        (at + Duration::from_secs(9), at + Duration::from_secs(9)),
        (at, at),
        (at + Duration::from_secs(1), at),
    ] {
        assert!(revoke(ground.account, token.id, given).await);
        assert_eq!(revoked_at().await, Some(expected), "the earliest time holds");
    }
}

pub(super) async fn token_was_used(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let token = token(&ground, 1);
    ground.store.create_token(&token).await.expect("create_token");
    let at = ground.now();
    for given in [at, at + Duration::from_secs(60), at + Duration::from_secs(30)] {
        ground.store.touch_token(token.id, given).await.expect("touch_token");
    }
    ground.store.touch_token(KeyId::from_bytes([2; 10]), at).await.expect("nobody is no error");
    let (read, _) = ground.store.find_token(token.id).await.expect("find_token").expect("is there");
    assert_eq!(read.last_used_at, Some(at + Duration::from_secs(60)));
}
