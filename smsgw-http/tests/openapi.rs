//! The documentation that the API serves of itself.

mod common;

use common::Api;
use serde_json::Value;

#[tokio::test]
async fn the_document_names_every_route_and_its_refusals() {
    let api = Api::start().await;
    let answer = api.send("GET", "/openapi.json", "", "").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(String::from_utf8_lossy(&answer.body), smsgw_http::openapi());
    let document = answer.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            routes.push(format!("{} {path}", method.to_uppercase()));
            let problem =
                &operation["responses"]["4XX"]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/Problem", "{method} {path}");
            assert!(
                operation["summary"].is_string() && operation["operationId"].is_string(),
                "{method} {path}"
            );
        }
    }
    routes.sort();
    let expected = [
        "DELETE /devices/{id}",
        "DELETE /devices/{id}/api-keys/{key_id}",
        "DELETE /messages/{id}",
        "DELETE /tokens/{id}",
        "DELETE /users/{id}",
        "GET /audit",
        "GET /devices",
        "GET /devices/{id}",
        "GET /devices/{id}/api-keys",
        "GET /events",
        "GET /health/live",
        "GET /health/ready",
        "GET /inbox",
        "GET /messages",
        "GET /messages/{id}",
        "GET /messages/{id}/events",
        "GET /metrics",
        "GET /tokens",
        "GET /users",
        "GET /users/{id}",
        "PATCH /devices/{id}",
        "PATCH /users/{id}",
        "POST /devices",
        "POST /devices/{id}/api-keys",
        "POST /devices/{id}/api-keys/{key_id}/rotate",
        "POST /messages",
        "POST /messages/bulk",
        "POST /messages/create",
        "POST /messages/{id}/cancel",
        "POST /messages/{id}/retry",
        "POST /mqtt/acl",
        "POST /mqtt/auth",
        "POST /segments",
        "POST /tokens",
        "POST /tokens/{id}/rotate",
        "POST /users",
    ];
    assert_eq!(routes, expected);
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["SendRequest"]["additionalProperties"], false);
    assert_eq!(schemas["SendRequest"]["required"], serde_json::json!(["to", "body"]));
    assert_eq!(schemas["OriginalSendRequest"]["required"], serde_json::json!(["phone", "message_body"]));
    references(&document, &document);
}

/// Every reference leads somewhere.
fn references(document: &Value, value: &Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get("$ref") {
                assert!(document.pointer(&target[1..]).is_some(), "{target}");
            }
            object.values().for_each(|value| references(document, value));
        }
        Value::Array(items) => items.iter().for_each(|value| references(document, value)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_asks_no_other_host() {
    let api = Api::start().await;
    let first = if cfg!(feature = "dashboard") { "/dashboard/sign-in" } else { "/docs" };
    assert_eq!(api.send("GET", "/", "", "").await.header("location"), Some(first));
    assert_eq!(api.send("GET", "/docs", "", "").await.header("location"), Some("/docs/"));
    let page = api.send("GET", "/docs/", "", "").await;
    assert_eq!(page.status, 200);
    let html = String::from_utf8(page.body.clone()).expect("text");
    for (attribute, _) in html.match_indices("src=\"").chain(html.match_indices("href=\"")) {
        let target = html[attribute..].split('"').nth(1).expect("a target");
        assert!(!target.contains("//"), "{target}");
        let path = format!("/docs/{}", target.trim_start_matches("./"));
        assert_eq!(api.send("GET", &path, "", "").await.status, 200, "{path}");
    }
    let script = api.send("GET", "/docs/swagger-initializer.js", "", "").await;
    let script = String::from_utf8(script.body).expect("text");
    assert!(
        script.contains("/openapi.json") && !script.contains("http://") && !script.contains("https://"),
        "{script}"
    );
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_its_words() {
    let api = Api::start().await;
    let problem = api.call("GET", "/nowhere").await.json();
    let (path, fragment) =
        problem["type"].as_str().and_then(|text| text.split_once('#')).expect("a fragment");
    let page = api.send("GET", path, "", "").await;
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.body).contains(&format!("id=\"{fragment}\"")));
}
