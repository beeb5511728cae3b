//! Accounts are held to a rate, and told how they stand.

mod common;

use common::document::operations;
use common::{Answer, Api, NOBODY, bearer};
use smsgw_core::account::Scope;
use smsgw_http::ApiConfig;

async fn limited(rate: &str) -> Api {
    Api::start_with(ApiConfig { account_rate: Some(rate.parse().expect("a rate")), ..Default::default() })
        .await
}

/// What is left, and the seconds until it begins anew.
fn standing(answer: &Answer) -> (u32, u32) {
    let text = answer.header("ratelimit").expect("a standing");
    let numbers = text.strip_prefix("\"account\";r=").and_then(|text| text.split_once(";t="));
    let (left, reset) = numbers.expect("two numbers");
    (left.parse().expect("a number"), reset.parse().expect("seconds"))
}

#[tokio::test]
async fn every_answer_to_a_good_token_says_how_its_account_stands() {
    let api = limited("1000/h").await;
    let mut left = 1_000;
    for operation in operations() {
        let name = operation.name();
        let path = operation.path_to(|_| NOBODY.to_owned());
        let answer = api.json_as(&api.ann, &operation.method, &path, "{}").await;
        if ["none", "broker", "metrics:read"].contains(&operation.scope.as_str()) {
            assert_eq!(answer.header("ratelimit"), None, "{name}");
            continue;
        }
        left -= 1;
        assert_eq!(answer.header("ratelimit-policy"), Some("\"account\";q=1000;w=3600"), "{name}");
        let (shown, reset) = standing(&answer);
        assert_eq!(shown, left, "{name}, which is answered {}", answer.status);
        assert!((1..=3_600).contains(&reset), "{name}");
    }
    assert!(left < 980, "most were asked");
    let stranger = api.send("GET", "/messages", "", "").await;
    assert_eq!((stranger.status, stranger.header("ratelimit")), (401, None));
}

#[tokio::test]
async fn over_the_rate_is_429_and_others_are_not_concerned() {
    let api = limited("3/h").await;
    let second = api.token([Scope::MessagesRead]).await;
    for left in [2, 1, 0] {
        let answer = api.call("GET", "/messages").await;
        assert_eq!((answer.status, standing(&answer).0), (200, left));
    }
    for token in [&api.ann, &second] {
        let over = api.send("GET", "/messages", &bearer(token), "").await;
        over.is_problem(429, "rate_limited", "one too many, with any token of the account");
        let (left, reset) = standing(&over);
        let after: u32 = over.header("retry-after").expect("a time").parse().expect("seconds");
        assert_eq!((left, reset), (0, after));
        assert!((1..=3_600).contains(&after));
    }
    let refused = api.json("POST", "/devices", r#"{"name":"phone"}"#).await;
    refused.is_problem(429, "rate_limited", "a write");
    let ann = api.handle.ensure_account("ann").await.expect("an account");
    let devices = api.handle.devices(ann.id, None, 10).await.expect("a store");
    assert!(devices.items.is_empty(), "what is refused changes nothing");

    let others = api.send("GET", "/messages", &bearer(&api.bob), "").await;
    assert_eq!((others.status, standing(&others).0), (200, 2));
    assert_eq!(api.send("GET", "/health/live", "", "").await.status, 200);
}

#[tokio::test]
async fn the_next_window_is_a_new_one() {
    let api = limited("1/s").await;
    let mut seen = Vec::new();
    for _ in 0..200 {
        let status = api.call("GET", "/messages").await.status;
        if seen.last() != Some(&status) {
            seen.push(status);
        }
        if seen == [200, 429, 200] {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{seen:?}");
}

#[tokio::test]
async fn without_a_rate_nothing_is_said_or_refused() {
    let api = Api::start().await;
    let answer = api.call("GET", "/messages").await;
    assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), (None, None));
}
