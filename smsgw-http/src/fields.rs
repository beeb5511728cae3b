//! Reads the fields of a JSON object one by one; what is wrong with one is said with a JSON pointer to it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use smsgw_core::time::Timestamp;

use crate::json::{self, Value};
use crate::problem::Problem;

/// The most items that a list in a body may have.
pub(crate) const MAX_LIST: usize = 1_000;
/// The longest name of an unknown field that is repeated to its writer.
const MAX_NAME: usize = 64;

/// A request body, as it is read from the fields of a JSON object.
pub(crate) trait FromFields: Sized {
    /// The fields that it may have; any other is refused.
    const FIELDS: &'static [&'static str];
    /// Whether no body at all, or null, is as good as an empty object.
    const MAY_BE_ABSENT: bool = false;
    /// Whether other fields are ignored.
    const MAY_HAVE_MORE: bool = false;
    /// The longest body, in bytes.
    const MAX_BODY: usize = json::MAX_BODY;

    /// Reads it; `now` is for what must lie in the future.
    fn from_fields(fields: &mut Fields<'_>, now: Timestamp) -> Result<Self, Problem>;
}

/// The fields of a JSON object that have not been read yet.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(BTreeMap<Cow<'a, str>, Value<'a>>);

impl<'a> Fields<'a> {
    /// All of `object`, which may have the fields `known` and no other.
    pub(crate) fn new(object: BTreeMap<Cow<'a, str>, Value<'a>>, known: &[&str]) -> Result<Self, Problem> {
        match object.keys().find(|name| !known.contains(&name.as_ref())) {
            None => Ok(Self(object)),
            Some(unknown) => {
                let detail = format!("this field is unknown; the fields are {}", known.join(", "));
                Err(Problem::field(pointer_to(unknown), detail))
            }
        }
    }

    /// All of `object`, which may have other fields beside those that are read.
    pub(crate) fn open(object: BTreeMap<Cow<'a, str>, Value<'a>>) -> Self {
        Self(object)
    }

    /// Whether the field is there, and be it null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text. Null is as good as absent, here and below.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<Cow<'a, str>>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(name, "expected a string")),
        }
    }

    /// A whole number within `range`.
    pub(crate) fn whole(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Whole(number)) if range.contains(&number) => Ok(Some(number)),
            Some(_) => {
                let detail = format!("expected a whole number from {} to {}", range.start(), range.end());
                Err(invalid(name, detail))
            }
        }
    }

    /// A truth value.
    pub(crate) fn truth(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Truth(truth)) => Ok(Some(truth)),
            Some(_) => Err(invalid(name, "expected true or false")),
        }
    }

    /// A list of one to [`MAX_LIST`] items.
    pub(crate) fn list(&mut self, name: &'static str) -> Result<Option<Vec<Value<'a>>>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::List(items)) if (1..=MAX_LIST).contains(&items.len()) => Ok(Some(items)),
            Some(_) => Err(invalid(name, format!("expected a list of 1 to {MAX_LIST} items"))),
        }
    }

    /// A text that reads as a `T`, whose error says what to write instead and repeats nothing.
    pub(crate) fn parse<T: FromStr<Err: Display>>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error: T::Err| invalid(name, error.to_string()))
    }

    /// A point in time within `range`, as RFC 3339 writes it.
    pub(crate) fn time(
        &mut self,
        name: &'static str,
        range: RangeInclusive<Timestamp>,
    ) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match Timestamp::parse(&text) {
            Some(time) if range.contains(&time) => Ok(Some(time)),
            Some(time) if time < *range.start() => {
                Err(invalid(name, "this time is over; give one that is to come"))
            }
            Some(_) => Err(invalid(name, format!("give a time that is not after {}", range.end()))),
            None => Err(invalid(name, "expected a time as RFC 3339 writes it, as 2026-01-02T03:04:05Z")),
        }
    }

    /// A field that `read` reads, or that null removes: the inner `None`.
    pub(crate) fn removable<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<Option<T>, Problem>,
    ) -> Result<Option<Option<T>>, Problem> {
        if matches!(self.0.get(name), Some(Value::Null)) {
            return Ok(Some(None));
        }
        Ok(read(self)?.map(Some))
    }
}

/// A text of `min` to `max` characters without control characters.
pub(crate) fn line(
    fields: &mut Fields<'_>,
    name: &'static str,
    min: usize,
    max: usize,
) -> Result<Option<String>, Problem> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    if !(min..=max).contains(&text.chars().count()) || text.chars().any(char::is_control) {
        let detail = format!("expected {min} to {max} characters, and no control characters");
        return Err(invalid(name, detail));
    }
    Ok(Some(text.into_owned()))
}

/// The problem of the field `name`.
pub(crate) fn invalid(name: &str, detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::field(format!("/{name}"), detail)
}

/// The problem of the field `name`, which must be there.
pub(crate) fn missing(name: &str) -> Problem {
    invalid(name, "this field is missing")
}

/// Points to a field that the caller named. A name that may be more than a name (a text, a number) is not repeated:
/// the pointer is then to the whole body.
pub(crate) fn pointer_to(name: &str) -> String {
    let harmless = name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if harmless { format!("/{name}") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::pointer_to;

    #[test]
    fn only_names_are_repeated() {
        assert_eq!(pointer_to("reply_to"), "/reply_to");
        for more in ["", "+5351234567", "a b", "a/b", "ñ", "5351234567", &"a".repeat(65)] {
            assert_eq!(pointer_to(more), "", "{more}");
        }
    }
}
