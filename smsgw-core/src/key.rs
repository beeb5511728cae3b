//! Credentials: the API key of a device and the token of an API user.
//!
//! Both read `sgw_<kind>_<id>_<secret><crc>`: `kind` is `dev` or `tok`, `id` is public and finds the record, `secret`
//! is 256 random bits, and `crc` is the CRC-32 of all before it, so that a typing error is told from a wrong key.
//! All but the prefix is lower-case base 32 (RFC 4648 without padding), which is safe in topics, URLs and shells.
//! Only the SHA-256 of the whole text is stored.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

// RFC 4648 base 32 in lower case. The specification is a constant, so building it cannot fail.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
});

const ID_BYTES: usize = 10;
const SECRET_BYTES: usize = 32;
const ID_CHARS: usize = 16;
const SECRET_CHARS: usize = 52;
const CRC_CHARS: usize = 7;

/// Whose credential it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// The API key of a device.
    Device,
    /// The token of an API user.
    Token,
}

impl CredentialKind {
    const fn tag(self) -> &'static str {
        match self {
            Self::Device => "dev",
            Self::Token => "tok",
        }
    }
}

/// The public part of a credential: names its record, opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_BYTES]);

impl KeyId {
    /// From the bytes that [`KeyId::as_bytes`] gave.
    pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its ten bytes, for a store.
    pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = CredentialError;
    fn from_str(text: &str) -> Result<Self, CredentialError> {
        let bytes = BASE32.decode(text.as_bytes()).map_err(|_| CredentialError::Format)?;
        bytes.try_into().map(Self).map_err(|_| CredentialError::Format)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is not a credential. Says nothing of the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// It has another shape.
    #[error("not a key of this gateway: expected sgw_<kind>_<id>_<secret>")]
    Format,
    /// It has the shape, but was mistyped or cut.
    #[error("the key is mistyped or incomplete: its checksum does not match; copy it again")]
    Checksum,
}

/// A whole credential, secret included. `Debug` shows kind and id only, and there is no `Display`.
#[derive(Clone)]
pub struct Credential {
    kind: CredentialKind,
    id: KeyId,
    text: SecretString,
}

impl Credential {
    /// A new one from the operating system's random numbers.
    ///
    /// # Errors
    /// Where the operating system has no random numbers to give.
    pub fn generate(kind: CredentialKind) -> Result<Self, getrandom::Error> {
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        let mut text = format!("sgw_{}_{}_{}", kind.tag(), BASE32.encode(&id), BASE32.encode(&secret));
        let crc = crc32fast::hash(text.as_bytes());
        text.push_str(&BASE32.encode(&crc.to_be_bytes()));
        Ok(Self { kind, id: KeyId(id), text: text.into() })
    }

    /// Reads a credential that somebody presented.
    ///
    /// # Errors
    /// [`CredentialError`] where the text has another shape or its checksum does not match.
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        let rest = text.strip_prefix("sgw_").ok_or(CredentialError::Format)?;
        let (tag, rest) = rest.split_once('_').ok_or(CredentialError::Format)?;
        let kind = [CredentialKind::Device, CredentialKind::Token]
            .into_iter()
            .find(|kind| kind.tag() == tag)
            .ok_or(CredentialError::Format)?;
        let (id, secret) = rest.split_once('_').ok_or(CredentialError::Format)?;
        let in_alphabet = secret.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b));
        if id.len() != ID_CHARS || !in_alphabet {
            return Err(CredentialError::Format);
        }
        let id = id.parse()?;
        if secret.len() != SECRET_CHARS + CRC_CHARS {
            return Err(CredentialError::Checksum);
        }
        let (signed, crc) = text.split_at(text.len() - CRC_CHARS);
        if BASE32.encode(&crc32fast::hash(signed.as_bytes()).to_be_bytes()) != crc {
            return Err(CredentialError::Checksum);
        }
        Ok(Self { kind, id, text: text.to_owned().into() })
    }

    /// Whose it is.
    pub fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// Its public part.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The whole text. Show it once, to its owner.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// What is stored of it.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.expose().as_bytes()).into())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The SHA-256 of a credential. A plain hash is enough: the secret is 256 random bits, not a password.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// From what [`KeyDigest::as_bytes`] gave.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes, for a store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `presented` is the credential of this digest, in constant time.
    pub fn matches(&self, presented: &Credential) -> bool {
        self.0.ct_eq(&presented.digest().0).into()
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_made() {
        for kind in [CredentialKind::Device, CredentialKind::Token] {
            let made = Credential::generate(kind).expect("random numbers");
            let read = Credential::parse(made.expose()).expect("its own text");
            assert_eq!((read.kind(), read.id()), (kind, made.id()));
            assert!(made.digest().matches(&read));
            let other = Credential::generate(kind).expect("random numbers");
            assert!(!made.digest().matches(&other));
        }
    }

    #[test]
    fn tells_a_typing_error_from_another_text() {
        let made = Credential::generate(CredentialKind::Device).expect("random numbers");
        let text = made.expose();
        let last = if text.ends_with('a') { 'b' } else { 'a' };
        let mistyped = format!("{}{last}", &text[..text.len() - 1]);
        for broken in [mistyped.as_str(), &text[..text.len() - 1], &text.replace("_dev_", "_tok_")] {
            assert_eq!(Credential::parse(broken).err(), Some(CredentialError::Checksum));
        }
        for other in
            ["", "sgw_", "sgw_dev_x_y", "password", &text.to_uppercase(), &text.replace("sgw_dev", "sgw_abc")]
        {
            assert_eq!(Credential::parse(other).err(), Some(CredentialError::Format), "{}", other.len());
        }
    }

    #[test]
    fn debug_never_shows_the_secret() {
        let made = Credential::generate(CredentialKind::Token).expect("random numbers");
        let secret = made.expose().rsplit('_').next().expect("a secret").to_owned();
        assert!(!format!("{made:?} {:?}", made.digest()).contains(&secret));
    }
}
