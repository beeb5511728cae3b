//! The one place where errors of the driver become ours.

use smsgw_core::error::{Error, ErrorKind};

/// The short name of this backend in errors.
pub(super) const BACKEND: &str = "postgres";

/// What `error` means to the caller of `operation`.
///
/// PostgreSQL's messages may quote values, so its errors never become sources: the code says what they were,
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(super) fn classify(operation: &'static str, error: sqlx::Error) -> Error {
    let new = |kind| Error::new(kind, BACKEND, operation);
    match error {
        sqlx::Error::Database(_) => by_code(operation, &code(&error)),
        sqlx::Error::PoolClosed => new(ErrorKind::Closed),
        sqlx::Error::PoolTimedOut => new(ErrorKind::Unavailable).with_detail(
            "no connection in time: the server is away, or all connections are busy; check the server, or raise \
             `connections`",
        ),
        sqlx::Error::Io(cause) => new(ErrorKind::Unavailable)
            .with_detail("the server cannot be reached, or has gone away")
            .with_source(cause),
        sqlx::Error::Tls(cause) => new(ErrorKind::Unavailable)
            .with_detail("no TLS with the server; check sslmode and sslrootcert in the URL")
            .with_source(cause),
        sqlx::Error::Protocol(_) => new(ErrorKind::Unavailable).with_detail("the connection broke"),
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
            new(ErrorKind::Corrupt).with_detail("a stored row cannot be read")
        }
        sqlx::Error::Encode(_) => new(ErrorKind::Invalid).with_detail("more than a statement can hold"),
        sqlx::Error::Configuration(_) => new(ErrorKind::Invalid).with_detail("check the URL"),
        _ => new(ErrorKind::Internal),
    }
}

fn by_code(operation: &'static str, code: &str) -> Error {
    let new = |kind| Error::new(kind, BACKEND, operation);
    let fault = match code {
        "57014" | "55P03" => {
            new(ErrorKind::Timeout).with_detail("the server took longer than `call_timeout_ms`")
        }
        "53300" => new(ErrorKind::Unavailable).with_detail(
            "the server has no connection left; raise its max_connections, or lower `connections`",
        ),
        "53100" => new(ErrorKind::Unavailable)
            .with_detail("the server's disk is full; make room, nothing else is needed"),
        "25006" => {
            new(ErrorKind::Unavailable).with_detail("the server is read-only; name the primary in the URL")
        }
        "3D000" => {
            new(ErrorKind::Invalid).with_detail("no such database; create it, or name another in the URL")
        }
        "3F000" | "42P01" | "42883" => new(ErrorKind::Invalid)
            .with_detail("our tables are not there; check the schema and the search path"),
        "42501" => new(ErrorKind::Unauthorized).with_detail("the user lacks a right; grant it"),
        "22021" | "22P05" => new(ErrorKind::Invalid).with_detail("a text holds U+0000"),
        _ => match code.get(..2) {
            // Another gateway keeps winning: after as many tries as were made, later is better.
            Some("40") => new(ErrorKind::Unavailable),
            Some("08" | "57" | "58") => {
                new(ErrorKind::Unavailable).with_detail("the server is stopping, starting or was stopped")
            }
            Some("53") => new(ErrorKind::Throttled).with_detail("the server has no room left"),
            Some("28") => new(ErrorKind::Unauthorized)
                .with_detail("the server refuses user or password; check the URL and pg_hba.conf"),
            Some("22") => new(ErrorKind::Invalid),
            Some("23") => {
                new(ErrorKind::Invalid).with_detail("what it refers to does not exist, or exists twice")
            }
            Some("XX") => new(ErrorKind::Corrupt).with_detail("the server reports damage; see its log"),
            _ => new(ErrorKind::Internal),
        },
    };
    fault.with_source(Code(code.into()))
}

/// PostgreSQL's code for an error, without its words.
#[derive(Debug)]
struct Code(String);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SQLSTATE {}", self.0)
    }
}

impl std::error::Error for Code {}

/// PostgreSQL's code; empty where the error is not PostgreSQL's.
fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|error| error.code()).map(Into::into).unwrap_or_default()
}

/// Whether a row that had to be unique was not.
pub(super) fn is_repeated(error: &sqlx::Error) -> bool {
    code(error) == "23505"
}

/// Whether a row that had to exist did not.
pub(super) fn is_dangling(error: &sqlx::Error) -> bool {
    code(error) == "23503"
}

/// Whether others were in the way, nothing was changed, and the same at once may work: a deadlock, a serialisation
/// failure.
pub(super) fn is_in_the_way(error: &sqlx::Error) -> bool {
    matches!(code(error).as_str(), "40P01" | "40001")
}

/// Whether the server has not answered, or only said that it serves nobody now.
pub(super) fn is_silence(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(_) => {
            let code = code(error);
            code.starts_with("08") || code.starts_with("57P")
        }
        _ => false,
    }
}

/// Whether the connection is of no more use.
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        sqlx::Error::Database(_) => {
            let code = code(error);
            // A failover leaves connections to what was the primary.
            code.starts_with("08") || code.starts_with("57P") || code == "25006"
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn codes_become_kinds() {
        let kinds = [
            ("57014", ErrorKind::Timeout),
            ("55P03", ErrorKind::Timeout),
            ("57P01", ErrorKind::Unavailable),
            ("57P03", ErrorKind::Unavailable),
            ("08006", ErrorKind::Unavailable),
            ("53300", ErrorKind::Unavailable),
            ("53200", ErrorKind::Throttled),
            ("28P01", ErrorKind::Unauthorized),
            ("40P01", ErrorKind::Unavailable),
            ("23503", ErrorKind::Invalid),
            ("42601", ErrorKind::Internal),
            ("XX001", ErrorKind::Corrupt),
            ("", ErrorKind::Internal),
        ];
        for (code, kind) in kinds {
            assert_eq!(by_code("insert", code).kind(), kind, "{code}");
        }
    }

    #[test]
    fn what_cannot_be_read_back_is_not_shown() {
        let error = classify("message", sqlx::Error::Decode("expected a state, found +34600123456".into()));
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.source().is_none());
    }
}
