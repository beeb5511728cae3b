//! Every scope on every route: what a token opens is what the document says, and nothing else.

mod common;

use common::document::operations;
use common::{Api, NOBODY, bearer, from};
use smsgw_core::account::{Scope, Scopes};
use smsgw_core::gateway::NewToken;

/// What each operation needs. A new route belongs in here.
const TABLE: [(&str, &str); 36] = [
    ("DELETE /devices/{id}", "devices:admin"),
    ("DELETE /devices/{id}/api-keys/{key_id}", "devices:admin"),
    ("DELETE /messages/{id}", "messages:write"),
    ("DELETE /tokens/{id}", "any"),
    ("DELETE /users/{id}", "admin"),
    ("GET /audit", "admin"),
    ("GET /devices", "devices:read"),
    ("GET /devices/{id}", "devices:read"),
    ("GET /devices/{id}/api-keys", "devices:read"),
    ("GET /events", "messages:read or devices:read"),
    ("GET /health/live", "none"),
    ("GET /health/ready", "none"),
    ("GET /inbox", "inbox:read"),
    ("GET /messages", "messages:read"),
    ("GET /messages/{id}", "messages:read"),
    ("GET /messages/{id}/events", "messages:read"),
    ("GET /metrics", "metrics:read"),
    ("GET /tokens", "any"),
    ("GET /users", "admin"),
    ("GET /users/{id}", "admin"),
    ("PATCH /devices/{id}", "devices:admin"),
    ("PATCH /users/{id}", "admin"),
    ("POST /devices", "devices:admin"),
    ("POST /devices/{id}/api-keys", "devices:admin"),
    ("POST /devices/{id}/api-keys/{key_id}/rotate", "devices:admin"),
    ("POST /messages", "messages:write"),
    ("POST /messages/bulk", "messages:write"),
    ("POST /messages/create", "messages:write"),
    ("POST /messages/{id}/cancel", "messages:write"),
    ("POST /messages/{id}/retry", "messages:write"),
    ("POST /mqtt/acl", "broker"),
    ("POST /mqtt/auth", "broker"),
    ("POST /segments", "any"),
    ("POST /tokens", "any"),
    ("POST /tokens/{id}/rotate", "any"),
    ("POST /users", "admin"),
];

#[test]
fn the_document_says_what_the_table_says() {
    let mut said: Vec<(String, String)> =
        operations().into_iter().map(|operation| (operation.name(), operation.scope)).collect();
    said.sort();
    assert_eq!(said, TABLE.map(|(name, scope)| (name.to_owned(), scope.to_owned())));
}

/// A token of an admin for `scopes`, so that only they decide.
async fn token(api: &Api, scopes: Scopes) -> String {
    let root = api.handle.ensure_account("root").await.expect("an account");
    let new = NewToken { scopes, ..NewToken::new("test") };
    api.handle.create_token(root.id, new).await.expect("a token").0.expose().to_owned()
}

#[tokio::test]
async fn a_good_token_without_the_scope_is_403_and_one_with_it_alone_is_enough() {
    let api = Api::start().await;
    let mut refused = Vec::new();
    for scope in Scope::ALL {
        let exactly = token(&api, [scope].into_iter().collect()).await;
        let others = token(&api, Scope::ALL.into_iter().filter(|other| *other != scope).collect()).await;
        for operation in operations() {
            let path = operation.path_to(|_| NOBODY.to_owned());
            let needs: Vec<Scope> =
                operation.scope.split(" or ").filter_map(|name| name.parse().ok()).collect();
            let is_open = needs.is_empty();
            for (token, opens) in [
                (&exactly, is_open || needs.contains(&scope)),
                (&others, is_open || needs.iter().any(|needs| *needs != scope)),
            ] {
                let what = format!(
                    "{} with {}{scope}",
                    operation.name(),
                    if token == &others { "all but " } else { "" }
                );
                let answer = api.json_as(token, &operation.method, &path, "{}").await;
                if opens {
                    assert!(![401, 403, 429].contains(&answer.status), "{what}: {}", answer.status);
                    continue;
                }
                answer.is_problem(403, "forbidden", &what);
                let needs = needs[0].as_str();
                let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
                assert!(detail.contains(needs), "{what}: {detail}");
                let challenge = answer.header("www-authenticate").unwrap_or_default();
                assert!(
                    challenge.ends_with(&format!("error=\"insufficient_scope\", scope=\"{needs}\"")),
                    "{what}"
                );
                refused.push((operation.name(), needs.to_owned()));
            }
        }
    }
    refused.sort();
    let noted =
        api.audit("action=authorize&outcome=refused&limit=1000", |items| items.len() == refused.len()).await;
    let text = |item: &serde_json::Value, name: &str| item[name].as_str().expect("a text").to_owned();
    let mut noted: Vec<(String, String)> = noted
        .iter()
        .map(|item| (text(item, "target"), text(item, "reason").replace("no scope ", "")))
        .collect();
    noted.sort();
    assert_eq!(noted, refused, "each once, by the pattern of its route");
}

#[tokio::test]
async fn no_token_at_all_is_401_wherever_the_document_asks_for_one() {
    let api = Api::start().await;
    for (index, operation) in operations().into_iter().enumerate() {
        let path = operation.path_to(|_| NOBODY.to_owned());
        let address = [10, 0, 0, u8::try_from(index).expect("few")];
        let headers = format!("{}Content-Type: application/json\r\n", from(address));
        let answer = api.send(&operation.method, &path, &headers, "{}").await;
        match operation.scope.as_str() {
            "none" => assert_eq!(answer.status, 200, "{}", operation.name()),
            _ => answer.is_problem(401, "unauthorized", &operation.name()),
        }
    }
}

#[tokio::test]
async fn a_scope_that_the_account_may_not_have_opens_nothing() {
    let api = Api::start().await;
    let token = api.token(Scope::ALL).await;
    for (method, path) in [("GET", "/users"), ("GET", "/audit"), ("GET", "/metrics"), ("POST", "/mqtt/auth")]
    {
        api.json_as(&token, method, path, "{}").await.is_problem(403, "forbidden", path);
    }
    assert_eq!(api.send("GET", "/messages", &bearer(&token), "").await.status, 200);
}
