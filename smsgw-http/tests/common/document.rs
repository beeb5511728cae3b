//! The operations of the API, as its document says them.

use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: String,
    /// With its parameters in braces.
    pub(crate) path: String,
    /// The scope it needs, or the two of which either will do; `any` where every token will do, `none` where none is needed.
    pub(crate) scope: String,
}

impl Operation {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The path with `id` in the place of each parameter.
    pub(crate) fn path_to(&self, ids: impl Fn(&str) -> String) -> String {
        let parts = self.path.split('/').map(|part| match part.strip_prefix('{') {
            Some(name) => ids(name.trim_end_matches('}')),
            None => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

/// All of them, by path.
pub(crate) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&smsgw_http::openapi()).expect("JSON");
    let everywhere = &document["security"];
    assert_eq!(everywhere, &serde_json::json!([{ "token": [] }]));
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let security = operation.get("security").unwrap_or(everywhere);
            let scope = match security.pointer("/0/token") {
                Some(scopes) if scopes[0].is_string() => {
                    let either = security.as_array().expect("a list").iter();
                    let names: Vec<&str> = either.filter_map(|one| one["token"][0].as_str()).collect();
                    names.join(" or ")
                }
                Some(_) => "any".to_owned(),
                None => "none".to_owned(),
            };
            operations.push(Operation { method: method.to_uppercase(), path: path.clone(), scope });
        }
    }
    operations
}

/// Every place where something named in `names` stands, by operation. The `id` in a body is left out: its sender makes it
/// up.
pub(crate) fn places(names: &[&str]) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&smsgw_http::openapi()).expect("JSON");
    let mut places = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let name = format!("{} {path}", method.to_uppercase());
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (kind, parameter) = (parameter["in"].as_str(), parameter["name"].as_str());
                let (kind, parameter) = (kind.expect("a kind"), parameter.expect("a name"));
                if names.contains(&parameter) {
                    places.push((name.clone(), format!("{kind} {parameter}")));
                }
            }
            let mut fields = Vec::new();
            properties(&document, &operation["requestBody"], &mut fields);
            let known = |field: &&String| *field != "id" && names.contains(&field.as_str());
            places.extend(fields.iter().filter(known).map(|field| (name.clone(), format!("body {field}"))));
        }
    }
    places.sort();
    places
}

/// The fields of all schemas under `node`.
fn properties(document: &Value, node: &Value, fields: &mut Vec<String>) {
    match node {
        Value::Object(members) => {
            if let Some(Value::Object(found)) = members.get("properties") {
                fields.extend(found.keys().cloned());
            }
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let schema = document.pointer(reference.trim_start_matches('#')).expect("a schema");
                properties(document, schema, fields);
            }
            members.values().for_each(|member| properties(document, member, fields));
        }
        Value::Array(items) => items.iter().for_each(|item| properties(document, item, fields)),
        _ => {}
    }
}
