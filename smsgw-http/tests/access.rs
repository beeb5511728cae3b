//! Tokens, accounts and keys as they are managed over HTTP: what one may do, and when it is over.

mod common;

use std::time::Duration;

use common::{Answer, Api, bearer, public};
use serde_json::{Value, json};
use smsgw_core::account::Scope;
use smsgw_core::time::{Clock, SystemClock};

/// Whether `token` opens anything.
async fn opens(api: &Api, token: &str) -> bool {
    let answer = api.send("GET", "/tokens", &bearer(token), "").await;
    match answer.status {
        200 => return true,
        _ => answer.is_problem(401, "unauthorized", "a token that is over"),
    }
    false
}

async fn make(api: &Api, with: &str, token: Value) -> Answer {
    api.json_as(with, "POST", "/tokens", token.to_string()).await
}

fn text(answer: &Answer, name: &str) -> String {
    answer.json()[name].as_str().expect("a text").to_owned()
}

async fn user_id(api: &Api, name: &str) -> String {
    api.handle.ensure_account(name).await.expect("an account").id.to_string()
}

#[tokio::test]
async fn a_token_is_shown_once_and_never_cached() {
    let api = Api::start().await;
    let made = make(&api, &api.ann, json!({ "name": "laptop", "scopes": "inbox:read messages:read" })).await;
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")));
    let (id, token) = (text(&made, "id"), text(&made, "token"));
    assert_eq!((public(&token), text(&made, "scopes").as_str()), (id.as_str(), "messages:read inbox:read"));
    assert_eq!(made.json()["user_id"], user_id(&api, "ann").await);
    assert!(opens(&api, &token).await);
    let list = api.call("GET", "/tokens").await;
    let listed = String::from_utf8(list.body).expect("UTF-8");
    assert!(listed.contains(&id) && !listed.contains(token.rsplit('_').next().expect("a secret")));
    let rotated = api.json("POST", &format!("/tokens/{id}/rotate"), "{}").await;
    assert_eq!((rotated.status, rotated.header("cache-control")), (201, Some("no-store")));
}

#[tokio::test]
async fn no_token_gets_at_more_than_it_opens_itself() {
    let api = Api::start().await;
    let weak = api.token([Scope::MessagesRead]).await;
    let refused = [
        make(&api, &weak, json!({ "name": "a", "scopes": "messages:write" })).await,
        make(&api, &weak, json!({ "name": "a", "scopes": "messages:read devices:admin" })).await,
        make(&api, &api.ann, json!({ "name": "a", "scopes": "admin" })).await,
        api.json_as(&weak, "POST", &format!("/tokens/{}/rotate", public(&api.ann)), "{}").await,
        api.send("DELETE", &format!("/tokens/{}", public(&api.ann)), &bearer(&weak), "").await,
    ];
    for (index, answer) in refused.iter().enumerate() {
        answer.is_problem(403, "forbidden", &index.to_string());
    }
    assert!(opens(&api, &api.ann).await);
    let same = make(&api, &weak, json!({ "name": "a" })).await;
    assert_eq!((same.status, text(&same, "scopes").as_str()), (201, "messages:read"));
    let for_ann = json!({ "name": "a", "scopes": "admin", "user_id": user_id(&api, "ann").await });
    make(&api, &api.root, for_ann).await.points_to("/scopes", "more than the role of the account");
}

#[tokio::test]
async fn a_token_ends_in_the_future_and_within_ten_years() {
    let api = Api::start().await;
    let past = (SystemClock.now() - Duration::from_secs(1)).to_string();
    let far = (SystemClock.now() + Duration::from_secs(3_660 * 86_400)).to_string();
    for end in [past.as_str(), "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", &far, "tomorrow"] {
        let answer = make(&api, &api.ann, json!({ "name": "a", "expires_at": end })).await;
        answer.points_to("/expires_at", end);
    }
    let near = (SystemClock.now() + Duration::from_secs(3_600)).to_string();
    let made = make(&api, &api.ann, json!({ "name": "a", "expires_at": near })).await;
    assert_eq!((made.status, text(&made, "expires_at")), (201, near));
}

#[tokio::test]
async fn the_old_token_counts_through_its_grace_and_not_longer() {
    let api = Api::start().await;
    let old = api.token([Scope::InboxRead]).await;
    let rotate = async |token: &str, body: &str| {
        let answer = api.json_as(token, "POST", &format!("/tokens/{}/rotate", public(token)), body).await;
        assert_eq!((answer.status, text(&answer, "scopes").as_str()), (201, "inbox:read"));
        text(&answer, "token")
    };
    let second = rotate(&old, r#"{"grace":3600}"#).await;
    assert!(opens(&api, &old).await && opens(&api, &second).await);
    let third = rotate(&second, r#"{"grace":0}"#).await;
    assert!(!opens(&api, &second).await && opens(&api, &third).await);
    let fourth = rotate(&third, "").await;
    assert!(opens(&api, &third).await && opens(&api, &fourth).await, "a day where nothing is said");
    let again = api.json("POST", &format!("/tokens/{}/rotate", public(&second)), "{}").await;
    again.is_problem(404, "not_found", "one that is over");
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_from_the_answer_on() {
    let api = Api::start().await;
    for _ in 0..20 {
        let token = api.token([Scope::MessagesRead]).await;
        assert!(opens(&api, &token).await && opens(&api, &token).await, "and is remembered");
        let path = format!("/tokens/{}", public(&token));
        assert_eq!(api.call("DELETE", &path).await.status, 204);
        assert!(!opens(&api, &token).await);
    }
    let own = api.token([Scope::MessagesRead]).await;
    let path = format!("/tokens/{}", public(&own));
    assert_eq!(api.send("DELETE", &path, &bearer(&own), "").await.status, 204, "by itself");
    assert!(!opens(&api, &own).await);
}

#[tokio::test]
async fn a_token_opens_nothing_from_its_end_on() {
    let api = Api::start().await;
    let end = SystemClock.now() + Duration::from_secs(1);
    let made = make(&api, &api.ann, json!({ "name": "a", "expires_at": end.to_string() })).await;
    let token = text(&made, "token");
    // Remembered up to its end, and not a request longer.
    let mut opened = 0;
    loop {
        let asked = SystemClock.now();
        let status = api.send("GET", "/messages", &bearer(&token), "").await.status;
        if asked >= end {
            assert_eq!(status, 401);
            break;
        }
        opened += u32::from(status == 200);
    }
    assert!(opened > 0);
    assert!(!opens(&api, &token).await);
}

#[tokio::test]
async fn names_are_unique_and_an_admin_remains() {
    let api = Api::start().await;
    let root = async |method: &str, path: &str, body: Value| {
        api.json_as(&api.root, method, path, body.to_string()).await
    };
    let taken = root("POST", "/users", json!({ "name": "ann" })).await;
    taken.is_problem(409, "name_taken", "a second Ann");
    assert_eq!(taken.json()["pointer"], "/name");
    let own = format!("/users/{}", user_id(&api, "root").await);
    root("DELETE", &own, json!({})).await.is_problem(409, "last_admin", "the only admin");
    root("PATCH", &own, json!({ "role": "user" })).await.is_problem(409, "last_admin", "the only admin");
    let second = root("POST", "/users", json!({ "name": "second", "role": "admin" })).await;
    assert_eq!((second.status, text(&second, "role").as_str()), (201, "admin"));
    assert_eq!(second.header("location"), Some(format!("/users/{}", text(&second, "id")).as_str()));
    root("DELETE", &own, json!({})).await.is_problem(409, "own_account", "another is there");
    assert_eq!(root("PATCH", &own, json!({ "role": "user" })).await.status, 200);
    let answer = api.send("GET", "/users", &bearer(&api.root), "").await;
    answer.is_problem(403, "forbidden", "no admin from the answer on");
}

#[tokio::test]
async fn a_closed_account_has_no_tokens_and_gets_no_new_ones() {
    let api = Api::start().await;
    let bob = user_id(&api, "bob").await;
    assert!(opens(&api, &api.bob).await && opens(&api, &api.bob).await, "and is remembered");
    let close = async || api.send("DELETE", &format!("/users/{bob}"), &bearer(&api.root), "").await.status;
    assert_eq!(close().await, 204);
    assert!(!opens(&api, &api.bob).await);
    assert!(opens(&api, &api.ann).await);
    let user = api.send("GET", &format!("/users/{bob}"), &bearer(&api.root), "").await;
    assert!(user.json()["closed_at"].is_string());
    let more = make(&api, &api.root, json!({ "name": "a", "user_id": bob })).await;
    more.points_to("/user_id", "a closed account");
    assert_eq!(close().await, 204, "again");
}

#[tokio::test]
async fn the_key_of_a_device_is_replaced() {
    let api = Api::start().await;
    let keys = format!("/devices/{}/api-keys", api.device().await);
    let good = async |key: &str| api.handle.authenticator().device(key).await.expect("a store").is_ok();
    let first = api.json("POST", &keys, "{}").await;
    let rotate = async |old: &Answer, body: &str| {
        let answer = api.json("POST", &format!("{keys}/{}/rotate", text(old, "id")), body).await;
        assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")));
        answer
    };
    let second = rotate(&first, r#"{"grace":60}"#).await;
    assert!(good(&text(&first, "api_key")).await && good(&text(&second, "api_key")).await);
    let third = rotate(&second, r#"{"grace":0}"#).await;
    assert!(!good(&text(&second, "api_key")).await && good(&text(&third, "api_key")).await);
    let gone = api.json("POST", &format!("{keys}/{}/rotate", text(&second, "id")), "{}").await;
    gone.is_problem(404, "not_found", "one that is over");
    for grace in ["-1", "1.5", "2592001", "\"60\""] {
        let path = format!("{keys}/{}/rotate", text(&third, "id"));
        api.json("POST", &path, format!(r#"{{"grace":{grace}}}"#)).await.points_to("/grace", grace);
    }
    let list = api.call("GET", &keys).await;
    let listed = String::from_utf8(list.body).expect("UTF-8");
    for key in [&first, &second, &third] {
        assert!(!listed.contains(text(key, "api_key").rsplit('_').next().expect("a secret")));
    }
}
