//! The one error of every backend.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What went wrong, as far as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The backend cannot be reached or is not ready; try again later.
    Unavailable,
    /// No answer in time: whether the operation happened is not known.
    Timeout,
    /// The backend, or a bound of ours, asks for less at a time.
    Throttled,
    /// The backend does not accept our credentials.
    Unauthorized,
    /// The caller handed over something that can never work.
    Invalid,
    /// This backend cannot do what was asked.
    Unsupported,
    /// The backend was closed.
    Closed,
    /// What was read back is not what was written.
    Corrupt,
    /// A fault of ours.
    Internal,
}

impl ErrorKind {
    /// The kind in a few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "no answer in time",
            Self::Throttled => "too much at once",
            Self::Unauthorized => "not authorized",
            Self::Invalid => "invalid request",
            Self::Unsupported => "not supported",
            Self::Closed => "closed",
            Self::Corrupt => "stored data is corrupt",
            Self::Internal => "internal error",
        }
    }
}

/// Whether the same call may work later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will fail again.
    Never,
    /// It may work after a pause of the caller's choice.
    Later,
    /// It may work after this long.
    After(Duration),
}

/// A failed call of a backend: nothing is known of any item of its batch, and repeating it is safe.
///
/// Expected outcomes (duplicate, stale, no subscriber) are values, never errors. `Display` names the backend, the
/// operation and the kind; the cause is `source()`. Neither carries a secret, a phone number or a message body.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    backend: &'static str,
    operation: &'static str,
    detail: Option<Cow<'static, str>>,
    retry: Retry,
    // Shared, because one failed batch answers many callers.
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What a backend's method returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` that `backend` (its short name, as `sqlite`) met during `operation`.
    pub fn new(kind: ErrorKind, backend: &'static str, operation: &'static str) -> Self {
        let retry = match kind {
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Throttled => Retry::Later,
            _ => Retry::Never,
        };
        Self(Box::new(Inner { kind, backend, operation, detail: None, retry, source: None }))
    }

    /// Adds one sentence for the reader: what to do, or what was expected.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Replaces the advice that follows from the kind.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Which backend, by its short name.
    pub fn backend(&self) -> &'static str {
        self.0.backend
    }

    /// Which operation.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The sentence for the reader, where there is one.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Whether the same call may work later.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Whether the same call may work later, as yes or no.
    pub fn is_retryable(&self) -> bool {
        self.0.retry != Retry::Never
    }
}

/// An error with its causes, as one sentence for people.
pub fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.backend, self.0.operation, self.0.kind.as_str())?;
        match &self.0.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("backend", &self.0.backend)
            .field("operation", &self.0.operation)
            .field("detail", &self.0.detail)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_the_call_and_leaves_the_cause_to_source() {
        let cause = std::io::Error::other("disk on fire");
        let error = Error::new(ErrorKind::Unavailable, "sqlite", "insert").with_source(cause);
        assert_eq!(error.to_string(), "sqlite insert: unavailable");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("disk on fire"));
        assert_eq!(with_causes(&error), "sqlite insert: unavailable: disk on fire");
        assert!(error.is_retryable());
        assert!(!Error::new(ErrorKind::Corrupt, "sqlite", "get").is_retryable());
    }
}
