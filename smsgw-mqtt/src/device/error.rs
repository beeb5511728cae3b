//! What stops a device for good. A lost or refused connection does not: it is tried again.

use std::io;

/// Why a device could not be built, or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The broker's address cannot be used.
    #[error("the broker address must read mqtt://HOST or mqtt://HOST:PORT, mqtts with TLS: {0}")]
    Address(&'static str),
    /// TLS to the broker cannot work: a file is not usable, or the feature `tls` is off. Says what to do.
    #[error("TLS to the broker: {0}")]
    Tls(String),
    /// The device id cannot be a part of a topic.
    #[error("the device id must be 1 to 64 letters, digits, '-' or '_'")]
    Id,
    /// The journal cannot be read or written. The device stops, because without it a message could be sent
    /// twice; what the broker has not been told is delivered again after a restart.
    #[error("the journal cannot be used")]
    Journal(#[from] io::Error),
}
