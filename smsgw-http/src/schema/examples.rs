//! Examples of whatever is sent and answered. They are made of the examples of the fields, so that neither can say what the other
//! does not.

use serde_json::{Map, Value, json};
use smsgw_core::id::AccountId;
use smsgw_core::store::Cursor;
use smsgw_core::time::Timestamp;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Content, RefOr};
use uuid::Uuid;

use crate::page;

/// An id, wherever one stands.
const ID: &str = "0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d";
/// The id of a key or a token, wherever one stands.
const KEY_ID: &str = "mfrggzdfmztwq2lk";
/// A point in time, wherever one stands.
const TIME: &str = "2026-01-02T03:04:05Z";

/// Gives `operation` its examples; `components` are those of its document.
pub(super) fn add(operation: &mut Operation, components: &Value) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            add_to_parameter(parameter, components);
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.values_mut().for_each(|content| add_to_content(content, components));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with('2')
        {
            response.content.values_mut().for_each(|content| add_to_content(content, components));
        }
    }
}

fn add_to_parameter(parameter: &mut Parameter, components: &Value) {
    let written = serde_json::to_value(&*parameter).unwrap_or_default();
    if written.get("example").is_some() {
        return;
    }
    let example = match parameter.name.as_str() {
        "limit" => Some(json!(100)),
        "cursor" => Some(cursor().into()),
        "Idempotency-Key" => Some("order-1234".into()),
        // Where an id is no UUID it is that of a key or a token.
        "id" | "key_id" => of(&written["schema"], components).or_else(|| Some(KEY_ID.into())),
        _ => of(&written["schema"], components),
    };
    if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema {
        schema.example = example;
    }
}

/// As a page gives it.
fn cursor() -> String {
    let id = Uuid::try_parse(ID).unwrap_or_default();
    let at = Timestamp::parse(TIME).unwrap_or(Timestamp::EPOCH);
    page::encode("messages", AccountId::from_uuid(Uuid::nil()), Cursor { at, id })
}

fn add_to_content(content: &mut RefOr<Content>, components: &Value) {
    if let RefOr::T(content) = content
        && content.example.is_none()
    {
        let schema = serde_json::to_value(&content.schema).unwrap_or_default();
        content.example = of(&schema, components);
    }
}

/// What `schema` allows, as far as it says so.
fn of(schema: &Value, components: &Value) -> Option<Value> {
    if let Some(example) = schema.get("example") {
        return Some(example.clone());
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.rsplit('/').next()?;
        return of(components.get("schemas")?.get(name)?, components);
    }
    if let Some(either) = schema.get("oneOf").and_then(Value::as_array) {
        return either.iter().find_map(|one| of(one, components));
    }
    match (kind(schema)?, schema.get("format").and_then(Value::as_str)) {
        ("string", Some("uuid")) => Some(ID.into()),
        ("string", Some("date-time")) => Some(TIME.into()),
        ("boolean", _) => Some(false.into()),
        ("array", _) => Some(Value::Array(vec![of(schema.get("items")?, components)?])),
        ("object", _) => object(schema, components),
        _ => None,
    }
}

/// What the value is where it is not null.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    }
}

/// Of an object all fields that must be there, and those that may and say what they look like.
fn object(schema: &Value, components: &Value) -> Option<Value> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut example = Map::new();
    for (name, field) in schema.get("properties")?.as_object()? {
        if required.contains(&name.as_str()) {
            example.insert(name.clone(), of(field, components)?);
        } else if let Some(said) = field.get("example") {
            example.insert(name.clone(), said.clone());
        }
    }
    Some(Value::Object(example))
}
