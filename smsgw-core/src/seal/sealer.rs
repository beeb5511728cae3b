use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::{Seal, SealError, Sealed};

/// The fewest bytes of a secret.
pub const MIN_SECRET: usize = 32;

/// Before each sealed text; the tag after it has 16 more.
const NONCE: usize = 24;
/// Before the nonce: which secret it was. No other use, so a few bytes are enough.
const ID: usize = 4;
/// Sets our key apart from whatever else the operator uses the secret for. The version is that of the sealed form.
const PURPOSE: &[u8] = b"smsgw seal v1\0";
/// The same for what names the secret.
const NAME: &[u8] = b"smsgw seal id v1\0";

/// Seals with one secret, and opens also what was sealed under secrets of before. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    current: Secret,
    previous: Vec<Secret>,
}

/// A secret, ready for use, and what names it.
#[derive(Clone)]
struct Secret {
    id: [u8; ID],
    cipher: XChaCha20Poly1305,
}

impl Sealer {
    /// With a secret of [`MIN_SECRET`] bytes or more, which must be random. Without it nothing that was sealed can be
    /// opened: to change it, give it to [`with_previous`](Self::with_previous) for a while.
    ///
    /// # Errors
    /// [`SealError::ShortSecret`].
    pub fn new(secret: &[u8]) -> Result<Self, SealError> {
        Ok(Self { current: Secret::new(secret)?, previous: Vec::new() })
    }

    /// Opens also what was sealed under the secret of before.
    ///
    /// # Errors
    /// [`SealError::ShortSecret`].
    pub fn with_previous(mut self, secret: &[u8]) -> Result<Self, SealError> {
        self.previous.push(Secret::new(secret)?);
        Ok(self)
    }
}

impl Secret {
    fn new(secret: &[u8]) -> Result<Self, SealError> {
        if secret.len() < MIN_SECRET {
            return Err(SealError::ShortSecret);
        }
        let derive = |purpose| Sha256::new().chain_update(purpose).chain_update(secret).finalize();
        let cipher =
            XChaCha20Poly1305::new_from_slice(&derive(PURPOSE)).map_err(|_| SealError::ShortSecret)?;
        let id = derive(NAME).first_chunk().copied().unwrap_or_default();
        Ok(Self { id, cipher })
    }

    fn open(&self, name: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: name }).ok()
    }
}

impl Seal for Sealer {
    fn seal(&self, name: &[u8], text: &str) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let payload = Payload { msg: text.as_bytes(), aad: name };
        // Fails only for texts of 256 GB.
        let sealed =
            self.current.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Foreign)?;
        Ok(Sealed([&self.current.id[..], &nonce, &sealed].concat()))
    }

    fn open(&self, name: &[u8], sealed: &Sealed) -> Result<SecretString, SealError> {
        let mut secrets = [&self.current].into_iter().chain(&self.previous);
        // Before secrets had names, the nonce came first.
        let text = secrets.find_map(|secret| {
            let named = sealed.0.strip_prefix(&secret.id).and_then(|rest| secret.open(name, rest));
            named.or_else(|| secret.open(name, &sealed.0))
        });
        let text = text.ok_or(SealError::Foreign)?;
        String::from_utf8(text).map(SecretString::from).map_err(|_| SealError::Foreign)
    }

    fn is_current(&self, sealed: &Sealed) -> bool {
        sealed.0.starts_with(&self.current.id)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&[byte; 32]).expect("long enough")
    }

    #[test]
    fn opens_what_it_sealed() {
        let sealed = sealer(1).seal(b"name", "a key").expect("random numbers");
        let opened = sealer(1).open(b"name", &sealed).expect("the same secret and name");
        assert_eq!(opened.expose_secret(), "a key");
        let again = sealer(1).seal(b"name", "a key").expect("random numbers");
        assert_ne!(sealed, again, "the same text looks different each time");
        assert_eq!(sealed.as_bytes().len(), "a key".len() + 44);
    }

    #[test]
    fn opens_nothing_else() {
        let sealed = sealer(1).seal(b"name", "a key").expect("random numbers");
        let open = |sealer: Sealer, name: &[u8], sealed: &Sealed| sealer.open(name, sealed).map(drop);
        assert_eq!(open(sealer(2), b"name", &sealed), Err(SealError::Foreign));
        assert_eq!(open(sealer(1), b"other", &sealed), Err(SealError::Foreign));
        for at in 0..sealed.as_bytes().len() {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert_eq!(open(sealer(1), b"name", &Sealed::from_bytes(bytes)), Err(SealError::Foreign));
            let cut = Sealed::from_bytes(sealed.as_bytes()[..at].to_vec());
            assert_eq!(open(sealer(1), b"name", &cut), Err(SealError::Foreign));
        }
    }

    #[test]
    fn a_secret_can_be_changed() {
        let old = sealer(1).seal(b"name", "a key").expect("random numbers");
        let changed = sealer(2).with_previous(&[1; 32]).expect("long enough");
        assert_eq!(changed.open(b"name", &old).expect("the secret of before").expose_secret(), "a key");
        assert!(!changed.is_current(&old) && sealer(1).is_current(&old));
        let anew = changed.seal(b"name", "a key").expect("random numbers");
        assert!(changed.is_current(&anew));
        assert_eq!(sealer(2).open(b"name", &anew).expect("without the old one").expose_secret(), "a key");
        assert_eq!(sealer(1).open(b"name", &anew).map(drop), Err(SealError::Foreign));
    }

    #[test]
    fn opens_what_was_sealed_before_secrets_had_names() {
        let named = sealer(1).seal(b"name", "a key").expect("random numbers");
        let nameless = Sealed::from_bytes(named.as_bytes()[ID..].to_vec());
        let opened = sealer(1).open(b"name", &nameless).expect("the same secret and name");
        assert_eq!(opened.expose_secret(), "a key");
        assert!(!sealer(1).is_current(&nameless), "it is sealed anew");
    }

    #[test]
    fn a_short_secret_is_refused_and_nothing_is_shown() {
        assert_eq!(Sealer::new(&[7; 31]).map(drop), Err(SealError::ShortSecret));
        assert_eq!(sealer(1).with_previous(&[7; 31]).map(drop), Err(SealError::ShortSecret));
        let sealed = sealer(1).seal(b"name", "a key").expect("random numbers");
        assert_eq!(format!("{:?} {sealed:?}", sealer(1)), "Sealer(…) Sealed(…)");
    }
}
