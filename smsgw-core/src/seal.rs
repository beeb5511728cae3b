//! Seals what must be stored and read back: the keys of original devices, which stand in the topics written to them.
//!
//! `Sealer` (feature `seal`) does it by XChaCha20-Poly1305, under a key that is derived from the operator's secret. Where
//! secrets are kept elsewhere, implement [`Seal`] by that.

#[cfg(feature = "seal")]
mod sealer;

use std::fmt;

use secrecy::SecretString;

#[cfg(feature = "seal")]
pub use sealer::{MIN_SECRET, Sealer};

/// Seals texts and opens them. What is sealed under one name opens under no other.
pub trait Seal: fmt::Debug + Send + Sync + 'static {
    /// Seals `text` under `name`.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    fn seal(&self, name: &[u8], text: &str) -> Result<Sealed, SealError>;

    /// Opens what was sealed under `name`.
    ///
    /// # Errors
    /// [`SealError::Foreign`].
    fn open(&self, name: &[u8], sealed: &Sealed) -> Result<SecretString, SealError>;

    /// Whether it is sealed as it would be now. What is not is sealed anew when a gateway starts, so that an old secret can
    /// be done away with.
    fn is_current(&self, sealed: &Sealed) -> bool;
}

/// Something sealed, for a store. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// From what [`Sealed::as_bytes`] gave.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(…)")
    }
}

/// Why something cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The secret is too short to keep anything.
    #[error("the secret has fewer than 32 bytes; make one by `openssl rand -hex 32`")]
    ShortSecret,
    /// The operating system has no random numbers to give.
    #[error("the operating system gave no random numbers")]
    NoRandom,
    /// It was sealed under another secret or name, or is damaged.
    #[error("sealed under another secret, or damaged")]
    Foreign,
}
