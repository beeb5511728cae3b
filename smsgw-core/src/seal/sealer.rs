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
/// Sets our key apart from whatever else the operator uses the secret for. The version is that of the sealed form.
const PURPOSE: &[u8] = b"smsgw seal v1\0";

/// Seals and opens with one secret. Cheap to clone.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

impl Sealer {
    /// With a secret of [`MIN_SECRET`] bytes or more, which must be random and stay the same.
    ///
    /// # Errors
    /// [`SealError::ShortSecret`].
    pub fn new(secret: &[u8]) -> Result<Self, SealError> {
        if secret.len() < MIN_SECRET {
            return Err(SealError::ShortSecret);
        }
        let key = Sha256::new().chain_update(PURPOSE).chain_update(secret).finalize();
        XChaCha20Poly1305::new_from_slice(&key).map(Self).map_err(|_| SealError::ShortSecret)
    }
}

impl Seal for Sealer {
    fn seal(&self, name: &[u8], text: &str) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let payload = Payload { msg: text.as_bytes(), aad: name };
        // Fails only for texts of 256 GB.
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Foreign)?;
        Ok(Sealed([&nonce[..], &sealed].concat()))
    }

    fn open(&self, name: &[u8], sealed: &Sealed) -> Result<SecretString, SealError> {
        let (nonce, sealed) = sealed.0.split_first_chunk::<NONCE>().ok_or(SealError::Foreign)?;
        let payload = Payload { msg: sealed, aad: name };
        let text = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Foreign)?;
        String::from_utf8(text).map(SecretString::from).map_err(|_| SealError::Foreign)
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
        assert_eq!(sealed.as_bytes().len(), "a key".len() + 40);
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
    fn a_short_secret_is_refused_and_nothing_is_shown() {
        assert_eq!(Sealer::new(&[7; 31]).map(drop), Err(SealError::ShortSecret));
        let sealed = sealer(1).seal(b"name", "a key").expect("random numbers");
        assert_eq!(format!("{:?} {sealed:?}", sealer(1)), "Sealer(…) Sealed(…)");
    }
}
