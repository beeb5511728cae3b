//! Many messages in one request.

mod common;

use common::{Api, NOBODY, NUMBER, bearer, message};
use serde_json::{Value, json};
use smsgw_http::ApiConfig;

const PATH: &str = "/messages/bulk";
const ID: &str = "01990000-0000-7000-8000-000000000001";

fn bulk(messages: impl Into<Value>) -> String {
    json!({ "messages": messages.into() }).to_string()
}

async fn items(api: &Api, messages: Value) -> Vec<Value> {
    let answer = api.json("POST", PATH, bulk(messages)).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()["items"].as_array().expect("items").clone()
}

#[tokio::test]
async fn each_message_is_accepted_or_refused_by_itself() {
    let api = Api::start().await;
    let good = |body: &str| json!({ "to": NUMBER, "body": body });
    let outcomes = items(
        &api,
        json!([
            good("first"),
            { "to": "600", "body": "a" },
            { "to": NUMBER },
            { "to": NUMBER, "body": "a", "colour": 1 },
            7,
            { "to": NUMBER, "body": "a", "device_id": NOBODY },
            good("last"),
        ]),
    )
    .await;
    let of = |index: usize| &outcomes[index];
    for (index, body) in [(0, "first"), (6, "last")] {
        assert_eq!((&of(index)["status"], &of(index)["message"]["body"]), (&202.into(), &body.into()));
        assert!(of(index).get("error").is_none());
        let own = format!("/messages/{}", of(index)["message"]["id"].as_str().expect("an id"));
        assert_eq!(api.call("GET", &own).await.json()["body"], body);
    }
    for (index, status, code, pointer) in [
        (1, 422, "invalid_field", "/messages/1/to"),
        (2, 422, "invalid_field", "/messages/2/body"),
        (3, 422, "invalid_field", "/messages/3/colour"),
        (4, 422, "invalid_field", "/messages/4"),
        (5, 404, "not_found", "/messages/5/device_id"),
    ] {
        let error = &of(index)["error"];
        assert_eq!((&of(index)["status"], &error["status"]), (&status.into(), &status.into()), "{index}");
        assert_eq!((&error["code"], &error["pointer"]), (&code.into(), &pointer.into()), "{index}");
        assert!(of(index).get("message").is_none());
    }
    assert_eq!((outcomes.len(), api.messages().await), (7, 2));
}

#[tokio::test]
async fn an_id_that_is_there_twice_sends_once() {
    let api = Api::start().await;
    let one = json!({ "to": NUMBER, "body": "a", "id": ID });
    let other = json!({ "to": NUMBER, "body": "b", "id": ID });
    for round in ["within a request", "across requests"] {
        let outcomes = items(&api, json!([one, one, other])).await;
        for index in [0, 1] {
            assert_eq!(
                (&outcomes[index]["status"], &outcomes[index]["message"]["id"]),
                (&202.into(), &ID.into()),
                "{round}"
            );
        }
        let error = &outcomes[2]["error"];
        assert_eq!(
            (&error["code"], &error["pointer"]),
            (&"id_conflict".into(), &"/messages/2/id".into()),
            "{round}"
        );
        assert_eq!(api.messages().await, 1, "{round}");
    }
}

#[tokio::test]
async fn a_list_of_none_or_too_many_is_refused_whole() {
    let api = Api::start().await;
    let many = |count: usize| bulk(vec![json!({ "to": NUMBER, "body": "a" }); count]);
    for (what, body) in [
        ("none", many(0)),
        ("1,001", many(1_001)),
        ("100,000", many(100_000)),
        ("no list", bulk(json!({}))),
        ("nothing", "{}".into()),
    ] {
        api.json("POST", PATH, body).await.points_to("/messages", what);
    }
    assert_eq!(api.messages().await, 0);
    let answer = api.json("POST", PATH, many(1_000)).await;
    let outcomes = answer.json();
    let outcomes = outcomes["items"].as_array().expect("items");
    assert!(outcomes.len() == 1_000 && outcomes.iter().all(|outcome| outcome["status"] == 202));
    let keys: Vec<String> = (0..65).map(|key| format!("\"k{key}\":0")).collect();
    let answer = api.json("POST", PATH, format!(r#"{{"messages":[{{{}}}]}}"#, keys.join(","))).await;
    answer.is_problem(400, "invalid_json", "65 keys");
}

#[tokio::test]
async fn a_body_may_be_longer_here_and_not_endless() {
    let api = Api::start().await;
    let padded = |length: usize| {
        let body = bulk(json!([{ "to": NUMBER, "body": "a" }]));
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let longest = 4 * 1024 * 1024;
    assert_eq!(api.json("POST", PATH, padded(longest)).await.status, 200);
    let answer = api.json("POST", PATH, padded(longest + 1)).await;
    answer.is_problem(413, "body_too_large", "a byte more");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(api.json("POST", "/messages", padded(65_537)).await.status, 413, "and nowhere else");
    assert_eq!(api.messages().await, 1);
}

#[tokio::test]
async fn it_is_one_request_and_has_no_idempotency_key() {
    let api = Api::start_with(ApiConfig {
        account_rate: Some("3/h".parse().expect("a rate")),
        ..ApiConfig::default()
    })
    .await;
    let headers = format!("{}Content-Type: application/json\r\nIdempotency-Key: a\r\n", bearer(&api.ann));
    let answer = api.send("POST", PATH, &headers, bulk(json!([{ "to": NUMBER, "body": "a" }]))).await;
    answer.is_problem(400, "invalid_header", "with a key");
    let many = bulk(vec![json!({ "to": NUMBER, "body": "a" }); 100]);
    let answer = api.json("POST", PATH, many).await;
    assert_eq!((answer.status, answer.header("ratelimit").map(|it| it.contains("r=1;"))), (200, Some(true)));
    assert_eq!(api.json("POST", "/messages", message("a")).await.status, 202);
    assert_eq!(api.json("POST", "/messages", message("a")).await.status, 429);
}
