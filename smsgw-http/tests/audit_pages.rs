//! The audit log is read in pages and by what is asked for, and stays short under a storm of wrong tokens.

mod common;

use common::{Api, NOBODY, bearer, from, public};
use serde_json::Value;
use smsgw_core::account::Scope;
use smsgw_core::key::{Credential, CredentialKind};

/// A token that nobody has.
fn stranger() -> String {
    Credential::generate(CredentialKind::Token).expect("random numbers").expose().to_owned()
}

async fn items(api: &Api, query: &str) -> Vec<Value> {
    api.audit(query, |_| true).await
}

/// Six rows: three of Ann's devices, two refused scopes, a stranger.
async fn some(api: &Api) -> (String, String, Vec<Value>) {
    let weak = api.token([Scope::InboxRead]).await;
    let devices = [api.device().await, api.device().await, api.device().await];
    for path in ["/messages", "/devices"] {
        assert_eq!(api.send("GET", path, &bearer(&weak), "").await.status, 403);
    }
    assert_eq!(api.send("GET", "/inbox", &bearer(&stranger()), "").await.status, 401);
    let all = api.audit("limit=1000", |items| items.len() >= 6).await;
    (weak, devices[1].clone(), all)
}

#[tokio::test]
async fn each_filter_leaves_what_it_names() {
    let api = Api::start().await;
    let (weak, device, all) = some(&api).await;
    assert_eq!(all.len(), 6);
    let ann = api.handle.ensure_account("ann").await.expect("an account").id;
    let at = |index: usize| all[index]["at"].as_str().expect("a time");
    for (query, expected) in [
        ("action=create_device".to_owned(), &all[3..]),
        ("action=authorize".into(), &all[1..3]),
        ("action=close_user".into(), &all[..0]),
        ("outcome=done".into(), &all[3..]),
        ("outcome=refused".into(), &all[..3]),
        (format!("user_id={ann}"), &all[1..]),
        (format!("user_id={NOBODY}"), &all[..0]),
        (format!("key_id={}", public(&weak)), &all[1..3]),
        (format!("device_id={device}"), &all[4..5]),
        (format!("from={}", at(2)), &all[..3]),
        (format!("until={}", at(2)), &all[3..]),
        (format!("from={}&until={}", at(4), at(1)), &all[2..5]),
        (format!("action=create_device&device_id={device}&outcome=refused"), &all[..0]),
    ] {
        assert_eq!(items(&api, &query).await, expected, "{query}");
    }
    for query in [
        "action=lost",
        "outcome=maybe",
        "user_id=x",
        "key_id=x",
        "device_id=x",
        "from=today",
        "limit=0",
        "x=1",
    ] {
        let answer = api.send("GET", &format!("/audit?{query}"), &bearer(&api.root), "").await;
        answer.is_problem(400, "invalid_query", query);
    }
}

#[tokio::test]
async fn pages_hold_each_row_once() {
    let api = Api::start().await;
    let (_, _, all) = some(&api).await;
    for limit in [1, 4, 5, 6] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/audit?limit={limit}{cursor}");
            let page = api.send("GET", &path, &bearer(&api.root), "").await.json();
            let rows = page["items"].as_array().expect("a list");
            assert!(rows.len() <= limit);
            seen.extend(rows.iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, all, "{limit} a page");
    }
}

#[tokio::test]
async fn ten_failures_begin_a_pause_that_is_noted_once_and_concerns_nobody_else() {
    let api = Api::start().await;
    let (here, there) = (from([192, 0, 2, 1]), from([192, 0, 2, 2]));
    let wrong = bearer(&stranger());
    for failure in 1..=10 {
        let answer = api.send("GET", "/messages", &format!("{wrong}{here}"), "").await;
        answer.is_problem(401, "unauthorized", &failure.to_string());
    }
    for _ in 0..20 {
        let answer = api.send("GET", "/messages", &format!("{wrong}{here}"), "").await;
        answer.is_problem(429, "too_many_failures", "the pause");
        let after: u32 = answer.header("retry-after").expect("a time").parse().expect("seconds");
        assert!((1..=60).contains(&after));
    }
    let others = [
        (bearer(&api.ann), &here, 200, "a good token from there"),
        (bearer(&stranger()), &here, 401, "another wrong one from there"),
        (wrong.clone(), &there, 401, "the same from elsewhere"),
    ];
    for (token, place, status, what) in others {
        let answer = api.send("GET", "/messages", &format!("{token}{place}"), "").await;
        assert_eq!(answer.status, status, "{what}");
    }
    let noted = api.audit("action=authenticate", |items| items.len() >= 12).await;
    assert_eq!(noted.len(), 12, "nothing of the pause but its beginning");
    let begun: Vec<_> = noted.iter().filter(|item| item["reason"] == "unknown; too many failures").collect();
    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0], &noted[2], "the tenth");
    assert_eq!(begun[0]["address"], "192.0.2.1");
}

#[tokio::test]
async fn what_is_no_token_counts_for_its_address() {
    let api = Api::start().await;
    let here = from([192, 0, 2, 1]);
    for (index, token) in ["", "x", "Bearer", "sgw_tok_x_y"].into_iter().cycle().take(12).enumerate() {
        let answer = api.send("GET", "/messages", &format!("{}{here}", bearer(token)), "").await;
        match index < 10 {
            true => answer.is_problem(401, "unauthorized", token),
            false => answer.is_problem(429, "too_many_failures", token),
        }
    }
    let good = api.send("GET", "/messages", &format!("{}{here}", bearer(&api.ann)), "").await;
    assert_eq!(good.status, 200);
}
