//! What is left of numbers that are erased: the same in every SQL store.

use smsgw_core::phone::PhoneNumber;
use smsgw_core::pseudonym::Pseudonyms;

/// What is left of a stored recipient. One that is no number, because something has damaged it, goes as well.
pub(crate) fn of_recipient(pseudonyms: &Pseudonyms, text: &str) -> String {
    match PhoneNumber::from_stored(text) {
        Ok(number) => pseudonyms.of_number(number).expose().as_str().to_owned(),
        Err(_) => pseudonyms.of_sender(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_there_is_erased_once() {
        let pseudonyms = Pseudonyms::new(&[1; 32]);
        for text in ["+5351234567", "sip:alice", "~1", ""] {
            let left = of_recipient(&pseudonyms, text);
            assert!(PhoneNumber::from_stored(&left).is_ok_and(|number| number.is_pseudonym()), "{text}");
            assert_eq!(of_recipient(&pseudonyms, &left), left, "{text}");
        }
    }
}
