//! The one place where errors of the client become ours.

use redis::{ErrorKind as Kind, RedisError, ServerErrorKind};
use smsgw_core::error::{Error, ErrorKind};

/// The short name of this backend in errors.
pub(super) const BACKEND: &str = "redis";

/// What `error` means to the caller of `operation`. Redis says names of commands and keys, never values.
pub(super) fn classify(operation: &'static str, error: RedisError) -> Error {
    let new = |kind| Error::new(kind, BACKEND, operation);
    let fault = match (error.kind(), error.code()) {
        (Kind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
            new(ErrorKind::Unauthorized).with_detail("Redis refuses the user or the password in the URL")
        }
        (Kind::Server(ServerErrorKind::NoPerm), _) => new(ErrorKind::Unauthorized).with_detail(
            "the user may not do this: let it use streams, scripts and channels under the prefix",
        ),
        (Kind::Server(ServerErrorKind::BusyLoading), _) => {
            new(ErrorKind::Unavailable).with_detail("Redis is still loading its data")
        }
        (Kind::Server(ServerErrorKind::ReadOnly), _) => new(ErrorKind::Unavailable)
            .with_detail("this is a replica: name the primary, or sentinels or a cluster that know it"),
        (Kind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown), _)
        | (_, Some("NOREPLICAS" | "MISCONF" | "BUSY"))
        | (Kind::MasterNameNotFoundBySentinel | Kind::ClusterConnectionNotFound, _) => {
            new(ErrorKind::Unavailable)
        }
        (_, Some("OOM")) => new(ErrorKind::Throttled)
            .with_detail("Redis is at its maxmemory; give it more, or let the queue empty"),
        (Kind::InvalidClientConfig | Kind::EmptySentinelList, _) => new(ErrorKind::Invalid),
        (Kind::UnexpectedReturnType | Kind::Parse, _) => new(ErrorKind::Corrupt),
        _ if error.to_string().contains("Unknown Redis command") => {
            new(ErrorKind::Unsupported).with_detail("Redis 6.2 or later is needed")
        }
        _ if error.is_timeout() => new(ErrorKind::Timeout),
        (Kind::Io, _) => unavailable(operation),
        _ => new(ErrorKind::Internal),
    };
    fault.with_source(error)
}

pub(super) fn unavailable(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, BACKEND, operation)
        .with_detail("Redis cannot be reached; it is tried again at each call")
}

pub(super) fn timeout(operation: &'static str) -> Error {
    Error::new(ErrorKind::Timeout, BACKEND, operation)
}

pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, BACKEND, operation)
}
