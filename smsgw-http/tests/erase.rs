//! Messages are erased over HTTP: what they said goes, what became of them stays.

mod common;

use common::{Api, NOBODY, bearer, message};
use serde_json::{Value, json};

async fn accepted(api: &Api) -> (String, Value) {
    let answer = api.json("POST", "/messages", message("a text that goes")).await;
    assert_eq!(answer.status, 202);
    let message = answer.json();
    (format!("/messages/{}", message["id"].as_str().expect("an id")), message)
}

#[tokio::test]
async fn an_erased_message_says_nothing_and_stays() {
    let api = Api::start().await;
    let (path, before) = accepted(&api).await;
    assert_eq!(api.call("POST", &format!("{path}/cancel")).await.status, 200);
    let erased = api.call("DELETE", &path).await;
    assert_eq!((erased.status, erased.body.len()), (204, 0));
    let shown = api.call("GET", &path).await;
    let after = shown.json();
    assert!(after["to"].as_str().is_some_and(|to| to.starts_with('~') && to.len() > 1), "{}", after["to"]);
    assert_eq!((&after["body"], &after["state"]), (&json!(""), &json!("canceled")));
    assert!(after["erased_at"].is_string());
    for same in ["id", "segments", "encoding", "created_at", "due_at", "expires_at", "priority"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let events = api.call("GET", &format!("{path}/events")).await;
    let list = api.call("GET", "/messages").await;
    for answer in [&shown, &events, &list] {
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("a text that goes") && !text.contains("5351234567"));
    }
    assert!(events.json()["items"].as_array().is_some_and(|events| !events.is_empty()));
    assert_eq!(list.json()["items"], json!([after]));

    assert_eq!(api.call("DELETE", &path).await.status, 204, "again");
    assert_eq!(api.call("GET", &path).await.json(), after, "once");
}

#[tokio::test]
async fn a_message_on_its_way_is_409_and_stays_whole() {
    let api = Api::start().await;
    let (path, _) = accepted(&api).await;
    api.call("DELETE", &path).await.is_problem(409, "not_over", "on its way");
    let message = api.call("GET", &path).await.json();
    assert_eq!((&message["body"], &message["to"]), (&json!("a text that goes"), &json!(common::NUMBER)));
    assert_eq!(message["erased_at"], Value::Null);
}

#[tokio::test]
async fn what_is_anothers_or_absent_is_404_and_stays_whole() {
    let api = Api::start().await;
    let (path, _) = accepted(&api).await;
    assert_eq!(api.call("POST", &format!("{path}/cancel")).await.status, 200);
    let before = api.call("GET", &path).await;
    let foreign = api.send("DELETE", &path, &bearer(&api.bob), "").await;
    foreign.is_problem(404, "not_found", "another's");
    for id in [NOBODY, "x", "~"] {
        let absent = api.send("DELETE", &format!("/messages/{id}"), &bearer(&api.bob), "").await;
        assert_eq!((absent.status, &absent.body), (404, &foreign.body), "{id}");
    }
    assert_eq!(api.call("GET", &path).await.body, before.body);
}
