//! What a caller writes to send a message, in either spelling.

use std::time::Duration;

use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::message::{Body, DEFAULT_TTL, MAX_AHEAD, NewMessage, Priority};
use smsgw_core::phone::PhoneNumber;
use smsgw_core::time::Timestamp;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::fields::{Fields, FromFields, invalid, missing};
use crate::problem::Problem;

/// How far a `send_at` may be behind our clock, so that a caller whose clock is a little late can say `now`.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// A message to send.
#[derive(ToSchema)]
pub(crate) struct SendRequest {
    /// The recipient: `+`, the country code and the number.
    #[schema(value_type = String, pattern = r"^\+[1-9][0-9]{6,14}$", example = "+5351234567")]
    to: PhoneNumber,
    /// The text: at most 10 SMS parts, and no control character but tab, newline and return.
    #[schema(value_type = String, min_length = 1, max_length = 1530, pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$", example = "hola")]
    body: Body,
    /// The device that must send it; any of yours where there is none.
    #[schema(value_type = Option<String>, format = "uuid")]
    device_id: Option<DeviceId>,
    /// The slot of the SIM card to use, counted from 1.
    #[schema(minimum = 1, maximum = 255)]
    sim: Option<u8>,
    /// Not before this time; at most 366 days from now.
    #[schema(value_type = Option<String>, format = DateTime)]
    send_at: Option<Timestamp>,
    /// For how many seconds it is wanted, from when it is due; a day where nothing is said.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 31_622_400, example = 3600)]
    ttl: Duration,
    /// `high` goes before all that is `normal`.
    #[schema(value_type = Option<String>, pattern = "^(normal|high)$", example = "normal")]
    priority: Priority,
    /// An id of your choice: sending it again sends nothing more.
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<MessageId>,
}

impl FromFields for SendRequest {
    const FIELDS: &'static [&'static str] =
        &["to", "body", "phone", "message_body", "device_id", "sim", "send_at", "ttl", "priority", "id"];

    fn from_fields(fields: &mut Fields<'_>, now: Timestamp) -> Result<Self, Problem> {
        let to = spelling(fields, "to", "phone")?;
        let body = spelling(fields, "body", "message_body")?;
        let text = fields.text(body)?.ok_or_else(|| missing(body))?;
        Ok(Self {
            to: fields.parse(to)?.ok_or_else(|| missing(to))?,
            body: Body::new(&*text).map_err(|error| invalid(body, error.to_string()))?,
            device_id: fields.parse("device_id")?,
            sim: fields.whole("sim", 1..=255)?.and_then(|sim| u8::try_from(sim).ok()),
            send_at: fields.time("send_at", now - CLOCK_SKEW..=now + MAX_AHEAD)?,
            ttl: fields.whole("ttl", 1..=MAX_AHEAD.as_secs())?.map_or(DEFAULT_TTL, Duration::from_secs),
            priority: match fields.text("priority")? {
                None => Priority::default(),
                Some(text) => {
                    Priority::parse(&text).ok_or_else(|| invalid("priority", "expected normal or high"))?
                }
            },
            id: fields.parse("id")?,
        })
    }
}

/// The name that the caller uses of two that mean the same.
fn spelling(fields: &Fields<'_>, name: &'static str, other: &'static str) -> Result<&'static str, Problem> {
    match (fields.has(name), fields.has(other)) {
        (true, true) => Err(invalid(other, format!("give either `{name}` or `{other}`, not both"))),
        (false, true) => Ok(other),
        _ => Ok(name),
    }
}

impl SendRequest {
    /// The message that `account` asks for.
    pub(crate) fn into_message(self, account: AccountId, idempotency_key: Option<String>) -> NewMessage {
        NewMessage {
            id: self.id,
            device: self.device_id,
            sim: self.sim,
            priority: self.priority,
            send_at: self.send_at,
            ttl: self.ttl,
            idempotency_key,
            ..NewMessage::new(account, self.to, self.body)
        }
    }
}

/// [`SendRequest`] in the words of the original system, for the document only: either route takes either spelling.
pub(crate) struct OriginalSendRequest;

impl PartialSchema for OriginalSendRequest {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut object)) = SendRequest::schema() else {
            return SendRequest::schema();
        };
        let mut original = ObjectBuilder::new().description(Some("A message to send."));
        for (name, old) in [("to", "phone"), ("body", "message_body")] {
            if let Some(property) = object.properties.remove(name) {
                original = original.property(old, property).required(old);
            }
        }
        original.into()
    }
}

impl ToSchema for OriginalSendRequest {}
