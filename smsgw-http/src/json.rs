//! The strict JSON of request bodies: bounded in size, time and depth, and no key twice.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use tokio::time::{Instant, timeout_at};

use crate::fields::{Fields, FromFields, MAX_LIST, pointer_to};
use crate::page::refuse_parameters;
use crate::problem::{Code, Problem};
use crate::router::Api;

/// The longest body where nothing else is said, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// The most keys of an object: more than any request has a use for.
const MAX_KEYS: usize = 64;
/// How many items of a list are kept. Whoever reads a list counts them, so one more than any list may have is enough.
const MAX_ITEMS: usize = MAX_LIST + 1;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of a body that is too long is read and thrown away, and for how long, so that its sender hears the answer
/// instead of a reset connection.
const MAX_DISCARDED: usize = 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// A JSON body that is a `T`.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: FromFields> FromRequest<Api> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        refuse_parameters(request.uri())?;
        let (parts, body) = request.into_parts();
        let typed = is_json(&parts.headers);
        if !typed && !T::MAY_BE_ABSENT {
            return Err(unsupported());
        }
        let text = read_body(&parts.headers, body, T::MAX_BODY).await?;
        let mut fields = match T::MAY_BE_ABSENT && matches!(text.trim_ascii(), b"" | b"null") {
            true => Fields::default(),
            false if typed && T::MAY_HAVE_MORE => Fields::open(parse(&text)?),
            false if typed => Fields::new(parse(&text)?, T::FIELDS)?,
            false => return Err(unsupported()),
        };
        T::from_fields(&mut fields, api.handle.now()).map(Self)
    }
}

fn unsupported() -> Problem {
    Problem::new(Code::UnsupportedMediaType, "send JSON with the header Content-Type: application/json")
}

/// Whether there is one content type and it is JSON, whatever its parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(first), None) = (types.next(), types.next()) else { return false };
    let essence = first.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Reads a body whole, within the bounds above.
pub(crate) async fn read_body(headers: &HeaderMap, mut body: Body, max: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(Code::BodyTooLarge, format!("a body has at most {max} bytes here"));
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    // Who waits to be asked for the body has not sent it yet.
    if declared.is_some_and(|length| length > max) && headers.contains_key(EXPECT) {
        return Err(too_large());
    }
    let mut deadline = Instant::now() + BODY_TIMEOUT;
    let mut text = Vec::with_capacity(declared.unwrap_or(0).min(MAX_BODY));
    let mut length = 0;
    loop {
        let frame = match timeout_at(deadline, poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) if length <= max => return Ok(text),
            _ if length > max => return Err(too_large()),
            Ok(Some(Err(error))) if !is_late(&error) => {
                return Err(Problem::new(Code::IncompleteBody, "send the whole body, as its length says"));
            }
            _ => return Err(Problem::new(Code::RequestTimeout, "send the body within 20 seconds")),
        };
        let Ok(data) = frame.into_data() else { continue };
        let fitted = length <= max;
        length += data.len();
        if length <= max {
            text.extend_from_slice(&data);
        } else if fitted {
            deadline = deadline.min(Instant::now() + DISCARD_TIMEOUT);
        } else if length > max + MAX_DISCARDED {
            return Err(too_large());
        }
    }
}

/// Whether the server has waited long enough for the body.
fn is_late(error: &(dyn Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    causes.filter_map(|error| error.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::TimedOut)
}

/// A JSON value, as much of it as requests need. Everything is checked, also what is not kept.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// `null`.
    Null,
    /// A whole number from 0 to 2^64 - 1.
    Whole(u64),
    /// A string; borrowed unless it has escapes.
    Text(Cow<'a, str>),
    /// An object; no key is in it twice.
    Object(BTreeMap<Cow<'a, str>, Value<'a>>),
    /// An array that is the value of a field: its items, up to [`MAX_ITEMS`].
    List(Vec<Value<'a>>),
    /// `true` or `false`.
    Truth(bool),
    /// Another number, an array elsewhere: what no request has a use for.
    Other,
}

/// Reads `text`, which must be one JSON object.
pub(crate) fn parse(text: &[u8]) -> Result<BTreeMap<Cow<'_, str>, Value<'_>>, Problem> {
    let mut field = None;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Reader { field: Some(&mut field), is_field: false }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| explain(&error, field.as_deref()))?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Problem::field("", "expected an object")),
    }
}

/// Says where the JSON is wrong, and nothing of what is written there. `field` is the field that was being read.
fn explain(error: &serde_json::Error, field: Option<&str>) -> Problem {
    // JSON allows such a number, so it is the field that is wrong. serde_json tells it by its text only.
    if error.to_string().starts_with("number out of range") {
        return Problem::field(field.map(pointer_to).unwrap_or_default(), "this number is too large");
    }
    let what = match error.classify() {
        // The faults that `Reader` finds itself.
        Category::Data if error.to_string().starts_with(TOO_MANY) => TOO_MANY,
        Category::Data => "a key is there twice",
        Category::Eof => "the JSON ends too early",
        Category::Syntax | Category::Io => "this is not JSON, or nested too deep",
    };
    Problem::new(Code::InvalidJson, format!("{what}: line {}, column {}", error.line(), error.column()))
}

/// What is said of an object with more than [`MAX_KEYS`].
const TOO_MANY: &str = "an object has too many keys";

/// Reads any value, and leaves the name of the field of the outermost object that it failed in.
struct Reader<'k> {
    field: Option<&'k mut Option<String>>,
    /// Whether it reads the value of a field of the outermost object: only there a list is kept.
    is_field: bool,
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reader { field: None, is_field: false }.deserialize(deserializer)
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value<'de>, E> {
        Ok(Value::Truth(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let mut kept = Vec::new();
        while let Some(item) = items.next_element::<Value<'de>>()? {
            if self.is_field && kept.len() < MAX_ITEMS {
                kept.push(item);
            }
        }
        Ok(if self.is_field { Value::List(kept) } else { Value::Other })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'de>, A::Error> {
        let mut object = BTreeMap::new();
        let is_outermost = self.field.is_some();
        while let Some(Value::Text(key)) = entries.next_key()? {
            if object.len() == MAX_KEYS {
                return Err(A::Error::custom(TOO_MANY));
            }
            match object.entry(key) {
                Entry::Occupied(_) => return Err(A::Error::custom("a key is there twice")),
                Entry::Vacant(entry) => {
                    match entries.next_value_seed(Reader { field: None, is_field: is_outermost }) {
                        Ok(value) => {
                            entry.insert(value);
                        }
                        Err(error) => {
                            if let Some(field) = self.field {
                                *field = Some(entry.into_key().into_owned());
                            }
                            return Err(error);
                        }
                    }
                }
            }
        }
        Ok(Value::Object(object))
    }
}
