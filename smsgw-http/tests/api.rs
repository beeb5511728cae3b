//! What the API does when it is asked well.

mod common;

use std::time::Duration;

use common::{Api, NUMBER, bearer, message};
use serde_json::{Value, json};
use smsgw_core::state::ReportState;
use smsgw_core::transport::{Address, Command, DeviceEvent, InboundSms};

/// Asks until `done`.
async fn until(api: &Api, path: &str, done: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..500 {
        let now = api.call("GET", path).await.json();
        if done(&now) {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{path} never became what it should");
}

#[tokio::test]
async fn a_message_goes_to_a_device_byte_for_byte_and_becomes_delivered() {
    let api = Api::start().await;
    let id = api.device().await;
    let mut device = api.transport.connect(id.parse().expect("an id")).await;
    until(&api, &format!("/devices/{id}"), |device| device["online"] == true).await;
    for body in [
        "a:b:c",
        "one\r\ntwo\ttabs",
        "\"quoted\" 'and' \\",
        "'; drop table messages;--",
        "👩‍👩‍👧 family",
        "שלום \u{202e}abc",
        "  ",
    ] {
        for (path, request) in [
            ("/messages", json!({ "to": NUMBER, "body": body })),
            ("/messages/create", json!({ "phone": NUMBER, "message_body": body })),
        ] {
            let answer = api.json("POST", path, request.to_string()).await;
            assert_eq!(answer.status, 202, "{body:?}");
            let accepted = answer.json();
            let own = format!("/messages/{}", accepted["id"].as_str().expect("an id"));
            assert_eq!(answer.header("location"), Some(own.as_str()));
            assert_eq!((&accepted["to"], &accepted["body"]), (&NUMBER.into(), &body.into()));
            let message = loop {
                // Receipts of earlier reports come between.
                if let Command::Send { message, .. } = device.command().await.expect("connected") {
                    break message;
                }
            };
            assert_eq!(
                (message.body.expose(), message.id.to_string()),
                (body, own["/messages/".len()..].to_owned())
            );
            device.report(message.id, ReportState::Delivered).await.expect("heard");
            let done = until(&api, &own, |message| message["state"] == "delivered").await;
            assert_eq!(done["device_id"], id.as_str());
            assert!(done["delivered_at"].is_string());
            let events = api.call("GET", &format!("{own}/events")).await.json();
            let last = events["items"].as_array().and_then(|items| items.last()).expect("events").clone();
            assert_eq!((&last["state"], &last["applied"]), (&"delivered".into(), &true.into()));
        }
    }
}

#[tokio::test]
async fn a_message_has_these_fields_and_no_other() {
    let api = Api::start().await;
    let later = (api.handle.now() + Duration::from_secs(3_600)).to_string();
    let device = api.device().await;
    let request = json!({ "to": NUMBER, "body": "ñ ç", "device_id": device, "sim": 2, "send_at": later, "ttl": 60, "priority": "high" });
    let message = api.json("POST", "/messages", request.to_string()).await.json();
    let mut names: Vec<&str> = message.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "attempts",
        "body",
        "created_at",
        "device_id",
        "due_at",
        "encoding",
        "expires_at",
        "id",
        "priority",
        "reason",
        "segments",
        "sim",
        "state",
        "to",
    ];
    assert_eq!(names, expected);
    assert_eq!((&message["state"], &message["reason"]), (&"scheduled".into(), &"send_at".into()));
    assert_eq!((&message["sim"], &message["priority"]), (&2.into(), &"high".into()));
    assert_eq!((&message["encoding"], &message["segments"]), (&"ucs2".into(), &1.into()));
    assert_eq!(message["due_at"], later);
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let api = Api::start().await;
    let mut sent = Vec::new();
    for index in 0..5 {
        let to = format!("+535123456{}", index % 2);
        let answer = api.json("POST", "/messages", json!({ "to": to, "body": "a" }).to_string()).await;
        sent.insert(0, answer.json()["id"].clone());
    }
    let (mut seen, mut path) = (Vec::new(), "/messages?limit=2".to_owned());
    loop {
        let page = api.call("GET", &path).await.json();
        let items = page["items"].as_array().expect("a list");
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        let foreign = api.json_as(&api.bob, "GET", &format!("/messages?cursor={cursor}"), "").await;
        foreign.is_problem(400, "invalid_cursor", "another's cursor");
        api.call("GET", &format!("/inbox?cursor={cursor}")).await.is_problem(
            400,
            "invalid_cursor",
            "of another list",
        );
        path = format!("/messages?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, sent, "newest first, each once");
    let count = async |query: &str| {
        let answer = api.call("GET", &format!("/messages?{query}")).await;
        assert_eq!(answer.status, 200, "{query}");
        answer.json()["items"].as_array().expect("a list").len()
    };
    assert_eq!(count("to=%2B5351234561").await, 2);
    assert_eq!(count("to=+5351234560").await, 3, "a plus sign that was not escaped");
    assert_eq!(count("state=delivered").await, 0);
    assert_eq!(count("from=2020-01-01T00:00:00Z&until=2020-01-01T00:00:00%2B01:00").await, 0);
    assert_eq!(count("from=2020-01-01T02:00:00+02:00&limit=1000").await, 5);
}

#[tokio::test]
async fn devices_are_made_changed_and_removed() {
    let api = Api::start().await;
    let request = json!({ "name": "office", "description": "on the shelf", "protocol": "original", "rate_limit": "10/m" });
    let answer = api.json("POST", "/devices", request.to_string()).await;
    assert_eq!(answer.status, 201);
    let made = answer.json();
    let path = answer.header("location").expect("a location").to_owned();
    assert_eq!(path, format!("/devices/{}", made["id"].as_str().expect("an id")));
    let expected = json!({
        "id": made["id"], "name": "office", "description": "on the shelf", "protocol": "original", "rate_limit": "10/m",
        "online": false, "paused": false, "in_hand": 0, "sims": [], "last_seen_at": null, "created_at": made["created_at"],
    });
    assert_eq!(made, expected);
    assert_eq!(api.call("GET", &path).await.json(), made);
    assert_eq!(api.call("GET", "/devices").await.json(), json!({ "items": [made], "next_cursor": null }));

    assert_eq!(api.json("PATCH", &path, "{}").await.json(), expected);
    let changed =
        api.json("PATCH", &path, r#"{"name":"home","description":null,"rate_limit":"1/s"}"#).await.json();
    assert_eq!((&changed["name"], &changed["description"]), (&"home".into(), &Value::Null));
    assert_eq!(changed["rate_limit"], "1/s");
    assert_eq!(api.json("PATCH", &path, r#"{"rate_limit":null}"#).await.json()["rate_limit"], Value::Null);

    assert_eq!(api.call("DELETE", &path).await.status, 204);
    api.call("DELETE", &path).await.is_problem(404, "not_found", "removed before");
    api.call("GET", &path).await.is_problem(404, "not_found", "removed");
}

#[tokio::test]
async fn keys_are_shown_once_and_revoked() {
    let api = Api::start().await;
    let path = format!("/devices/{}/api-keys", api.device().await);
    let answer = api.call("POST", &path).await;
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")));
    let made = answer.json();
    let key = made["api_key"].as_str().expect("a key").to_owned();
    assert!(api.handle.authenticator().device(&key).await.expect("a store").is_ok());

    let later = (api.handle.now() + Duration::from_secs(3_600)).to_string();
    let second = api.json("POST", &path, json!({ "expires_at": later }).to_string()).await.json();
    assert_eq!(second["expires_at"], later);
    assert_eq!(api.json("POST", &path, "null").await.status, 201);
    let listed = api.call("GET", &path).await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(&key[key.len() - 20..]));
    let item = listed.json()["items"].as_array().and_then(|items| items.last()).expect("the first").clone();
    assert_eq!(item["id"], made["id"]);
    assert!(key.starts_with(item["prefix"].as_str().expect("a prefix")));
    assert_eq!(item["revoked_at"], Value::Null);

    let own = format!("{path}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(api.call("DELETE", &own).await.status, 204);
    assert!(api.handle.authenticator().device(&key).await.expect("a store").is_err());
    let listed = api.call("GET", &path).await.json();
    assert!(listed["items"][2]["revoked_at"].is_string());
}

#[tokio::test]
async fn the_inbox_holds_what_devices_received() {
    let api = Api::start().await;
    let id = api.device().await;
    let device = api.transport.connect(id.parse().expect("an id")).await;
    let sms = InboundSms {
        id: None,
        from: "Banco".into(),
        body: "código: 1".into(),
        sim: Some(1),
        received_at: None,
    };
    let origin = Address::Native(id.parse().expect("an id"));
    assert!(device.say(DeviceEvent::Inbound { origin, sms }).await);
    let inbox = until(&api, "/inbox", |inbox| inbox["items"] != json!([])).await;
    let item = &inbox["items"][0];
    assert_eq!((&item["from"], &item["body"]), (&"Banco".into(), &"código: 1".into()));
    assert_eq!((&item["sim"], &item["device_id"]), (&1.into(), &id.as_str().into()));
    assert_eq!(api.json_as(&api.bob, "GET", "/inbox", "").await.json()["items"], json!([]));
}

#[tokio::test]
async fn segments_are_counted_without_sending() {
    let api = Api::start().await;
    let count =
        async |body: &str| api.json("POST", "/segments", json!({ "body": body }).to_string()).await.json();
    assert_eq!(
        count("10 €").await,
        json!({ "encoding": "gsm7", "segments": 1, "units": 5, "characters_left": 155, "forces_ucs2": null })
    );
    assert_eq!(count("Su código").await["forces_ucs2"], "ó");
    assert_eq!(count("").await["segments"], 0);
    assert_eq!(count(&"a".repeat(1_531)).await["segments"], 11);
    assert_eq!(api.messages().await, 0);
}

#[tokio::test]
async fn health_names_each_backend_and_a_closed_gateway_is_503() {
    let api = Api::start().await;
    assert_eq!(api.send("GET", "/health/live", "", "").await.json(), json!({ "status": "live" }));
    let ready = api.send("GET", "/health/ready", "", "").await;
    assert_eq!((ready.status, &ready.json()["status"]), (200, &"ready".into()));
    for part in ["store", "queue", "transport"] {
        assert_eq!(ready.json()[part]["status"], "ready", "{part}");
        assert!(ready.json()[part]["name"].is_string(), "{part}");
    }
    let (address, ann, served) = (api.address, api.ann.clone(), api.served);
    api.running.drain(Duration::from_secs(5)).await.expect("drained");
    // The same server, with its backends closed.
    let ask = async |path: &str| {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n{}\r\n", bearer(&ann));
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.expect("written");
        common::Answer::read(&mut stream).await.expect("an answer")
    };
    let ready = ask("/health/ready").await;
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"unavailable".into()));
    assert_eq!(ready.json()["store"]["status"], "unavailable");
    assert!(ready.json()["store"]["error"].is_string() && ready.header("retry-after").is_some());
    let answer = ask("/messages").await;
    answer.is_problem(503, "closing", "a closed store");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(ask("/health/live").await.status, 200);
    served.abort();
}

#[tokio::test]
async fn every_answer_has_an_id_and_is_kept_by_nobody() {
    let api = Api::start().await;
    for (path, given) in [
        ("/health/live", ""),
        ("/messages", "trace-7"),
        ("/nowhere", ""),
        ("/devices", "a b"),
        ("/", &"x".repeat(65)),
    ] {
        let headers = format!(
            "{}{}",
            bearer(&api.ann),
            if given.is_empty() { String::new() } else { format!("X-Request-Id: {given}\r\n") }
        );
        let answer = api.send("GET", path, &headers, "").await;
        let id = answer.header("x-request-id").expect("an id");
        assert_eq!(id == given, given == "trace-7", "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    assert_eq!(api.json("POST", "/messages", message("a")).await.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_message_is_taken_back_while_nobody_has_sent_it() {
    let api = Api::start().await;
    let id = api.device().await;
    let send = async || {
        let accepted =
            api.json("POST", "/messages", json!({ "to": NUMBER, "body": "hola" }).to_string()).await;
        format!("/messages/{}", accepted.json()["id"].as_str().expect("an id"))
    };
    let cancel = async |own: &str| api.call("POST", &format!("{own}/cancel")).await;

    let waits = send().await;
    for _ in 0..2 {
        let answer = cancel(&waits).await;
        assert_eq!((answer.status, answer.json()["state"].as_str()), (200, Some("canceled")));
    }

    let mut device = api.transport.connect(id.parse().expect("an id")).await;
    let held = send().await;
    let Some(Command::Send { message, .. }) = device.command().await else { panic!("no message") };
    until(&api, &held, |message| message["state"] == "dispatched").await;
    let answer = cancel(&held).await;
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (202, Some("cancel_requested")));
    device.report(message.id, ReportState::Sent).await.expect("heard");
    until(&api, &held, |message| message["state"] == "sent").await;
    let answer = cancel(&held).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("too_late")));

    let unknown = cancel("/messages/01990000-0000-7000-8000-000000000001").await;
    assert_eq!((unknown.status, unknown.json()["code"].as_str()), (404, Some("not_found")));
}
