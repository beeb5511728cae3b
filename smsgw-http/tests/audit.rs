//! The audit log over HTTP: every refusal and every administrative act once, with who, what and from where.

mod common;

use std::time::Duration;

use common::{Api, NOBODY, bearer, from, message, public};
use serde_json::{Value, json};
use smsgw_core::account::{Role, Scope};
use smsgw_core::gateway::NewToken;
use smsgw_core::time::{Clock, SystemClock, Timestamp};

const HERE: [u8; 4] = [198, 51, 100, 7];

/// The token with another secret, and a checksum to match.
fn forged(token: &str) -> String {
    let signed = &token[..token.len() - 7];
    let (public, secret) = signed.rsplit_once('_').expect("a secret");
    let swapped: String = secret.chars().rev().collect();
    let signed = format!("{public}_{swapped}");
    let sum = crc32fast::hash(signed.as_bytes()).to_be_bytes();
    format!("{signed}{}", data_encoding::BASE32_NOPAD.encode(&sum).to_lowercase())
}

/// A token of `name`, made past the API.
async fn token(api: &Api, name: &str, expires_at: Option<Timestamp>) -> String {
    let account = api.handle.ensure_account(name).await.expect("an account");
    let new = NewToken { scopes: Role::User.scopes(), expires_at, ..NewToken::new("test") };
    api.handle.create_token(account.id, new).await.expect("a token").0.expose().to_owned()
}

#[tokio::test]
async fn every_refused_access_is_noted_once_and_without_the_secret() {
    let api = Api::start().await;
    let good = token(&api, "ann", None).await;
    let expired = token(&api, "ann", Some(SystemClock.now() - Duration::from_secs(1))).await;
    let revoked = token(&api, "ann", None).await;
    let closed = token(&api, "gone", None).await;
    let ann = api.handle.ensure_account("ann").await.expect("an account").id;
    let gone = api.handle.ensure_account("gone").await.expect("an account").id;
    let ended = api.handle.revoke_token(ann, public(&revoked).parse().expect("an id")).await;
    assert!(ended.expect("a store"));
    api.handle.close_account(gone).await.expect("a store").expect("the account");
    let wrong = forged(&good);
    let cut = good[..good.len() - 1].to_owned();
    let weak = api.token([Scope::InboxRead]).await;
    let rows = [
        (bearer(&wrong), Some(&wrong), 401, "authenticate", "unknown"),
        (bearer(&expired), Some(&expired), 401, "authenticate", "expired"),
        (bearer(&revoked), Some(&revoked), 401, "authenticate", "revoked"),
        (bearer(&closed), Some(&closed), 401, "authenticate", "account closed"),
        (bearer(&weak), Some(&weak), 403, "authorize", "no scope messages:read"),
        (bearer(&cut), None, 401, "authenticate", "checksum does not match"),
        (bearer("x"), None, 401, "authenticate", "malformed"),
        ("Authorization: Basic eDp5\r\n".into(), None, 401, "authenticate", "no bearer token"),
        (String::new(), None, 401, "authenticate", "no token"),
    ];
    for (index, (header, _, status, _, reason)) in rows.iter().enumerate() {
        let place = from([192, 0, 2, u8::try_from(index).expect("few")]);
        let path = format!("/messages/{NOBODY}");
        let answer = api.send("GET", &path, &format!("{header}{place}"), "").await;
        assert_eq!(answer.status, *status, "{reason}");
    }
    let noted = api.audit("outcome=refused", |items| items.len() >= rows.len()).await;
    assert_eq!(noted.len(), rows.len());
    for (index, (_, token, _, action, reason)) in rows.iter().enumerate() {
        let item = &noted[rows.len() - 1 - index];
        assert_eq!((&item["action"], &item["reason"]), (&json!(action), &json!(reason)));
        assert_eq!(item["key_id"], token.map_or(Value::Null, |token| public(token).into()), "{reason}");
        assert_eq!(item["address"], format!("192.0.2.{index}"), "{reason}");
        assert_eq!((&item["target"], &item["count"]), (&json!("GET /messages/{id}"), &json!(1)), "{reason}");
        let known = *action == "authorize";
        assert_eq!(item["user_id"], if known { json!(ann.to_string()) } else { Value::Null }, "{reason}");
    }
    let text = Value::from(noted).to_string();
    for token in [&wrong, &expired, &revoked, &closed, &weak, &good] {
        assert!(!text.contains(&token[25..60]), "a secret");
    }
}

#[tokio::test]
async fn every_administrative_act_is_noted_once_and_without_the_secret() {
    let api = Api::start().await;
    let root = api.handle.ensure_account("root").await.expect("an account").id.to_string();
    let mut secrets = Vec::new();
    let mut act = async |method: &str, path: String, body: Value| -> String {
        let headers = format!("{}{}Content-Type: application/json\r\n", bearer(&api.root), from(HERE));
        let answer = api.send(method, &path, &headers, body.to_string()).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.status);
        if answer.body.is_empty() {
            return String::new();
        }
        let answer = answer.json();
        for name in ["token", "api_key"] {
            secrets.extend(answer[name].as_str().map(str::to_owned));
        }
        answer["id"].as_str().expect("an id").to_owned()
    };
    let user = act("POST", "/users".into(), json!({ "name": "shop" })).await;
    act("PATCH", format!("/users/{user}"), json!({ "role": "admin" })).await;
    let token = act("POST", "/tokens".into(), json!({ "name": "a", "user_id": user })).await;
    let newer = act("POST", format!("/tokens/{token}/rotate"), json!({})).await;
    act("DELETE", format!("/tokens/{newer}"), json!({})).await;
    act("DELETE", format!("/users/{user}"), json!({})).await;
    let device = act("POST", "/devices".into(), json!({ "name": "phone" })).await;
    act("PATCH", format!("/devices/{device}"), json!({ "name": "home" })).await;
    let key = act("POST", format!("/devices/{device}/api-keys"), json!({})).await;
    let next = act("POST", format!("/devices/{device}/api-keys/{key}/rotate"), json!({})).await;
    act("DELETE", format!("/devices/{device}/api-keys/{next}"), json!({})).await;
    act("DELETE", format!("/devices/{device}"), json!({})).await;
    let message = act("POST", "/messages".into(), serde_json::from_str(&message("a")).expect("JSON")).await;
    act("POST", format!("/messages/{message}/cancel"), json!({})).await;
    act("DELETE", format!("/messages/{message}"), json!({})).await;

    let (none, of) = (Value::Null, Value::from(device.as_str()));
    let expected = [
        ("create_user", &none, json!(user)),
        ("update_user", &none, json!(format!("{user}: admin"))),
        ("create_token", &none, json!(token)),
        ("rotate_token", &none, json!(token)),
        ("revoke_token", &none, json!(newer)),
        ("close_user", &none, json!(user)),
        ("create_device", &of, Value::Null),
        ("update_device", &of, Value::Null),
        ("create_key", &of, json!(key)),
        ("rotate_key", &of, json!(key)),
        ("revoke_key", &of, json!(next)),
        ("delete_device", &of, Value::Null),
        ("erase_message", &none, json!(message)),
    ];
    let mut noted = api.audit("outcome=done", |items| items.len() >= expected.len()).await;
    assert_eq!(noted.len(), expected.len());
    noted.reverse();
    for (item, (action, device, target)) in noted.iter().zip(&expected) {
        assert_eq!((&item["action"], &item["target"]), (&json!(action), target));
        assert_eq!(&item["device_id"], *device, "{action}");
        assert_eq!((&item["user_id"], &item["reason"]), (&json!(root), &Value::Null), "{action}");
        assert_eq!((&item["key_id"], &item["count"]), (&json!(public(&api.root)), &json!(1)), "{action}");
        assert_eq!(item["address"], "198.51.100.7", "{action}");
    }
    let text = Value::from(noted).to_string();
    assert_eq!(secrets.len(), 4);
    assert!(secrets.iter().all(|secret| !text.contains(&secret[25..60])), "a secret");
}

#[tokio::test]
async fn acts_beyond_the_callers_token_are_noted_as_refused() {
    let api = Api::start().await;
    let weak = api.token([Scope::InboxRead]).await;
    let other = public(&api.ann);
    let ann = api.handle.ensure_account("ann").await.expect("an account").id.to_string();
    let made = api.json_as(&weak, "POST", "/tokens", r#"{"name":"a","scopes":"messages:read"}"#).await;
    let ended = api.send("DELETE", &format!("/tokens/{other}"), &bearer(&weak), "").await;
    let turned = api.send("POST", &format!("/tokens/{other}/rotate"), &bearer(&weak), "").await;
    assert_eq!([made.status, ended.status, turned.status], [403; 3]);
    let noted = api.audit("outcome=refused", |items| items.len() >= 3).await;
    let told: Vec<_> = noted.iter().map(|item| (&item["action"], &item["target"], &item["key_id"])).collect();
    let key = json!(public(&weak));
    let rows = [("rotate_token", other), ("revoke_token", other), ("create_token", ann.as_str())];
    let rows = rows.map(|(action, target)| (json!(action), json!(target)));
    assert_eq!(told, rows.iter().map(|(action, target)| (action, target, &key)).collect::<Vec<_>>());
}
