//! The one place where errors of the client become ours.

use lapin::ErrorKind as Kind;
use smsgw_core::error::{Error, ErrorKind};

/// The short name of this backend in errors.
pub(super) const BACKEND: &str = "amqp";

// Reply codes of AMQP 0-9-1, <https://www.rabbitmq.com/amqp-0-9-1-reference#constants>.
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;

/// What `error` means to the caller of `operation`. RabbitMQ says names of queues and users, never values.
pub(super) fn classify(operation: &'static str, error: lapin::Error) -> Error {
    let new = |kind| Error::new(kind, BACKEND, operation);
    let fault = match error.kind() {
        Kind::ProtocolError(told) => match told.get_id() {
            ACCESS_REFUSED => new(ErrorKind::Unauthorized).with_detail(
                "RabbitMQ refuses the login in the URL, or the user may not declare, write and read the queue",
            ),
            NOT_ALLOWED => new(ErrorKind::Unauthorized)
                .with_detail("the vhost in the URL does not exist, or the user may not enter it"),
            PRECONDITION_FAILED => new(ErrorKind::Invalid).with_detail(
                "there is a queue of this name that is not a durable quorum queue: delete it, or choose another name",
            ),
            NOT_FOUND => new(ErrorKind::Unavailable).with_detail("the queue is gone; it is made again"),
            _ => new(ErrorKind::Unavailable),
        },
        Kind::AuthProviderError(_) => new(ErrorKind::Unauthorized),
        Kind::IOError(_)
        | Kind::InvalidChannel(_)
        | Kind::InvalidChannelState(..)
        | Kind::InvalidConnectionState(_)
        | Kind::MissingHeartbeatError
        | Kind::RuntimeShutdownError(_) => unavailable(operation),
        _ => new(ErrorKind::Internal),
    };
    fault.with_source(error)
}

pub(super) fn unavailable(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, BACKEND, operation)
        .with_detail("RabbitMQ cannot be reached; it is tried again at each call")
}

pub(super) fn timeout(operation: &'static str) -> Error {
    Error::new(ErrorKind::Timeout, BACKEND, operation)
}

pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, BACKEND, operation)
}
