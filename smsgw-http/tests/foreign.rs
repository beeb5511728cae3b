//! What is another's is as good as absent: every place of every route where an id or a cursor stands.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::document::places;
use common::{Answer, Api, NOBODY, message, public};
use serde_json::json;
use smsgw_core::account::{Role, Scope};
use smsgw_core::gateway::NewToken;
use smsgw_core::transport::{Address, DeviceEvent, InboundSms};

/// The names under which an id stands.
const IDS: [&str; 4] = ["id", "key_id", "user_id", "device_id"];
/// An id of a key or a token that nothing has.
const NO_KEY: &str = "aaaaaaaaaaaaaaaa";

/// Where ids stand, and what one that is not the caller's gets: a place that is not here has no test yet.
const PLACES: [(&str, &str, u16); 28] = [
    ("DELETE /devices/{id}", "path id", 404),
    ("DELETE /devices/{id}/api-keys/{key_id}", "path id", 404),
    ("DELETE /devices/{id}/api-keys/{key_id}", "path key_id", 404),
    ("DELETE /messages/{id}", "path id", 404),
    ("DELETE /tokens/{id}", "path id", 404),
    ("DELETE /users/{id}", "path id", 403),
    ("GET /audit", "query device_id", 403),
    ("GET /audit", "query key_id", 403),
    ("GET /audit", "query user_id", 403),
    ("GET /devices/{id}", "path id", 404),
    ("GET /devices/{id}/api-keys", "path id", 404),
    ("GET /inbox", "query device_id", 200),
    ("GET /messages", "query device_id", 200),
    ("GET /messages/{id}", "path id", 404),
    ("GET /messages/{id}/events", "path id", 404),
    ("GET /tokens", "query user_id", 404),
    ("GET /users/{id}", "path id", 403),
    ("PATCH /devices/{id}", "path id", 404),
    ("PATCH /users/{id}", "path id", 403),
    ("POST /devices/{id}/api-keys", "path id", 404),
    ("POST /devices/{id}/api-keys/{key_id}/rotate", "path id", 404),
    ("POST /devices/{id}/api-keys/{key_id}/rotate", "path key_id", 404),
    ("POST /messages", "body device_id", 404),
    ("POST /messages/bulk", "body device_id", 200),
    ("POST /messages/{id}/cancel", "path id", 404),
    ("POST /messages/{id}/retry", "path id", 404),
    ("POST /tokens", "body user_id", 404),
    ("POST /tokens/{id}/rotate", "path id", 404),
];

/// It takes the fields of `POST /messages` too, and its schema does not repeat them.
const UNSAID: (&str, &str, u16) = ("POST /messages/create", "body device_id", 404);

/// The lists that have cursors.
const LISTS: [&str; 5] = ["GET /audit", "GET /devices", "GET /inbox", "GET /messages", "GET /users"];

#[test]
fn every_place_of_the_document_is_in_the_tables() {
    let table = PLACES.map(|(name, place, _)| (name.to_owned(), place.to_owned()));
    assert_eq!(places(&IDS), table);
    assert_eq!(places(&["cursor"]), LISTS.map(|name| (name.to_owned(), "query cursor".to_owned())));
}

/// One of each, of one account.
struct Things {
    token: String,
    user: String,
    device: String,
    key: String,
    message: String,
    other_token: String,
}

async fn things(api: &Api, name: &str) -> Things {
    let account = api.handle.ensure_account(name).await.expect("an account").id;
    let token = async || {
        let new = NewToken { scopes: Role::User.scopes(), ..NewToken::new("test") };
        api.handle.create_token(account, new).await.expect("a token").0.expose().to_owned()
    };
    let (token, other_token) = (token().await, token().await);
    let made = async |path: &str, body: String| -> String {
        let answer = api.json_as(&token, "POST", path, body).await;
        assert!(answer.status < 300, "{path}: {}", answer.status);
        answer.json()["id"].as_str().expect("an id").to_owned()
    };
    let device = made("/devices", r#"{"name":"phone"}"#.into()).await;
    let key = made(&format!("/devices/{device}/api-keys"), "{}".into()).await;
    let message = made("/messages", message("a")).await;
    Things {
        user: account.to_string(),
        device,
        key,
        message,
        other_token: public(&other_token).into(),
        token,
    }
}

/// What to write as each parameter and field.
fn ids(things: &Things, path: &str) -> BTreeMap<&'static str, String> {
    let id = match path.split('/').nth(1) {
        Some("messages") => &things.message,
        Some("tokens") => &things.other_token,
        Some("users") => &things.user,
        _ => &things.device,
    };
    let pairs =
        [("id", id), ("key_id", &things.key), ("user_id", &things.user), ("device_id", &things.device)];
    pairs.map(|(name, id)| (name, id.clone())).into()
}

/// A good request to `name` with `id` in `place`, and the ids of `things` elsewhere.
async fn ask(api: &Api, token: &str, (name, place): (&str, &str), id: &str, things: &Things) -> Answer {
    let (method, pattern) = name.split_once(' ').expect("a method and a path");
    let (kind, parameter) = place.split_once(' ').expect("a kind and a name");
    let mut written = ids(things, pattern);
    written.insert(IDS.into_iter().find(|id| *id == parameter).expect("one of them"), id.to_owned());
    let mut path = pattern.replace("{id}", &written["id"]).replace("{key_id}", &written["key_id"]);
    if kind == "query" {
        path.push_str(&format!("?{parameter}={id}"));
    }
    let mut body = match name {
        "POST /messages" | "POST /messages/create" => json!({ "to": common::NUMBER, "body": "a" }),
        "POST /tokens" => json!({ "name": "new" }),
        "PATCH /users/{id}" => json!({ "role": "user" }),
        _ => json!({}),
    };
    match (kind, name) {
        ("body", "POST /messages/bulk") => {
            body["messages"] = json!([{ "to": common::NUMBER, "body": "a", parameter: id }]);
        }
        ("body", _) => body[parameter] = id.into(),
        _ => {}
    }
    api.json_as(token, method, &path, body.to_string()).await
}

/// All of an answer but what differs between any two.
fn content(answer: &Answer) -> (Vec<&str>, &[u8]) {
    let differs = |line: &&str| !line.starts_with("x-request-id: ") && !line.starts_with("date: ");
    (answer.head.lines().filter(differs).collect(), &answer.body)
}

#[tokio::test]
async fn what_is_anothers_is_answered_as_what_is_not_there() {
    let api = Api::start().await;
    let own = things(&api, "ann").await;
    for (index, (name, place, status)) in PLACES.into_iter().chain([UNSAID]).enumerate() {
        let what = format!("{name}, {place}");
        let theirs = things(&api, &format!("owner {index}")).await;
        let (kind, parameter) = place.split_once(' ').expect("a kind and a name");
        let pattern = name.split_once(' ').expect("a path").1;
        let id = ids(&theirs, pattern)[parameter].clone();
        let none = if parameter == "key_id" || pattern.starts_with("/tokens/") { NO_KEY } else { NOBODY };
        let absent = ask(&api, &own.token, (name, place), none, &own).await;
        let foreign = ask(&api, &own.token, (name, place), &id, &own).await;
        assert_eq!(foreign.status, status, "{what}");
        assert_eq!(content(&foreign), content(&absent), "{what}");
        match status {
            200 if kind == "body" => assert_eq!(foreign.json()["items"][0]["status"], 404, "{what}"),
            200 => assert_eq!(foreign.json()["items"], json!([]), "{what}"),
            403 => foreign.is_problem(403, "forbidden", &what),
            _ => foreign.is_problem(404, "not_found", &what),
        }
        // It is there after all, as it was.
        let owner = if status == 403 { &api.root } else { &theirs.token };
        let owners = ask(&api, owner, (name, place), &id, &theirs).await;
        let needs_an_end = ["DELETE /messages/{id}", "POST /messages/{id}/retry"].contains(&name);
        let under_way = needs_an_end && owners.status == 409;
        assert!(owners.status < 300 || under_way, "{what}: {}", owners.status);
    }
}

/// The cursor after the first of a list that is about to have two.
async fn cursor(api: &Api, token: &str, path: &str) -> String {
    for _ in 0..500 {
        let page = api.json_as(token, "GET", &format!("{path}?limit=1"), "").await.json();
        if let Some(cursor) = page["next_cursor"].as_str() {
            return cursor.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never a second page: {path}");
}

#[tokio::test]
async fn a_cursor_of_another_account_is_answered_as_a_forged_one() {
    let api = Api::start().await;
    for _ in 0..2 {
        let owner = things(&api, "owner").await;
        let device = api.transport.connect(owner.device.parse().expect("an id")).await;
        let origin = Address::Native(owner.device.parse().expect("an id"));
        let sms =
            InboundSms { id: None, from: "Banco".into(), body: "a".into(), sim: None, received_at: None };
        assert!(device.say(DeviceEvent::Inbound { origin, sms }).await);
    }
    let owner = things(&api, "owner").await.token;
    let second = api.handle.create_account("second", Role::Admin).await.expect("a store").expect("a name");
    let new = NewToken { scopes: [Scope::Admin].into_iter().collect(), ..NewToken::new("test") };
    let second = api.handle.create_token(second.id, new).await.expect("a token").0.expose().to_owned();
    api.audit("limit=2", |items| items.len() == 2).await;
    for list in LISTS {
        let path = list.trim_start_matches("GET ");
        let (taker, other) = match path {
            "/audit" | "/users" => (&api.root, &second),
            _ => (&owner, &api.ann),
        };
        let cursor = cursor(&api, taker, path).await;
        let with = async |token: &str, cursor: &str| {
            api.json_as(token, "GET", &format!("{path}?cursor={cursor}"), "").await
        };
        let foreign = with(other, &cursor).await;
        foreign.is_problem(400, "invalid_cursor", list);
        let forged = with(other, &"A".repeat(cursor.len())).await;
        assert_eq!(content(&foreign), content(&forged), "{list}");
        assert_eq!(with(taker, &cursor).await.status, 200, "{list}");
    }
}
