//! What must hold of request bodies, queries and cursors, whatever a client writes. The fuzz targets and a test call these.

use axum::http::Uri;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use smsgw_core::fuzzing::{Target, assert_discreet};
use smsgw_core::id::{AccountId, DeviceId};
use smsgw_core::message::MAX_AHEAD;
use smsgw_core::phone::PhoneNumber;
use smsgw_core::rate::RateLimit;
use smsgw_core::time::Timestamp;

use crate::fields::{Fields, FromFields};
use crate::json;
use crate::page::{self, Parameters};
use crate::problem::Problem;
use crate::routes::devices::{CreateDeviceRequest, UpdateDeviceRequest};
use crate::routes::keys::CreateKeyRequest;
use crate::routes::messages::SendRequest;
use crate::routes::segments::SegmentsRequest;

/// The checks of this crate.
pub const TARGETS: &[Target] = &[("cursor", cursor), ("device", device), ("query", query), ("send", send)];

/// 2026-01-02T03:04:05Z.
const NOW: Timestamp = Timestamp::from_micros(1_767_323_045_000_000);
const NOBODY: AccountId = AccountId::from_uuid(uuid::Uuid::nil());

/// A message to send is what its JSON says, within the bounds.
pub fn send(body: &[u8]) {
    let Some((request, json)) = read::<SendRequest>(body) else { return };
    let message = request.into_message(NOBODY, None);
    let text = |name: &str| json[name].as_str();
    assert_eq!(text("to").or(text("phone")), Some(message.to.expose().as_str()));
    assert_eq!(text("body").or(text("message_body")), Some(message.body.expose()));
    assert_eq!(text("id").map(str::to_owned), message.id.map(|id| id.to_string()));
    assert_eq!(text("device_id").map(str::to_owned), message.device.map(|id| id.to_string()));
    assert_eq!(json["sim"].as_u64(), message.sim.map(u64::from));
    assert!(message.sim != Some(0));
    assert_eq!(text("priority").unwrap_or("normal"), message.priority.as_str());
    assert!((1..=MAX_AHEAD.as_secs()).contains(&message.ttl.as_secs()));
    assert!(json["ttl"].as_u64().is_none_or(|ttl| ttl == message.ttl.as_secs()));
    assert_eq!(text("send_at").and_then(Timestamp::parse), message.send_at);
    assert!(message.send_at.is_none_or(|at| at <= NOW + MAX_AHEAD));
}

/// What is accepted of a device, a key, a text to count, is as long and as clean as it may be.
pub fn device(body: &[u8]) {
    for json in [
        read::<CreateDeviceRequest>(body).map(drop_request),
        read::<UpdateDeviceRequest>(body).map(drop_request),
    ] {
        let Some(json) = json else { continue };
        for (name, longest) in [("name", 100), ("description", 1_000)] {
            let line = json[name].as_str().unwrap_or_default();
            assert!(line.chars().count() <= longest && !line.contains(char::is_control));
        }
        assert!(json["name"].as_str().is_none_or(|name| !name.is_empty()));
        assert!(json["rate_limit"].as_str().is_none_or(|rate| rate.parse::<RateLimit>().is_ok()));
        assert!(json["protocol"].as_str().is_none_or(|word| ["native", "original"].contains(&word)));
    }
    if let Some((_, json)) = read::<CreateKeyRequest>(body) {
        let end = json["expires_at"].as_str().map(|text| Timestamp::parse(text).expect("a time"));
        assert!(end.is_none_or(|end| end >= NOW));
    }
    if let Some((_, json)) = read::<SegmentsRequest>(body) {
        assert!(json["body"].is_string());
    }
}

fn drop_request<T>((_, json): (T, Value)) -> Value {
    json
}

/// The request in `body` and, to compare, the same JSON as serde_json reads it.
fn read<T: FromFields>(body: &[u8]) -> Option<(T, Value)> {
    let mut fields = said(json::parse(body).and_then(|object| Fields::new(object, T::FIELDS)))?;
    let request = said(T::from_fields(&mut fields, NOW))?;
    let json: Value = serde_json::from_slice(body).expect("what we take is JSON");
    let object = json.as_object().expect("an object");
    assert!(object.keys().all(|name| T::FIELDS.contains(&name.as_str())));
    Some((request, json))
}

/// The parameters of a list are within their bounds.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(uri) = format!("/messages?{text}").parse::<Uri>() else { return };
    let known = ["state", "to", "device_id", "from", "until", "limit", "cursor"];
    let Some(given) = said(Parameters::of(&uri).and_then(|all| all.only(&known))) else { return };
    if let Some(limit) = said(given.limit()) {
        assert!((1..=1_000).contains(&limit));
    }
    if let Some(Some(at)) = said(given.time("from")) {
        assert!((Timestamp::EPOCH..=Timestamp::MAX).contains(&at));
    }
    said(given.parse::<PhoneNumber>("to"));
    said(given.parse::<DeviceId>("device_id"));
    said(given.cursor("messages", NOBODY));
}

/// A cursor has one spelling, and is good for one list of one account.
pub fn cursor(data: &[u8]) {
    let list = "messages";
    if let Ok(text) = std::str::from_utf8(data) {
        check_cursor(list, text);
    }
    // Few inputs have a good checksum, so another is made that has.
    if let Some(place) = data.first_chunk::<24>() {
        let sum = page::checksum(list, NOBODY, place);
        check_cursor(list, &BASE64URL_NOPAD.encode(&[&place[..], &sum].concat()));
    }
}

fn check_cursor(list: &str, text: &str) {
    let Some(cursor) = page::decode(list, NOBODY, text) else { return };
    assert_eq!(page::encode(list, NOBODY, cursor), text);
    assert!((Timestamp::EPOCH..=Timestamp::MAX).contains(&cursor.at));
    assert_eq!(page::decode("inbox", NOBODY, text), None);
    let other = AccountId::from_uuid(uuid::Uuid::max());
    assert_eq!(page::decode(list, other, text), None);
}

/// What was read; what was refused says nothing of what the client wrote but a name.
fn said<T>(result: Result<T, Problem>) -> Option<T> {
    result.inspect_err(|problem| assert_discreet(&format!("{problem:?}"))).ok()
}
