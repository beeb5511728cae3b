//! What is left of phone numbers once they are erased: pseudonyms, equal for equal numbers and of no other use.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::phone::PhoneNumber;

/// Sets our keys apart from whatever else a secret is used for.
const PURPOSE: &[u8] = b"smsgw pseudonym v1\0";

/// Makes pseudonyms: SHA-256 twice over under a secret, of which 60 bits are kept. Whoever knows the secret can find out
/// the number by trying all of them; nobody else can. Cheap to clone. The default has no secret, and leaves nothing of a
/// number: all have one pseudonym.
#[derive(Clone, Default)]
pub struct Pseudonyms(Option<[u8; 32]>);

impl Pseudonyms {
    /// Under the operator's secret, so that a number has one pseudonym for good.
    pub fn new(secret: &[u8]) -> Self {
        Self(Some(Sha256::new().chain_update(PURPOSE).chain_update(secret).finalize().into()))
    }

    /// What is left of `number`. A pseudonym stays as it is.
    pub fn of_number(&self, number: PhoneNumber) -> PhoneNumber {
        if number.is_pseudonym() { number } else { PhoneNumber::pseudonym(self.bits(&number.expose())) }
    }

    /// What is left of the sender of a received SMS, a number or a name.
    pub fn of_sender(&self, sender: &str) -> String {
        PhoneNumber::pseudonym(self.bits(sender)).expose().as_str().to_owned()
    }

    fn bits(&self, text: &str) -> u64 {
        let Some(key) = &self.0 else { return 0 };
        let keyed = |data: &[u8]| Sha256::new().chain_update(key).chain_update(data).finalize();
        // The outer one keeps the inner one, which could be continued, to itself.
        let tag = keyed(&keyed(text.as_bytes()));
        tag.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_have_equal_pseudonyms_under_one_secret_alone() {
        let [first, second] = ["+5351234567", "+5351234568"].map(|text| text.parse().expect("a number"));
        let [ours, theirs] = [[1; 32], [2; 32]].map(|secret| Pseudonyms::new(&secret));
        let left = ours.of_number(first);
        assert!(left.is_pseudonym());
        assert_eq!(left, Pseudonyms::new(&[1; 32]).of_number(first));
        assert_eq!(left, ours.of_number(left), "erased twice, it is the same");
        assert_ne!(left, ours.of_number(second));
        assert_ne!(left, theirs.of_number(first));
        assert_eq!(
            ours.of_sender("+5351234567"),
            left.expose().as_str(),
            "a sender and a recipient are told to be one"
        );
        let nothing = Pseudonyms::default();
        assert_eq!(nothing.of_number(first), nothing.of_number(second));
    }
}
