//! The documentation that the API serves of itself.

mod common;

use common::document::operations;
use common::{Api, NOBODY};
use serde_json::Value;
use smsgw_core::time::Timestamp;

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

/// Whether `value` is as `schema` says.
fn fits(document: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(target) = schema["$ref"].as_str() {
        return fits(document, document.pointer(&target[1..]).expect("a schema"), value);
    }
    if let Some(either) = schema["oneOf"].as_array() {
        return either.iter().any(|one| fits(document, one, value));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    let number = |name: &str| schema[name].as_f64();
    match value {
        Value::Null => kinds.contains(&"null"),
        Value::Bool(_) => kinds.contains(&"boolean"),
        Value::Number(given) => {
            let given = given.as_f64().expect("a number");
            kinds.contains(&"integer")
                && number("minimum").is_none_or(|least| given >= least)
                && number("maximum").is_none_or(|most| given <= most)
        }
        Value::String(text) => {
            let length = text.chars().count() as f64;
            kinds.contains(&"string")
                && number("minLength").is_none_or(|least| length >= least)
                && number("maxLength").is_none_or(|most| length <= most)
                && (schema["format"] != "uuid" || text.parse::<uuid::Uuid>().is_ok())
                && (schema["format"] != "date-time" || Timestamp::parse(text).is_some())
        }
        Value::Array(items) => {
            kinds.contains(&"array") && items.iter().all(|item| fits(document, &schema["items"], item))
        }
        Value::Object(fields) => {
            let must = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let known = |name: &String| schema["properties"].get(name);
            kinds.contains(&"object")
                && must.into_iter().all(|name| fields.contains_key(name))
                && fields
                    .iter()
                    .all(|(name, field)| known(name).is_some_and(|schema| fits(document, schema, field)))
        }
    }
}

#[tokio::test]
async fn everything_that_is_sent_or_answered_has_an_example_that_is_true() {
    let api = Api::start().await;
    let document: Value = serde_json::from_str(&smsgw_http::openapi()).expect("JSON");
    let (mut bodies, mut answers, mut wrong) = (0, 0, Vec::new());
    for operation in operations() {
        let name = operation.name();
        let said = &document["paths"][&operation.path][operation.method.to_lowercase()];
        for parameter in said["parameters"].as_array().into_iter().flatten() {
            let schema = &parameter["schema"];
            let example = parameter.get("example").or(schema.get("example")).unwrap_or(&Value::Null);
            if example.is_null() || !fits(&document, schema, example) {
                wrong.push(format!("{name}: {parameter}"));
            }
        }
        for (status, response) in said["responses"].as_object().expect("answers") {
            for content in response["content"].as_object().into_iter().flat_map(|kinds| kinds.values()) {
                if status.starts_with('2') {
                    let example = content.get("example").unwrap_or(&Value::Null);
                    if !fits(&document, &content["schema"], example) {
                        wrong.push(format!("{name}, {status}: {content}"));
                    }
                    answers += 1;
                }
            }
        }
        let Some(content) = said.pointer("/requestBody/content/application~1json") else { continue };
        let example = content.get("example").unwrap_or(&Value::Null);
        if !fits(&document, &content["schema"], example) {
            wrong.push(format!("{name}: {content}"));
            continue;
        }
        let path = operation.path_to(|_| NOBODY.to_owned());
        let answer = api.json_as(&api.root, &operation.method, &path, example.to_string()).await;
        assert!(
            answer.status < 300 || answer.status == 404,
            "{name}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        assert!(answer.status < 300 || path.contains(NOBODY) || path.starts_with("/mqtt/"), "{name}: 404");
        bodies += 1;
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(bodies >= 14 && answers >= 25, "{bodies} bodies and {answers} answers");
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

/// What stands between `open` and `close`, wherever that is.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).map(|part| part.split(close).next().unwrap_or_default()).collect()
}

#[tokio::test]
async fn the_catalogue_of_problems_says_what_the_document_of_the_api_says() {
    let api = Api::start().await;
    let page = api.send("GET", "/problems", "", "").await;
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("script")
    );
    let html = String::from_utf8(page.body).expect("text");
    assert!(!html.contains("<script") && !html.contains("style=") && !html.contains("//"), "{html}");
    assert_eq!(api.send("GET", "/problems.css", "", "").await.header("content-type"), Some("text/css"));
    let row = |section: &str| {
        let (code, status) =
            (between(section, "<code>", "</code>")[0], between(section, "</code> (", ")")[0]);
        let words = between(section, "<p>", "</p>");
        let title = words[0].trim_start_matches("<b>").trim_end_matches("</b>");
        format!("| `{code}` | {status} | {title} | {} | {} |", words[1], words[2])
    };
    let rows: Vec<String> = between(&html, "<section ", "</section>").into_iter().map(row).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/API.md");
    let document = std::fs::read_to_string(path).expect("docs/API.md");
    let written: Vec<&str> =
        document.lines().skip_while(|line| *line != "| --- | --- | --- | --- | --- |").collect();
    let written: Vec<&str> = written.into_iter().skip(1).take_while(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 30);
    assert_eq!(written, rows, "the table in docs/API.md");
}
