//! What a broker that asks over HTTP is answered, in the words of EMQX 5.

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use common::{Answer, Api, bearer};
use serde_json::{Value, json};
use smsgw_core::account::Scope;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::gateway::NewToken;
use smsgw_core::guard::{BrokerClient, BrokerGuard, TopicAccess, Verdict};
use smsgw_core::key::{Credential, CredentialKind};
use smsgw_core::time::Timestamp;
use smsgw_http::ApiConfig;

const END: Timestamp = Timestamp::from_micros(1_800_000_000_900_000);

/// Knows clients by their names, and answers what they are called.
#[derive(Debug)]
struct Named;

#[async_trait]
impl BrokerGuard for Named {
    async fn connect(&self, client: &BrokerClient) -> Result<Verdict> {
        match client.username.as_str() {
            "good" if client.client_id == "phone" => Ok(Verdict::Allow(None)),
            "ends" => Ok(Verdict::Allow(Some(END))),
            "away" => Err(Error::new(ErrorKind::Unavailable, "memory", "find keys")),
            "" | "stranger" => Ok(Verdict::Unknown),
            _ => Ok(Verdict::Deny),
        }
    }

    fn access(&self, access: &TopicAccess) -> Verdict {
        match (access.username.as_str(), access.publishes, access.topic.as_str()) {
            ("good", true, "up") | ("good", false, "down") => Verdict::Allow(None),
            ("good", ..) => Verdict::Deny,
            _ => Verdict::Unknown,
        }
    }
}

/// An API with the guard, and the token of its broker.
async fn guarded() -> (Api, String) {
    let guard: Arc<dyn BrokerGuard> = Arc::new(Named);
    let api = Api::start_with(ApiConfig { guard: Some(guard), ..Default::default() }).await;
    let token = broker(&api).await;
    (api, token)
}

async fn broker(api: &Api) -> String {
    let root = api.handle.ensure_account("root").await.expect("an account").id;
    let new = NewToken { scopes: [Scope::Broker].into_iter().collect(), ..NewToken::new("broker") };
    api.handle.create_token(root, new).await.expect("a token").0.expose().to_owned()
}

async fn ask(api: &Api, token: &str, path: &str, question: &Value) -> Answer {
    api.json_as(token, "POST", path, question.to_string()).await
}

#[tokio::test]
async fn who_connects_is_allowed_denied_or_not_known() {
    let (api, token) = guarded().await;
    let verdict = |result: &str| json!({ "result": result, "is_superuser": false });
    let mut until = verdict("allow");
    until["expire_at"] = 1_800_000_000.into();
    for (question, expected) in [
        (json!({ "username": "good", "clientid": "phone", "password": "x" }), verdict("allow")),
        (json!({ "username": "good", "clientid": "other", "password": "x" }), verdict("deny")),
        (json!({ "username": "ends", "peerhost": "192.0.2.1" }), until),
        (json!({ "username": "stranger", "password": null }), verdict("ignore")),
        (json!({ "username": null, "password": null, "clientid": null }), verdict("ignore")),
        (json!({}), verdict("ignore")),
        (json!({ "username": "bad", "peerhost": "a proxy", "mountpoint": { "x": [1] } }), verdict("deny")),
        (json!({ "username": "good", "clientid": "phone", "is_superuser": true }), verdict("allow")),
    ] {
        let answer = ask(&api, &token, "/mqtt/auth", &question).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{question}");
    }
}

#[tokio::test]
async fn who_uses_a_topic_is_allowed_denied_or_not_known() {
    let (api, token) = guarded().await;
    for (username, action, topic, result) in [
        ("good", "publish", "up", "allow"),
        ("good", "subscribe", "down", "allow"),
        ("good", "publish", "down", "deny"),
        ("good", "subscribe", "up", "deny"),
        ("good", "subscribe", "#", "deny"),
        ("stranger", "subscribe", "down", "ignore"),
    ] {
        let question = json!({
            "username": username, "clientid": "phone", "action": action, "topic": topic, "qos": 1, "retain": false,
        });
        let answer = ask(&api, &token, "/mqtt/acl", &question).await;
        let expected = json!({ "result": result, "is_superuser": false });
        assert_eq!((answer.status, answer.json()), (200, expected), "{question}");
    }
    for (question, pointer) in [
        (json!({ "action": "publish" }), "/topic"),
        (json!({ "topic": "up" }), "/action"),
        (json!({ "topic": "up", "action": "all" }), "/action"),
        (json!({ "topic": 1, "action": "publish" }), "/topic"),
    ] {
        ask(&api, &token, "/mqtt/acl", &question).await.points_to(pointer, &question.to_string());
    }
}

#[tokio::test]
async fn only_a_broker_may_ask_and_only_in_json() {
    let (api, token) = guarded().await;
    for path in ["/mqtt/auth", "/mqtt/acl"] {
        ask(&api, &api.ann, path, &json!({})).await.is_problem(403, "forbidden", path);
        let nobody = api.send("POST", path, "Content-Type: application/json\r\n", "{}").await;
        nobody.is_problem(401, "unauthorized", path);
        for kind in ["Content-Type: application/x-www-form-urlencoded\r\n", ""] {
            let headers = format!("{}{kind}", bearer(&token));
            let answer = api.send("POST", path, &headers, "username=good&clientid=phone").await;
            answer.is_problem(415, "unsupported_media_type", path);
        }
        let twice = api.json_as(&token, "POST", path, r#"{"username":"good","username":"bad"}"#).await;
        twice.is_problem(400, "invalid_json", "a field twice");
    }
}

#[tokio::test]
async fn there_are_no_questions_without_a_guard() {
    let api = Api::start().await;
    let token = broker(&api).await;
    let absent = api.json_as(&token, "POST", "/mqtt/none", "{}").await;
    for (path, question) in [
        ("/mqtt/auth", json!({ "username": "good" })),
        ("/mqtt/acl", json!({ "topic": "up", "action": "publish" })),
    ] {
        let answer = ask(&api, &token, path, &question).await;
        answer.is_problem(404, "unknown_route", path);
        assert_eq!(answer.body, absent.body, "{path}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_no_verdict() {
    let (api, token) = guarded().await;
    let answer = ask(&api, &token, "/mqtt/auth", &json!({ "username": "away" })).await;
    answer.is_problem(503, "unavailable", "nothing is known");
}

#[tokio::test]
async fn ten_denied_keys_begin_a_pause_that_is_noted_once() {
    let (api, token) = guarded().await;
    let key = Credential::generate(CredentialKind::Device).expect("random numbers");
    let connect = async |username: &str, password: &str| {
        let question = json!({
            "username": username, "clientid": "phone", "password": password, "peerhost": "192.0.2.1",
        });
        let answer = ask(&api, &token, "/mqtt/auth", &question).await;
        answer.json()["result"].as_str().expect("a verdict").to_owned()
    };
    assert_eq!(connect("good", key.expose()).await, "allow");
    for _ in 0..10 {
        assert_eq!(connect("bad", key.expose()).await, "deny");
    }
    assert_eq!(connect("good", key.expose()).await, "deny", "nothing of it is checked any more");
    assert_eq!(connect("good", "another").await, "allow", "another key from there");
    let noted = api.audit("action=connect", |items| !items.is_empty()).await;
    assert_eq!(noted.len(), 1);
    assert_eq!(noted[0]["reason"], "too many failures");
    assert_eq!(noted[0]["key_id"], key.id().to_string());
    assert_eq!(noted[0]["address"], "192.0.2.1");
}
