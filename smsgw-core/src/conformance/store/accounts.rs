//! What [`AccountStore`](crate::store::AccountStore) promises.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::StoreFixture;
use super::ground::Ground;
use crate::account::{Account, Token};
use crate::conformance::Stage;
use crate::key::{KeyDigest, KeyId};

fn account(ground: &Ground, name: &str) -> Account {
    Account { id: ground.id(), name: name.into(), created_at: ground.now() }
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
    let plain = Token {
        id: KeyId::from_bytes([7; 10]),
        account: ground.account,
        name: "cron".into(),
        digest: KeyDigest::from_bytes([9; 32]),
        created_at: at,
        expires_at: None,
        revoked_at: None,
    };
    let full = Token {
        id: KeyId::from_bytes([0xff; 10]),
        name: String::new(),
        expires_at: Some(at + Duration::from_secs(5)),
        revoked_at: Some(at),
        ..plain.clone()
    };
    for token in [plain, full] {
        for _ in 0..2 {
            ground.store.create_token(&token).await.expect("create_token");
        }
        let read = ground.store.find_token(token.id).await.expect("find_token").expect("is there");
        assert_eq!((read.id, read.account, &read.name), (token.id, token.account, &token.name));
        assert_eq!(read.digest.as_bytes(), token.digest.as_bytes());
        let times = |token: &Token| (token.created_at, token.expires_at, token.revoked_at);
        assert_eq!(times(&read), times(&token));
    }
    assert!(ground.store.find_token(KeyId::from_bytes([8; 10])).await.expect("find_token").is_none());
}
