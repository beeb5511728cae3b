//! Messages that are sent again.

mod common;

use std::time::Duration;

use common::{Api, NUMBER, bearer, message};
use serde_json::{Value, json};
use smsgw_core::state::ReportState;
use smsgw_core::transport::Command;

async fn sent(api: &Api, body: impl AsRef<[u8]>) -> String {
    let answer = api.json("POST", "/messages", body).await;
    assert_eq!(answer.status, 202);
    format!("/messages/{}", answer.json()["id"].as_str().expect("an id"))
}

async fn reaches(api: &Api, path: &str, state: &str) {
    for _ in 0..500 {
        if api.call("GET", path).await.json()["state"] == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{path} never became {state}");
}

async fn keyed(api: &Api, path: &str, key: &str) -> Value {
    let headers = format!("{}Idempotency-Key: {key}\r\n", bearer(&api.ann));
    let answer = api.send("POST", &format!("{path}/retry"), &headers, "").await;
    assert_eq!(answer.status, 202);
    answer.json()
}

#[tokio::test]
async fn what_is_over_and_did_not_arrive_is_sent_again_once_for_each_key() {
    let api = Api::start().await;
    let request = json!({ "to": NUMBER, "body": "hola", "sim": 2, "priority": "high" });
    let old = sent(&api, request.to_string()).await;
    let again = format!("{old}/retry");
    api.call("POST", &again).await.is_problem(409, "not_over", "it waits");
    assert_eq!(api.call("POST", &format!("{old}/cancel")).await.status, 200);
    let answer = api.call("POST", &again).await;
    let new = answer.json();
    let own = format!("/messages/{}", new["id"].as_str().expect("an id"));
    assert_eq!((answer.status, answer.header("location")), (202, Some(own.as_str())));
    assert!(own != old && new["state"] == "queued");
    for (field, value) in request.as_object().expect("fields") {
        assert_eq!(&new[field], value, "{field}");
    }
    assert_eq!(api.call("POST", &again).await.json()["id"], new["id"], "a double click");
    let other = keyed(&api, &old, "second").await;
    assert_ne!(other["id"], new["id"]);
    assert_eq!(keyed(&api, &old, "second").await["id"], other["id"]);
    assert_eq!(api.messages().await, 3);
    let foreign = api.send("POST", &again, &bearer(&api.bob), "").await;
    foreign.is_problem(404, "not_found", "another's");
}

#[tokio::test]
async fn what_arrived_or_was_erased_is_not_sent_again() {
    let api = Api::start().await;
    let id = api.device().await;
    let mut device = api.transport.connect(id.parse().expect("an id")).await;
    for (state, word) in [
        (ReportState::Delivered, "delivered"),
        (ReportState::Sent, "sent"),
        (ReportState::Undelivered, "undelivered"),
    ] {
        let path = sent(&api, message(word)).await;
        let command = loop {
            if let Command::Send { message, .. } = device.command().await.expect("connected") {
                break message;
            }
        };
        device.report(command.id, state).await.expect("heard");
        reaches(&api, &path, word).await;
        let answer = api.call("POST", &format!("{path}/retry")).await;
        match state {
            ReportState::Undelivered => assert_eq!(answer.status, 202),
            _ => answer.is_problem(409, "nothing_to_retry", word),
        }
    }
    let fixed =
        sent(&api, json!({ "to": NUMBER, "body": "a", "device_id": api.device().await }).to_string()).await;
    assert_eq!(api.call("POST", &format!("{fixed}/cancel")).await.status, 200);
    assert_eq!(api.call("DELETE", &fixed).await.status, 204);
    api.call("POST", &format!("{fixed}/retry")).await.is_problem(409, "nothing_to_retry", "erased");
}

#[tokio::test]
async fn a_message_for_a_device_that_is_gone_is_not_sent_again() {
    let api = Api::start().await;
    let device = api.device().await;
    let path = sent(&api, json!({ "to": NUMBER, "body": "a", "device_id": device }).to_string()).await;
    assert_eq!(api.call("POST", &format!("{path}/cancel")).await.status, 200);
    assert_eq!(api.call("DELETE", &format!("/devices/{device}")).await.status, 204);
    api.call("POST", &format!("{path}/retry")).await.is_problem(409, "nothing_to_retry", "no device");
}
