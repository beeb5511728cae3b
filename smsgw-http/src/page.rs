//! Lists: their query parameters, their cursors, their pages.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use smsgw_core::id::AccountId;
use smsgw_core::store::{self, Cursor};
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;

use crate::problem::{Code, Problem};

/// The rows of a page where nothing is said, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// A page of a list, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The rows.
    items: Vec<T>,
    /// What to give as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A list that has one page.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    /// One page of the list `name` of `account`, each row as `view` shows it.
    pub(crate) fn page<'a, R>(
        name: &str,
        account: AccountId,
        page: &'a store::Page<R>,
        view: impl Fn(&'a R) -> T,
    ) -> Self {
        Self {
            items: page.items.iter().map(view).collect(),
            next_cursor: page.next.map(|cursor| encode(name, account, cursor)),
        }
    }
}

/// The query parameters of a request, each at most once.
pub(crate) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

impl Parameters {
    /// Those of `uri`.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        match Query::try_from_uri(uri) {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(_) => Err(Problem::new(Code::InvalidQuery, "the query cannot be read")),
        }
    }

    /// Without those that are empty, as a form sends those that nobody has filled in.
    #[cfg(feature = "dashboard")]
    pub(crate) fn filled(self) -> Self {
        Self(self.0.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Refuses what is twice there or not in `known`.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let detail = format!("a parameter is unknown; the parameters are {}", known.join(", "));
                return Err(Problem::new(Code::InvalidQuery, detail));
            }
            if self.0[..index].iter().any(|(other, _)| other == name) {
                return Err(Problem::new(Code::InvalidQuery, format!("`{name}` is there twice")));
            }
        }
        Ok(self)
    }

    /// A parameter as it was given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that `read` reads; `expected` says what it should be.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match read(text) {
            Some(value) => Ok(Some(value)),
            None => Err(Problem::new(Code::InvalidQuery, format!("`{name}`: expected {expected}"))),
        }
    }

    /// A parameter that reads as a `T`, whose error says what to write instead and repeats nothing. A `+` that was
    /// not written as `%2B` arrives as a space, and is taken for what was meant.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.replace(' ', "+")
            .parse()
            .map(Some)
            .map_err(|error: T::Err| Problem::new(Code::InvalidQuery, format!("`{name}`: {error}")))
    }

    /// A point in time.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.time_in(name, |text| text.replace(' ', "+"))
    }

    /// A point in time, after `in_full` has written it as RFC 3339 does.
    pub(crate) fn time_in(
        &self,
        name: &str,
        in_full: impl FnOnce(&str) -> String,
    ) -> Result<Option<Timestamp>, Problem> {
        let expected = "a time as RFC 3339 writes it, as 2026-01-02T03:04:05Z";
        self.read(name, expected, |text| Timestamp::parse(&in_full(text)))
    }

    /// How many rows.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.read("limit", "a whole number from 1 to 1000", |text| {
            let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())??;
            (1..=MAX_LIMIT).contains(&number).then_some(number)
        })?;
        Ok(limit.unwrap_or(DEFAULT_LIMIT))
    }

    /// Where to begin in the list `name` of `account`.
    pub(crate) fn cursor(&self, name: &str, account: AccountId) -> Result<Option<Cursor>, Problem> {
        let Some(text) = self.get("cursor") else { return Ok(None) };
        decode(name, account, text)
            .map(Some)
            .ok_or_else(|| Problem::new(Code::InvalidCursor, "give a `next_cursor` of this list, unchanged"))
    }
}

/// Refuses query parameters where none means anything.
pub(crate) fn refuse_parameters(uri: &Uri) -> Result<(), Problem> {
    match uri.query() {
        None | Some("") => Ok(()),
        Some(_) => Err(Problem::new(Code::InvalidQuery, "this route has no query parameters")),
    }
}

// A cursor is a row's time and id, and a checksum over them, the list and the account. It holds no secret and opens
// nothing: queries are bound to the account, whatever the cursor. The checksum tells a slip of the hand, or a cursor of
// another list, from a place in this one.

pub(crate) fn encode(list: &str, account: AccountId, cursor: Cursor) -> String {
    let mut bytes = [0; 28];
    bytes[..8].copy_from_slice(&cursor.at.as_micros().to_be_bytes());
    bytes[8..24].copy_from_slice(cursor.id.as_bytes());
    let sum = checksum(list, account, &bytes[..24]);
    bytes[24..].copy_from_slice(&sum);
    BASE64URL_NOPAD.encode(&bytes)
}

pub(crate) fn decode(list: &str, account: AccountId, text: &str) -> Option<Cursor> {
    let bytes: [u8; 28] = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()?;
    let (place, sum) = bytes.split_at(24);
    let (at, id) = place.split_at(8);
    (sum == checksum(list, account, place)).then_some(())?;
    let micros = i64::from_be_bytes(at.try_into().ok()?);
    let at = Timestamp::from_micros(micros);
    // Whoever forges a sum may write a time that no row has, which would be moved to one that some row may have.
    (at.as_micros() == micros).then_some(())?;
    Some(Cursor { at, id: uuid::Uuid::from_slice(id).ok()? })
}

pub(crate) fn checksum(list: &str, account: AccountId, place: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(list.as_bytes());
    hasher.update(account.as_uuid().as_bytes());
    hasher.update(place);
    hasher.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let (ann, bob) =
            (AccountId::from_uuid(uuid::Uuid::from_u128(1)), AccountId::from_uuid(uuid::Uuid::from_u128(2)));
        let cursor =
            Cursor { at: Timestamp::from_micros(1_700_000_000_000_000), id: uuid::Uuid::from_u128(7) };
        let text = encode("messages", ann, cursor);
        assert_eq!(decode("messages", ann, &text), Some(cursor));
        assert_eq!(decode("inbox", ann, &text), None);
        assert_eq!(decode("messages", bob, &text), None);
        for forged in ["", "x", &text[1..], &text.replace(&text[..1], "_"), "💬"] {
            assert_eq!(decode("messages", ann, forged), None, "{forged}");
        }
    }

    #[test]
    fn a_forged_cursor_outside_of_all_time_is_none() {
        let account = AccountId::from_uuid(uuid::Uuid::from_u128(1));
        for micros in [-1, i64::MIN, Timestamp::MAX.as_micros() + 1, i64::MAX] {
            let place = [&micros.to_be_bytes()[..], &[7; 16]].concat();
            let sum = checksum("messages", account, &place);
            let text = BASE64URL_NOPAD.encode(&[place, sum.to_vec()].concat());
            assert_eq!(decode("messages", account, &text), None, "{micros}");
        }
    }
}
