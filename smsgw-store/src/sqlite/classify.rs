//! The one place where errors of the driver become ours.

use smsgw_core::error::{Error, ErrorKind};

/// The short name of this backend in errors.
pub(super) const BACKEND: &str = "sqlite";

// Primary result codes, <https://www.sqlite.org/rescode.html>: the low byte of what SQLite says.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const NOMEM: u32 = 7;
const READONLY: u32 = 8;
const IOERR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const CONSTRAINT: u32 = 19;
const NOTADB: u32 = 26;

/// What `error` means to the caller of `operation`.
///
/// SQLite's own messages name tables and columns, never values, so they may stay as the source. What could not be
/// read back would show what was written, so its source is dropped.
pub(super) fn classify(operation: &'static str, error: sqlx::Error) -> Error {
    let new = |kind| Error::new(kind, BACKEND, operation);
    let fault = match &error {
        sqlx::Error::Database(_) => match primary_code(&error) {
            BUSY | LOCKED => new(ErrorKind::Unavailable)
                .with_detail("another process holds the database; stop it, or raise busy_timeout_ms"),
            FULL => {
                new(ErrorKind::Unavailable).with_detail("the disk is full; make room, nothing else is needed")
            }
            IOERR => new(ErrorKind::Unavailable).with_detail("the disk did not read or write; check it"),
            READONLY | CANTOPEN => new(ErrorKind::Unavailable).with_detail(
                "the database cannot be written; check that its file and directory exist and are ours",
            ),
            NOMEM => new(ErrorKind::Unavailable).with_detail("out of memory"),
            CORRUPT | NOTADB => {
                new(ErrorKind::Corrupt).with_detail("the database file is damaged; restore a backup")
            }
            CONSTRAINT => {
                new(ErrorKind::Invalid).with_detail("what it refers to does not exist, or exists twice")
            }
            _ => new(ErrorKind::Internal),
        },
        sqlx::Error::PoolClosed => return new(ErrorKind::Closed),
        sqlx::Error::PoolTimedOut => {
            return new(ErrorKind::Throttled)
                .with_detail("all readers are busy; raise readers, or ask for less at a time");
        }
        sqlx::Error::WorkerCrashed => new(ErrorKind::Unavailable),
        sqlx::Error::Io(_) => new(ErrorKind::Unavailable),
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
            return new(ErrorKind::Corrupt).with_detail("a stored row cannot be read");
        }
        _ => new(ErrorKind::Internal),
    };
    fault.with_source(error)
}

/// SQLite's primary result code; 0 where the error is not SQLite's.
fn primary_code(error: &sqlx::Error) -> u32 {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.unwrap_or(0) & 0xff
}

/// Whether somebody else holds a lock.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), BUSY | LOCKED)
}

/// Whether the file is something else than a database.
pub(super) fn is_no_database(error: &sqlx::Error) -> bool {
    primary_code(error) == NOTADB
}

/// Whether a row that had to be unique was not.
pub(super) fn is_repeated(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_cannot_be_read_back_is_not_shown() {
        let cause = sqlx::Error::Decode("expected a state, found +34600123456".into());
        let error = classify("message", cause);
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.source().is_none());
    }

    #[test]
    fn closed_and_crowded_are_told_apart() {
        assert_eq!(classify("message", sqlx::Error::PoolClosed).kind(), ErrorKind::Closed);
        assert_eq!(classify("message", sqlx::Error::PoolTimedOut).kind(), ErrorKind::Throttled);
    }
}
