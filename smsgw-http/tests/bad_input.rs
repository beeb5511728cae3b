//! What bad input gets: QUALITY section 3, a row a test.

mod common;

use common::{Answer, Api, NOBODY, NUMBER, bearer, from, message};
use smsgw_core::gateway::NewToken;
use smsgw_core::message::MAX_AHEAD;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_body_that_is_not_json_is_400_with_line_and_column_only() {
    let api = Api::start().await;
    let deep = |open: &str, close: &str| format!(r#"{{"to":{}1{}}}"#, open.repeat(200), close.repeat(200));
    let rows: [(&str, Vec<u8>); 12] = [
        ("empty", b"".into()),
        ("an open brace", b"{".into()),
        ("invalid UTF-8 in a string", b"{\"to\":\"\xff\xfe\"}".into()),
        ("invalid UTF-8 outside", b"{\xff:1}".into()),
        ("a lone surrogate", br#"{"to":"+5351234567","body":"\ud83d"}"#.into()),
        ("a lone low surrogate", br#"{"to":"+5351234567","body":"\udc00"}"#.into()),
        ("arrays 200 deep", deep("[", "]").into()),
        ("objects 200 deep", deep(r#"{"a":"#, "}").into()),
        ("a key twice", br#"{"to":"+5351234567","body":"hidden words","to":"+5351234567"}"#.into()),
        ("a key twice, deep inside", br#"{"to":[{"hidden words":1,"\u0068idden words":2}]}"#.into()),
        ("something behind it", br#"{"to":"+5351234567","body":"hidden words"} x"#.into()),
        ("a raw newline in a string", b"{\"to\":\"+5351234567\",\n\"body\":\"hidden\nwords\"}".into()),
    ];
    for (what, body) in rows {
        for path in ["/messages", "/messages/create", "/devices", "/segments"] {
            let answer = api.json("POST", path, &body).await;
            answer.is_problem(400, "invalid_json", what);
            let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
            assert!(detail.contains("line ") && detail.contains("column "), "{what}: {detail}");
            let text = String::from_utf8_lossy(&answer.body);
            assert!(!text.contains("hidden") && !text.contains("5351234567"), "{what}: {text}");
        }
    }
    assert_eq!(api.messages().await, 0);
}

#[tokio::test]
async fn another_content_type_or_none_is_415() {
    let api = Api::start().await;
    let json = "Content-Type: application/json\r\n";
    for (what, headers) in [
        ("none", String::new()),
        ("a form", "Content-Type: application/x-www-form-urlencoded\r\n".into()),
        ("text", "Content-Type: text/plain\r\n".into()),
        ("another JSON", "Content-Type: application/jsonp\r\n".into()),
        ("empty", "Content-Type: \r\n".into()),
        ("two", json.repeat(2)),
    ] {
        let headers = format!("{}{headers}", bearer(&api.ann));
        let answer = api.send("POST", "/messages", &headers, message("hola")).await;
        answer.is_problem(415, "unsupported_media_type", what);
    }
    assert_eq!(api.messages().await, 0);
    for good in ["application/json", "Application/JSON; charset=utf-8", "application/json ;x=y"] {
        let headers = format!("{}Content-Type: {good}\r\n", bearer(&api.ann));
        assert_eq!(api.send("POST", "/messages", &headers, message("hola")).await.status, 202, "{good}");
    }
}

#[tokio::test]
async fn a_body_over_64_kib_declared_or_chunked_is_413_and_closed() {
    let api = Api::start().await;
    let padded = |length: usize| {
        let body = message("hola");
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    assert_eq!(api.json("POST", "/messages", padded(65_536)).await.status, 202);
    let head = format!(
        "POST /messages HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{}",
        bearer(&api.ann)
    );
    let mut endless = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    for _ in 0..300 {
        endless.push_str(&format!("1000\r\n{}\r\n", " ".repeat(0x1000)));
    }
    for (what, request) in [
        ("declared", format!("{head}Content-Length: 65537\r\n\r\n{}", padded(65_537))),
        ("declared, and asked for", format!("{head}Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n")),
        ("half a megabyte", format!("{head}Content-Length: 500000\r\n\r\n{}", padded(500_000))),
        ("chunked without end", endless),
    ] {
        let answer = api.raw(request).await;
        answer.is_problem(413, "body_too_large", what);
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
    }
    assert_eq!(api.messages().await, 1);
}

#[tokio::test]
async fn control_characters_and_unknown_fields_are_422_with_a_pointer() {
    let api = Api::start().await;
    for (what, path, body, pointer) in [
        ("U+0000 in a body", "/messages", r#"{"to":"+5351234567","body":"a\u0000"}"#, "/body"),
        ("escape in a body", "/messages", r#"{"to":"+5351234567","body":"\u001b[1m"}"#, "/body"),
        (
            "U+009F in a body",
            "/messages/create",
            r#"{"phone":"+5351234567","message_body":"\u009f"}"#,
            "/message_body",
        ),
        ("U+0000 in a name", "/devices", r#"{"name":"a\u0000"}"#, "/name"),
        ("newline in a name", "/devices", r#"{"name":"a\nb"}"#, "/name"),
        ("U+0000 in a description", "/devices", r#"{"name":"a","description":"\u0000"}"#, "/description"),
        ("an unknown field", "/messages", r#"{"to":"+5351234567","body":"a","urgent":1}"#, "/urgent"),
        ("a field of another route", "/segments", r#"{"body":"a","to":"+5351234567"}"#, "/to"),
        ("an unknown field like a number", "/messages", r#"{"+5351234567":"hidden words"}"#, ""),
        ("an unknown field like a text", "/devices", r#"{"hidden words":"a"}"#, ""),
        ("no object", "/messages", "[]", ""),
        ("a string", "/devices", r#""hidden words""#, ""),
    ] {
        let answer = api.json("POST", path, body).await;
        answer.points_to(pointer, what);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("hidden") && !text.contains("5351234567"), "{what}: {text}");
    }
    assert_eq!(api.messages().await, 0);
}

#[tokio::test]
async fn a_recipient_that_is_no_number_is_422() {
    let api = Api::start().await;
    for to in [
        "",
        "+",
        "0034600",
        "+0123",
        "+1234567890123456",
        "+34600:x",
        "+３４６００１２３４５６",
        "+34600\u{202e}123456",
        " +34600123456",
        "+34 600 123 456",
        "hidden",
    ] {
        for (path, field) in [("/messages", "to"), ("/messages", "phone"), ("/messages/create", "phone")] {
            let body = serde_json::json!({ field: to, "body": "hola" }).to_string();
            let answer = api.json("POST", path, body).await;
            answer.points_to(&format!("/{field}"), to);
            assert!(to.len() < 5 || !String::from_utf8_lossy(&answer.body).contains(to), "{to}");
        }
    }
    for (what, to) in [("a number", "5351234567"), ("a list", "[]"), ("true", "true"), ("null", "null")] {
        api.json("POST", "/messages", format!(r#"{{"to":{to},"body":"a"}}"#)).await.points_to("/to", what);
    }
    api.json("POST", "/messages", r#"{"body":"a"}"#).await.points_to("/to", "missing");
    let both = format!(r#"{{"to":"{NUMBER}","phone":"{NUMBER}","body":"a"}}"#);
    api.json("POST", "/messages", both).await.points_to("/phone", "both spellings");
    assert_eq!(api.messages().await, 0);
}

#[tokio::test]
async fn a_body_that_is_empty_or_over_10_segments_is_422() {
    let api = Api::start().await;
    for (what, body) in [("empty", String::new()), ("GSM-7", "a".repeat(1_531)), ("UCS-2", "я".repeat(671))]
    {
        for (path, field) in [("/messages", "body"), ("/messages/create", "message_body")] {
            let request = serde_json::json!({ "to": NUMBER, field: body }).to_string();
            api.json("POST", path, request).await.points_to(&format!("/{field}"), what);
        }
    }
    api.json("POST", "/messages", format!(r#"{{"to":"{NUMBER}"}}"#)).await.points_to("/body", "missing");
    let both = format!(r#"{{"to":"{NUMBER}","message_body":"a","body":"a"}}"#);
    api.json("POST", "/messages", both).await.points_to("/message_body", "both spellings");
    assert_eq!(api.messages().await, 0);
}

#[tokio::test]
async fn ttl_send_at_and_the_rest_are_422_with_a_pointer() {
    let api = Api::start().await;
    for (field, value) in [
        ("ttl", "-1"),
        ("ttl", "0"),
        ("ttl", "1.5"),
        ("ttl", "\"60\""),
        ("ttl", "1e309"),
        ("ttl", "-1e309"),
        ("ttl", "9223372036854775808"),
        ("ttl", "31622401"),
        ("ttl", "true"),
        ("ttl", "[60]"),
        ("ttl", "{}"),
        ("send_at", "\"1970-01-01T00:00:00Z\""),
        ("send_at", "\"9999-12-31T23:59:59Z\""),
        ("send_at", "\"tomorrow\""),
        ("send_at", "\"2026-01-02\""),
        ("send_at", "\"2026-13-02T00:00:00Z\""),
        ("send_at", "1767312000"),
        ("sim", "0"),
        ("sim", "256"),
        ("sim", "\"1\""),
        ("sim", "-1"),
        ("priority", "\"urgent\""),
        ("priority", "1"),
        ("device_id", "\"phone\""),
        ("device_id", "7"),
        ("id", "\"7\""),
        ("id", "\"0199A3C4-5E6F-7A8B-9C0D-1E2F3A4B5C6D\""),
    ] {
        let body = format!(r#"{{"to":"{NUMBER}","body":"a","{field}":{value}}}"#);
        api.json("POST", "/messages", body)
            .await
            .points_to(&format!("/{field}"), &format!("{field} {value}"));
    }
    let old = (api.handle.now() - std::time::Duration::from_secs(61)).to_string();
    let body = serde_json::json!({ "to": NUMBER, "body": "a", "send_at": old }).to_string();
    api.json("POST", "/messages", body).await.points_to("/send_at", "61 seconds ago");
    assert_eq!(api.messages().await, 0);

    let now = api.handle.now();
    let soon = (now - std::time::Duration::from_secs(30)).to_string();
    let late = (now + MAX_AHEAD - std::time::Duration::from_secs(60)).to_string();
    for good in [
        serde_json::json!({ "ttl": 1 }),
        serde_json::json!({ "ttl": 31_622_400 }),
        serde_json::json!({ "sim": 255 }),
        serde_json::json!({ "send_at": soon }),
        serde_json::json!({ "send_at": late }),
        serde_json::json!({ "priority": "high" }),
        serde_json::json!({ "ttl": null, "sim": null, "send_at": null, "device_id": null, "id": null, "priority": null }),
    ] {
        let mut body = good.clone();
        body["phone"] = NUMBER.into();
        body["message_body"] = "a".into();
        assert_eq!(api.json("POST", "/messages", body.to_string()).await.status, 202, "{good}");
    }
}

#[tokio::test]
async fn devices_and_keys_are_422_with_a_pointer() {
    let api = Api::start().await;
    for (body, pointer) in [
        ("{}".to_owned(), "/name"),
        (r#"{"name":""}"#.to_owned(), "/name"),
        (r#"{"name":null}"#.to_owned(), "/name"),
        (format!(r#"{{"name":"{}"}}"#, "ñ".repeat(101)), "/name"),
        (format!(r#"{{"name":"a","description":"{}"}}"#, "a".repeat(1_001)), "/description"),
        (r#"{"name":"a","protocol":"Native"}"#.to_owned(), "/protocol"),
        (r#"{"name":"a","rate_limit":"10/d"}"#.to_owned(), "/rate_limit"),
        (r#"{"name":"a","rate_limit":10}"#.to_owned(), "/rate_limit"),
    ] {
        api.json("POST", "/devices", &body).await.points_to(pointer, &body);
    }
    assert_eq!(api.call("GET", "/devices").await.json()["items"], serde_json::json!([]));

    let device = format!("/devices/{}", api.device().await);
    for (body, pointer) in [
        (r#"{"name":null}"#, "/name"),
        (r#"{"name":""}"#, "/name"),
        (r#"{"protocol":"original"}"#, "/protocol"),
        (r#"{"rate_limit":"fast"}"#, "/rate_limit"),
        (r#"{"paused":null}"#, "/paused"),
        (r#"{"paused":"yes"}"#, "/paused"),
        (r#"{"paused":1}"#, "/paused"),
    ] {
        api.json("PATCH", &device, body).await.points_to(pointer, body);
    }
    let keys = format!("{device}/api-keys");
    for time in ["\"1970-01-01T00:00:00Z\"", "\"yesterday\"", "0"] {
        let body = format!(r#"{{"expires_at":{time}}}"#);
        api.json("POST", &keys, &body).await.points_to("/expires_at", time);
    }
    assert_eq!(api.call("GET", &keys).await.json()["items"], serde_json::json!([]));
}

#[tokio::test]
async fn what_is_anothers_is_404_exactly_as_what_is_absent() {
    let api = Api::start().await;
    let device = api.device().await;
    let message =
        api.json("POST", "/messages", message("hola")).await.json()["id"].as_str().expect("an id").to_owned();
    let keys = format!("/devices/{device}/api-keys");
    let key = api.json("POST", &keys, "").await.json()["id"].as_str().expect("an id").to_owned();
    for (method, path, body) in [
        ("GET", format!("/devices/{device}"), ""),
        ("PATCH", format!("/devices/{device}"), r#"{"name":"mine"}"#),
        ("DELETE", format!("/devices/{device}"), ""),
        ("GET", keys.clone(), ""),
        ("POST", keys.clone(), "{}"),
        ("DELETE", format!("{keys}/{key}"), ""),
        ("GET", format!("/messages/{message}"), ""),
        ("GET", format!("/messages/{message}/events"), ""),
    ] {
        let foreign = api.json_as(&api.bob, method, &path, body).await;
        foreign.is_problem(404, "not_found", &path);
        for absent in [NOBODY, "x", "..", "%ff", "0199A3C4-5E6F-7A8B-9C0D-1E2F3A4B5C6D"] {
            let path = path.replace(&device, absent).replace(&message, absent);
            let answer = api.json_as(&api.bob, method, &path, body).await;
            assert_eq!((answer.status, &answer.body), (404, &foreign.body), "{method} {path}");
        }
    }
    api.call("DELETE", &format!("{keys}/aaaaaaaaaaaaaaaa")).await.is_problem(
        404,
        "not_found",
        "an absent key",
    );
    api.call("DELETE", &format!("{keys}/x")).await.is_problem(404, "not_found", "no key");

    let ask = |id: &str| format!(r#"{{"to":"{NUMBER}","body":"a","device_id":"{id}"}}"#);
    let foreign = api.json_as(&api.bob, "POST", "/messages", ask(&device)).await;
    foreign.is_problem(404, "not_found", "another's device as sender");
    assert_eq!(api.json_as(&api.bob, "POST", "/messages", ask(NOBODY)).await.body, foreign.body);
    let listed = api.json_as(&api.bob, "GET", &format!("/messages?device_id={device}"), "").await;
    assert_eq!(listed.json()["items"], serde_json::json!([]));
    assert_eq!(api.json_as(&api.bob, "GET", "/devices", "").await.json()["items"], serde_json::json!([]));
    assert_eq!(api.call("GET", &format!("/devices/{device}")).await.json()["name"], "phone");
}

#[tokio::test]
async fn without_a_good_token_it_is_401_with_www_authenticate() {
    let api = Api::start().await;
    let device_key = {
        let path = format!("/devices/{}/api-keys", api.device().await);
        api.json("POST", &path, "").await.json()["api_key"].as_str().expect("a key").to_owned()
    };
    let account = api.handle.ensure_account("ann").await.expect("an account").id;
    let moment = api.handle.now() + std::time::Duration::from_millis(1);
    let (expired, _) = api
        .handle
        .create_token(account, NewToken { expires_at: Some(moment), ..NewToken::new("old") })
        .await
        .expect("a token");
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let cut = &api.ann[..api.ann.len() - 1];
    let mut address = 0;
    for (what, header) in [
        ("none", String::new()),
        ("empty", "Authorization: \r\n".into()),
        ("no scheme", format!("Authorization: {}\r\n", api.ann)),
        ("another scheme", format!("Authorization: Basic {}\r\n", api.ann)),
        ("no token", "Authorization: Bearer \r\n".into()),
        ("a word", bearer("letmein")),
        ("cut", bearer(cut)),
        (
            "unknown",
            bearer(
                smsgw_core::key::Credential::generate(smsgw_core::key::CredentialKind::Token)
                    .expect("random")
                    .expose(),
            ),
        ),
        ("expired", bearer(expired.expose())),
        ("a device's key", bearer(&device_key)),
        ("not ASCII", "Authorization: Bearer ñ\r\n".into()),
    ] {
        for (method, path) in [
            ("GET", "/messages"),
            ("POST", "/messages"),
            ("GET", "/devices"),
            ("GET", "/inbox"),
            ("POST", "/segments"),
        ] {
            // Each from an address of its own, so that no address has failed too often.
            address += 1;
            let headers = format!("{header}{}Content-Type: application/json\r\n", from([10, 0, 0, address]));
            let answer = api.send(method, path, &headers, message("a")).await;
            answer.is_problem(401, "unauthorized", what);
            assert!(
                answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer ")),
                "{what}"
            );
        }
    }
    let twice = bearer(&api.ann).repeat(2);
    api.send("GET", "/messages", &twice, "").await.is_problem(
        400,
        "invalid_header",
        "two Authorization headers",
    );
    for parameter in ["token", "access_token"] {
        let path = format!("/messages?{parameter}={}", api.ann);
        api.send("GET", &path, "", "").await.is_problem(401, "unauthorized", "a token in the query");
    }
    let shouted = bearer(&api.ann).replace("Bearer", "BEARER");
    assert_eq!(api.send("GET", "/messages", &shouted, "").await.status, 200);
    for open in ["/health/live", "/health/ready", "/openapi.json", "/docs/", "/problems"] {
        assert_eq!(api.send("GET", open, "", "").await.status, 200, "{open}");
    }
}

#[tokio::test]
async fn idempotency_keys_are_checked() {
    let api = Api::start().await;
    let send = async |key: &str, body: String| {
        let headers =
            format!("{}Content-Type: application/json\r\nIdempotency-Key: {key}\r\n", bearer(&api.ann));
        api.send("POST", "/messages", &headers, body).await
    };
    for (what, key) in [
        ("256 characters", "k".repeat(256)),
        ("not ASCII", "clé".into()),
        ("empty", String::new()),
        ("a tab", "a\tb".into()),
    ] {
        send(&key, message("a")).await.is_problem(400, "invalid_header", what);
    }
    send("one\r\nIdempotency-Key: two", message("a")).await.is_problem(400, "invalid_header", "two keys");
    assert_eq!(api.messages().await, 0);

    let longest = "k".repeat(255);
    let first = send(&longest, message("a")).await;
    let again = send(&longest, message("a")).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.json()["id"], again.json()["id"]);
    send(&longest, message("another")).await.is_problem(422, "idempotency_mismatch", "same key, other body");
    assert_eq!(api.messages().await, 1);
}

#[tokio::test]
async fn the_same_key_while_the_first_request_runs_is_409() {
    let api = Api::start().await;
    let body = message("a");
    let headers =
        |token: &str| format!("{}Content-Type: application/json\r\nIdempotency-Key: key\r\n", bearer(token));
    let mut first = api.connect().await;
    let head = format!(
        "POST /messages HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n",
        headers(&api.ann),
        body.len()
    );
    first.write_all(head.as_bytes()).await.expect("written");
    // Its head has been read once a later request is answered.
    assert_eq!(api.call("GET", "/health/live").await.status, 200);
    let second = api.send("POST", "/messages", &headers(&api.ann), &body).await;
    second.is_problem(409, "idempotency_in_flight", "while the first runs");
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(api.send("POST", "/messages", &headers(&api.bob), &body).await.status, 202, "another's key");
    first.write_all(body.as_bytes()).await.expect("written");
    let first = Answer::read(&mut first).await.expect("an answer");
    let again = api.send("POST", "/messages", &headers(&api.ann), &body).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(api.messages().await, 1);
}

#[tokio::test]
async fn the_same_id_sends_nothing_more_and_another_message_under_it_is_409() {
    let api = Api::start().await;
    let ask = |body: &str| format!(r#"{{"to":"{NUMBER}","body":"{body}","id":"{NOBODY}"}}"#);
    let first = api.json("POST", "/messages", ask("a")).await;
    assert_eq!((first.status, &first.json()["id"]), (202, &NOBODY.into()));
    assert_eq!(api.json("POST", "/messages", ask("a")).await.json()["id"], NOBODY);
    let other = api.json("POST", "/messages", ask("b")).await;
    other.is_problem(409, "id_conflict", "another body");
    let foreign = api.json_as(&api.bob, "POST", "/messages", ask("a")).await;
    assert_eq!((foreign.status, &foreign.body), (409, &other.body), "another's id");
    assert_eq!(api.messages().await, 1);
}

#[tokio::test]
async fn a_wrong_method_is_405_with_allow_and_an_unknown_route_404() {
    let api = Api::start().await;
    for (method, path, allow) in [
        ("DELETE", "/messages", "GET,HEAD,POST"),
        ("PUT", "/tokens", "GET,HEAD,POST"),
        ("POST", "/audit", "GET,HEAD"),
        ("GET", "/messages/create/", ""),
        ("PUT", "/devices", "GET,HEAD,POST"),
        ("POST", "/inbox", "GET,HEAD"),
        ("GET", "/segments", "POST"),
        ("OPTIONS", "/messages", "GET,HEAD,POST"),
        ("TRACE", "/health/live", "GET,HEAD"),
        ("BREW", "/inbox", "GET,HEAD"),
        ("POST", "/openapi.json", "GET,HEAD"),
    ] {
        let answer = api.call(method, path).await;
        if allow.is_empty() {
            answer.is_problem(404, "unknown_route", path);
        } else {
            answer.is_problem(405, "method_not_allowed", path);
            assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        }
    }
    for path in ["/message", "/messages/", "/Messages", "/docs/none.js", "/devices/x/y", "//", "/%00"] {
        api.call("GET", path).await.is_problem(404, "unknown_route", path);
    }
}

#[tokio::test]
async fn a_wrong_query_is_400() {
    let api = Api::start().await;
    for list in ["/messages", "/devices", "/inbox"] {
        for limit in ["0", "-1", "1000000000", "x", "", "1.5", "%2B1", "1001", "99999999999999999999999"] {
            api.call("GET", &format!("{list}?limit={limit}")).await.is_problem(400, "invalid_query", limit);
        }
        for cursor in ["x", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "%00", "💬"] {
            let path = format!("{list}?cursor={}", cursor.replace('💬', "%F0%9F%92%AC"));
            api.call("GET", &path).await.is_problem(400, "invalid_cursor", cursor);
        }
        for query in ["x=1", "limit=1&limit=2", "limit=1&Limit=1", "token=x"] {
            api.call("GET", &format!("{list}?{query}")).await.is_problem(400, "invalid_query", query);
        }
    }
    for query in ["state=lost", "state=", "to=hidden", "device_id=x", "from=today", "until=2026-01-02"] {
        let answer = api.call("GET", &format!("/messages?{query}")).await;
        answer.is_problem(400, "invalid_query", query);
        assert!(!String::from_utf8_lossy(&answer.body).contains("hidden"));
    }
    let dry = api.json("POST", "/messages?dry_run=true", message("a")).await;
    dry.is_problem(400, "invalid_query", "a parameter that would be ignored");
    api.call("GET", &format!("/messages/{NOBODY}?x=1")).await.is_problem(
        400,
        "invalid_query",
        "of one message",
    );
    assert_eq!(api.messages().await, 0);
}
