//! The stream of events.

mod common;

use std::time::Duration;

use common::{Answer, Api, NUMBER, bearer, message};
use serde_json::{Value, json};
use smsgw_core::account::Scope;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const WITHIN: Duration = Duration::from_secs(10);

/// A client that reads the stream.
struct Listener {
    stream: TcpStream,
    text: String,
    /// The last id it was told.
    id: String,
}

impl Listener {
    async fn new(api: &Api, token: &str, after: Option<&str>) -> Self {
        let mut stream = api.connect().await;
        let after = after.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let head = format!(
            "GET /events HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{}{after}\r\n",
            bearer(token)
        );
        stream.write_all(head.as_bytes()).await.expect("written");
        let mut listener = Self { stream, text: String::new(), id: String::new() };
        let head = listener.until("\r\n\r\n").await.expect("an answer");
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 ok"), "{head}");
        assert!(head.contains("content-type: text/event-stream") && head.contains("cache-control: no-store"));
        listener
    }

    /// What comes before `end`; nothing once the server has closed.
    async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some((before, rest)) = self.text.split_once(end) {
                let (before, rest) = (before.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(before);
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(WITHIN, self.stream.read(&mut bytes)).await;
            match read.expect("in time").expect("a socket") {
                0 => return None,
                length => self.text.push_str(std::str::from_utf8(&bytes[..length]).expect("ASCII")),
            }
        }
    }

    /// The next lines up to an empty one.
    async fn block(&mut self) -> Option<String> {
        let block = self.until("\n\n").await?;
        // Between them stand the sizes of chunks.
        let lines = block.lines().filter(|line| line.contains(':'));
        for line in lines {
            if let Some(id) = line.strip_prefix("id: ") {
                self.id = id.to_owned();
            }
        }
        Some(block)
    }

    /// The next event: its name and its data.
    async fn event(&mut self) -> (String, Value) {
        loop {
            let block = self.block().await.expect("open");
            let part = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(name), Some(data)) = (part("event: "), part("data: ")) {
                return (name.to_owned(), serde_json::from_str(data).expect("JSON"));
            }
        }
    }

    /// The next message that reached `state`.
    async fn reached(&mut self, state: &str) -> Value {
        loop {
            let (name, data) = self.event().await;
            if name == "message" && data["state"] == state {
                return data;
            }
        }
    }
}

async fn canceled(api: &Api, token: &str) -> String {
    let sent = api.json_as(token, "POST", "/messages", message("a")).await.json();
    let id = sent["id"].as_str().expect("an id").to_owned();
    let answer = api.send("POST", &format!("/messages/{id}/cancel"), &bearer(token), "").await;
    assert_eq!(answer.status, 200);
    id
}

#[tokio::test]
async fn what_happens_is_told_as_it_does_and_what_was_missed_comes_first() {
    let api = Api::start().await;
    let mut listener = Listener::new(&api, &api.ann, None).await;
    listener.block().await.expect("a place to come back to");
    let begin = listener.id.clone();
    let device = api.device().await;
    let phone = api.transport.connect(device.parse().expect("an id")).await;
    let (name, data) = listener.event().await;
    assert_eq!(
        (name.as_str(), &data["id"], &data["online"]),
        ("device", &device.as_str().into(), &true.into())
    );
    assert!(data["at"].is_string());
    for paused in [true, false] {
        let patch = json!({ "paused": paused }).to_string();
        assert_eq!(api.json("PATCH", &format!("/devices/{device}"), patch).await.json()["paused"], paused);
        assert_eq!(listener.event().await.1["paused"], paused);
    }
    phone.leave().await;
    assert_eq!(listener.event().await.1["online"], false);
    let first = canceled(&api, &api.ann).await;
    let data = listener.reached("canceled").await;
    assert_eq!((&data["id"], &data["device_id"]), (&first.into(), &Value::Null));
    let id = listener.id.clone();
    drop(listener);
    let second = canceled(&api, &api.ann).await;
    let mut again = Listener::new(&api, &api.ann, Some(&id)).await;
    assert_eq!(again.reached("canceled").await["id"], second);
    let mut all = Listener::new(&api, &api.ann, Some(&begin)).await;
    assert_eq!(all.event().await.0, "device");
}

#[tokio::test]
async fn a_waiting_message_says_why() {
    let api = Api::start().await;
    let mut listener = Listener::new(&api, &api.ann, None).await;
    assert_eq!(api.json("POST", "/messages", message("a")).await.status, 202);
    assert_eq!(listener.reached("scheduled").await["reason"], "no_device_online");
}

#[tokio::test]
async fn whoever_comes_back_with_an_id_of_elsewhere_is_told_to_read_again() {
    let (api, other) = (Api::start().await, Api::start().await);
    let mut elsewhere = Listener::new(&other, &other.ann, None).await;
    elsewhere.block().await.expect("an id");
    for id in [elsewhere.id.as_str(), "nonsense", "\u{e9}"] {
        let mut listener = Listener::new(&api, &api.ann, Some(id)).await;
        assert_eq!(listener.event().await, ("missed".to_owned(), json!({})), "{id}");
        let sent = canceled(&api, &api.ann).await;
        assert_eq!(listener.reached("canceled").await["id"], sent);
    }
}

#[tokio::test]
async fn nobody_hears_of_anothers_or_of_what_the_token_does_not_open() {
    let api = Api::start().await;
    let [messages, devices] = [api.token([Scope::MessagesRead]).await, api.token([Scope::DevicesRead]).await];
    let mut bob = Listener::new(&api, &api.bob, None).await;
    let mut of_messages = Listener::new(&api, &messages, None).await;
    let mut of_devices = Listener::new(&api, &devices, None).await;
    canceled(&api, &api.ann).await;
    let device = api.device().await;
    let phone = api.transport.connect(device.parse().expect("an id")).await;
    let (name, data) = of_devices.event().await;
    assert_eq!((name.as_str(), &data["id"]), ("device", &device.into()), "and no message before");
    phone.leave().await;
    let own = canceled(&api, &api.bob).await;
    let (name, _) = of_messages.event().await;
    assert_eq!(name, "message");
    canceled(&api, &api.ann).await;
    assert_eq!(of_messages.event().await.0, "message", "and no device between");
    loop {
        let (name, data) = bob.event().await;
        assert_eq!((name.as_str(), &data["id"]), ("message", &own.as_str().into()));
        if data["state"] == "canceled" {
            break;
        }
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_server_and_with_the_gateway() {
    for by_server in [true, false] {
        let api = Api::start().await;
        let mut listener = Listener::new(&api, &api.ann, None).await;
        listener.block().await.expect("open");
        if by_server {
            api.stop.cancel();
        } else {
            api.running.drain(WITHIN).await.expect("drained");
        }
        assert_eq!(listener.until("never").await, None, "closed");
        if by_server {
            assert!(
                tokio::time::timeout(WITHIN, api.served).await.expect("in time").expect("no panic").is_ok()
            );
        }
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_token_does() {
    let api = Api::start().await;
    let token = api.token([Scope::MessagesRead]).await;
    let mut listener = Listener::new(&api, &token, None).await;
    let own = format!("/tokens/{}", common::public(&token));
    assert_eq!(api.call("DELETE", &own).await.status, 204);
    while listener.block().await.is_some() {}
}

#[tokio::test]
async fn a_wrong_request_is_refused_as_any_other() {
    let api = Api::start().await;
    let answer: Answer = api.call("GET", "/events?x=1").await;
    answer.is_problem(400, "invalid_query", "a parameter");
    let token = api.token([Scope::MessagesWrite]).await;
    let answer = api.send("GET", "/events", &bearer(&token), "").await;
    answer.is_problem(403, "forbidden", "neither scope");
    assert!(
        answer.json()["detail"].as_str().is_some_and(|text| text.contains("messages:read or devices:read"))
    );
    let sent = json!({ "to": NUMBER, "body": "a" }).to_string();
    api.json("POST", "/events", sent).await.is_problem(405, "method_not_allowed", "another method");
}
