//! Statements over batches.
//!
//! Each statement crosses from our thread to SQLite's and back, which costs more than many rows do; so a batch is few
//! statements, and what is to be written goes over together. Rows go in as `VALUES` lists and come back as JSON arrays.
//! Measured with 1,000 messages in a batch: rows handed in as one JSON text through `json_each` cost three times as
//! much as bound values, and rows handed back as columns twice as much as one JSON text for all of them.

use std::ops::Range;

use serde::de::DeserializeOwned;
use smsgw_core::store::Cursor;
use smsgw_core::time::Timestamp;
use sqlx::encode::Encode;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, AssertSqlSafe, Row, SqlSafeStr, Type};

use super::damaged::Rows;

/// The most rows of one statement: with 19 values each, less than a third of the parameters that SQLite allows.
const LARGEST: usize = 512;

/// A statement over any number of rows: `head`, then `row` so many times with commas between, then `tail`.
///
/// A row of nulls must mean nothing to it. With such rows lists are filled up to a power of two, so that there are few
/// statements, which the connection keeps prepared.
pub(super) struct Batch {
    pub(super) head: &'static str,
    pub(super) row: &'static str,
    pub(super) tail: &'static str,
}

impl Batch {
    /// Appends the statement for `size` rows to `sql`.
    pub(super) fn write(&self, sql: &mut String, size: usize) {
        sql.reserve(self.head.len() + (self.row.len() + 1) * size + self.tail.len());
        sql.push_str(self.head);
        for i in 0..size {
            if i > 0 {
                sql.push(',');
            }
            sql.push_str(self.row);
        }
        sql.push_str(self.tail);
    }

    /// Runs it over `items`, of which `bind` adds the values of one row, and reads what it answers; see [`fetch`].
    pub(super) async fn fetch<T: Sync, R: DeserializeOwned + Send>(
        &self,
        conn: &mut SqliteConnection,
        items: &[T],
        bind: impl Fn(&mut Args, &T) -> Result<(), BoxDynError> + Send + Sync,
    ) -> sqlx::Result<Vec<R>> {
        let mut rows = Vec::new();
        for part in items.chunks(LARGEST) {
            let mut script = Script::default();
            script.add(self, part, &bind)?;
            rows.extend(fetch(conn, AssertSqlSafe(script.sql), script.args).await?);
        }
        Ok(rows)
    }

    /// Runs it as [`Batch::fetch`] does, where it answers arrays of rows, and leaves out what cannot be read.
    pub(super) async fn fetch_good<T: Sync, R: DeserializeOwned + Send>(
        &self,
        conn: &mut SqliteConnection,
        items: &[T],
        bind: impl Fn(&mut Args, &T) -> Result<(), BoxDynError> + Send + Sync,
    ) -> sqlx::Result<Rows<R>> {
        let mut rows = Rows::new();
        for part in items.chunks(LARGEST) {
            let mut script = Script::default();
            script.add(self, part, &bind)?;
            let answers =
                sqlx::query_with(AssertSqlSafe(script.sql), script.args.0).fetch_all(&mut *conn).await?;
            for answer in &answers {
                rows.add_all(answer.try_get_unchecked(0)?);
            }
        }
        Ok(rows)
    }
}

/// Statements that are sent together, with their values.
#[derive(Default)]
pub(super) struct Script {
    sql: String,
    args: Args,
}

impl Script {
    /// Adds `batch` over `items`, at most one [`part`]; nothing where there are none.
    pub(super) fn add<T>(
        &mut self,
        batch: &Batch,
        items: &[T],
        bind: impl Fn(&mut Args, &T) -> Result<(), BoxDynError>,
    ) -> sqlx::Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        if !self.sql.is_empty() {
            self.sql.push(';');
        }
        let size = items.len().next_power_of_two();
        batch.write(&mut self.sql, size);
        items.iter().try_for_each(|item| bind(&mut self.args, item)).map_err(sqlx::Error::Encode)?;
        let nulls = batch.row.matches('?').count() * (size - items.len());
        (0..nulls).try_for_each(|_| self.args.add(None::<i64>)).map_err(sqlx::Error::Encode)
    }

    /// Runs them, in order.
    pub(super) async fn execute(self, conn: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query_with(AssertSqlSafe(self.sql), self.args.0).execute(conn).await.map(drop)
    }
}

/// The numbers of the [`part`]s of lists of which the longest has `len` items.
pub(super) fn parts(len: usize) -> Range<usize> {
    0..len.div_ceil(LARGEST)
}

/// One part of `items`, small enough for one statement; empty past the last.
pub(super) fn part<T>(items: &[T], number: usize) -> &[T] {
    items.chunks(LARGEST).nth(number).unwrap_or_default()
}

/// Runs a statement that answers one column of JSON, and reads each row of it.
///
/// # Errors
/// [`sqlx::Error::Decode`], without the row, where it is not what was expected.
pub(super) async fn fetch<R: DeserializeOwned + Send>(
    conn: &mut SqliteConnection,
    sql: impl SqlSafeStr,
    args: Args,
) -> sqlx::Result<Vec<R>> {
    let rows = sqlx::query_with(sql, args.0).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let json: &str = row.try_get_unchecked(0)?;
            serde_json::from_str(json).map_err(|_| sqlx::Error::Decode("a row of another shape".into()))
        })
        .collect()
}

/// Runs a statement that answers one column of JSON, a row in each, and leaves out what cannot be read.
pub(super) async fn fetch_good<R: DeserializeOwned + Send>(
    conn: &mut SqliteConnection,
    sql: &'static str,
    args: Args,
) -> sqlx::Result<Rows<R>> {
    let answers = sqlx::query_with(sql, args.0).fetch_all(conn).await?;
    let mut rows = Rows::new();
    for answer in &answers {
        rows.add(answer.try_get_unchecked(0)?);
    }
    Ok(rows)
}

/// The first answer of a statement that answers arrays of rows, without what cannot be read.
pub(super) async fn fetch_first_good<R: DeserializeOwned + Send>(
    conn: &mut SqliteConnection,
    sql: &'static str,
    args: Args,
) -> sqlx::Result<Option<Rows<R>>> {
    let answer = sqlx::query_with(sql, args.0).fetch_optional(conn).await?;
    answer
        .map(|answer| {
            let mut rows = Rows::new();
            rows.add_all(answer.try_get_unchecked(0)?);
            Ok(rows)
        })
        .transpose()
}

/// The first row of [`fetch`], where there is one.
pub(super) async fn fetch_first<R: DeserializeOwned + Send>(
    conn: &mut SqliteConnection,
    sql: &'static str,
    args: Args,
) -> sqlx::Result<Option<R>> {
    Ok(fetch(conn, sql, args).await?.into_iter().next())
}

/// Removes by `sql`, whose parameters are [`Args::oldest`], at most `max` rows that are older than `before`. Says how many.
pub(super) async fn remove_oldest(
    conn: &mut SqliteConnection,
    sql: &'static str,
    before: Timestamp,
    max: usize,
) -> sqlx::Result<usize> {
    let done = sqlx::query_with(sql, Args::oldest(before, max)?.into_inner()).execute(conn).await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// Values for the parameters of a statement, in order.
#[derive(Default)]
pub(super) struct Args(SqliteArguments);

impl Args {
    /// Adds a text, a number, or bytes.
    pub(super) fn add<'q>(
        &mut self,
        value: impl Encode<'q, Sqlite> + Type<Sqlite>,
    ) -> Result<(), BoxDynError> {
        self.0.add(value)
    }

    /// Adds the 16 bytes of an id.
    pub(super) fn add_id(&mut self, id: &uuid::Uuid) -> Result<(), BoxDynError> {
        self.add(&id.as_bytes()[..])
    }

    /// Adds the 16 bytes of an id, or null.
    pub(super) fn add_id_or_null(&mut self, id: Option<&uuid::Uuid>) -> Result<(), BoxDynError> {
        self.add(id.map(|id| &id.as_bytes()[..]))
    }

    /// Adds a time.
    pub(super) fn add_time(&mut self, at: Timestamp) -> Result<(), BoxDynError> {
        self.add(at.as_micros())
    }

    /// Adds a time, or null.
    pub(super) fn add_time_or_null(&mut self, at: Option<Timestamp>) -> Result<(), BoxDynError> {
        self.add(at.map(Timestamp::as_micros))
    }

    /// Adds how many rows are wanted at most.
    pub(super) fn add_limit(&mut self, limit: usize) -> Result<(), BoxDynError> {
        self.add(i64::try_from(limit).unwrap_or(i64::MAX))
    }

    /// Adds the place that a page begins after; two values, past all that can be where there is none.
    pub(super) fn add_place_before(&mut self, place: Option<Cursor>) -> Result<(), BoxDynError> {
        self.add(place.map_or(i64::MAX, |place| place.at.as_micros()))?;
        self.add_id(&place.map_or(uuid::Uuid::nil(), |place| place.id))
    }

    /// The values that `add` adds.
    pub(super) fn of(add: impl FnOnce(&mut Self) -> Result<(), BoxDynError>) -> sqlx::Result<Self> {
        let mut args = Self::default();
        add(&mut args).map_err(sqlx::Error::Encode)?;
        Ok(args)
    }

    /// A time, and how many rows before it are wanted at most.
    pub(super) fn oldest(before: Timestamp, max: usize) -> sqlx::Result<Self> {
        Self::of(|args| {
            args.add_time(before)?;
            args.add_limit(max)
        })
    }

    /// For a statement that answers nothing.
    pub(super) fn into_inner(self) -> SqliteArguments {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_filled_up_with_nulls() {
        let batch = Batch { head: "VALUES ", row: "(?,?)", tail: "" };
        let mut script = Script::default();
        let bind = |args: &mut Args, n: &i64| args.add(*n).and_then(|()| args.add(*n));
        script.add(&batch, &[1, 2, 3], bind).expect("numbers");
        script.add(&batch, &[], bind).expect("nothing");
        script.add(&batch, &[4], bind).expect("a number");
        assert_eq!(script.sql, "VALUES (?,?),(?,?),(?,?),(?,?);VALUES (?,?)");
        assert_eq!(script.args.0.len(), 10);
    }

    #[test]
    fn parts_hold_everything_once() {
        let items: Vec<usize> = (0..2 * LARGEST + 1).collect();
        let all: Vec<usize> = parts(items.len()).flat_map(|number| part(&items, number)).copied().collect();
        assert_eq!(all, items);
        assert!(part(&items, 3).is_empty());
    }
}
