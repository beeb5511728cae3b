//! Telephone numbers, which are personal data: none is shown unless the code says so.

use std::{fmt, num::NonZeroU64, ops::Deref, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Unexpected},
};

/// Digits of the longest number (ITU-T E.164, 6.1).
const MAX_DIGITS: usize = 15;

/// Digits of the shortest number. E.164 sets no minimum; the shortest numbers that take SMS are a country code of
/// three digits and four more (Tokelau). Fewer are a short code or a slip of the hand.
const MIN_DIGITS: usize = 7;

/// A number in the international form of ITU-T E.164: `+`, a country code and the subscriber's number, in ASCII
/// digits and nothing else.
///
/// Whether the number is assigned is for the network to say. Short codes and sender names are not numbers.
///
/// It is personal data, so it has no `Display` and its `Debug` hides it; [`expose`](Self::expose) is the only way
/// to its text, and serde's `Serialize`, which wires and stores need, the only other way out. Eight bytes, `Copy`.
/// The order is by value, so a shorter number comes first.
///
/// What a store gives back may be a pseudonym instead, where the number was erased: `~` and 15 hexadecimal digits, made by
/// [`Pseudonyms`](crate::pseudonym::Pseudonyms). No text that a user writes is read as one.
///
/// ```
/// use smsgw_core::phone::PhoneNumber;
///
/// let number: PhoneNumber = "+5351234567".parse()?;
/// assert_eq!(number.expose().as_str(), "+5351234567");
/// assert_eq!(format!("{number:?}"), "PhoneNumber(***)");
///
/// assert!("53 5123 4567".parse::<PhoneNumber>().is_err());
/// # Ok::<(), smsgw_core::phone::PhoneError>(())
/// ```
///
/// ```compile_fail,E0277
/// # let number: smsgw_core::phone::PhoneNumber = "+5351234567".parse().unwrap();
/// println!("to {number}"); // no `Display`
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(
    /// The digits as one value. The first is never zero, so none is lost, and 15 of them are less than 2^50. With the
    /// highest bit set, the 60 lowest are a pseudonym.
    NonZeroU64,
);

/// Set in a pseudonym.
const PSEUDONYM: NonZeroU64 = NonZeroU64::MIN.saturating_add(u64::MAX / 2);
/// The bits of a pseudonym, as many as 15 hexadecimal digits say.
const PSEUDONYM_BITS: u64 = (1 << (4 * MAX_DIGITS)) - 1;

impl PhoneNumber {
    /// The number as text, on the stack. Call it where the number leaves for a wire, a store or its owner.
    pub fn expose(&self) -> E164 {
        let (mark, radix) = if self.is_pseudonym() { (b'~', 16) } else { (b'+', 10) };
        let mut text = [b'0'; MAX_DIGITS + 1];
        let mut rest = if self.is_pseudonym() { self.0.get() & PSEUDONYM_BITS } else { self.0.get() };
        let mut start = text.len();
        while rest > 0 {
            start -= 1;
            text[start] = b"0123456789abcdef"[(rest % radix) as usize];
            rest /= radix;
        }
        start = if self.is_pseudonym() { 0 } else { start - 1 };
        text[start] = mark;
        E164 { text, start: start as u8 }
    }

    /// A pseudonym of the lowest 60 of `bits`.
    pub(crate) fn pseudonym(bits: u64) -> Self {
        Self(PSEUDONYM | (bits & PSEUDONYM_BITS))
    }

    /// Whether the number was erased, and this is what is left of it.
    pub fn is_pseudonym(&self) -> bool {
        self.0 >= PSEUDONYM
    }

    /// Reads what [`expose`](Self::expose) wrote into a store, a pseudonym as well.
    ///
    /// # Errors
    /// [`PhoneError`] where it is neither.
    pub fn from_stored(text: &str) -> Result<Self, PhoneError> {
        let Some(digits) = text.strip_prefix('~') else { return text.parse() };
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != MAX_DIGITS || !digits.bytes().all(is_digit) {
            return Err(PhoneError::NotDigits);
        }
        u64::from_str_radix(digits, 16).map(Self::pseudonym).map_err(|_| PhoneError::NotDigits)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(***)")
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneError;

    /// Reads `+` and 7 to 15 digits. Nothing is trimmed or folded: spaces, a `00` prefix and digits of other
    /// scripts are refused.
    fn from_str(text: &str) -> Result<Self, PhoneError> {
        let digits = text.strip_prefix('+').ok_or(PhoneError::NoPlus)?.as_bytes();
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(PhoneError::NotDigits);
        }
        if digits.starts_with(b"0") {
            return Err(PhoneError::LeadingZero);
        }
        if digits.len() > MAX_DIGITS {
            return Err(PhoneError::TooLong);
        }
        if digits.len() < MIN_DIGITS {
            return Err(PhoneError::TooShort);
        }
        let value = digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        NonZeroU64::new(value).map(Self).ok_or(PhoneError::LeadingZero)
    }
}

impl Serialize for PhoneNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.expose())
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asked for a string, serde_json repeats a number that it finds instead in its own error; asked for
        // anything, it hands it to the visitor, which does not. Binary formats must be told what to read.
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Visitor)
        } else {
            deserializer.deserialize_str(Visitor)
        }
    }
}

struct Visitor;

impl Visitor {
    /// serde's own message would repeat the value, and a phone number sent as a JSON number reach logs and answers.
    fn refuse_number<E: de::Error>(self) -> Result<PhoneNumber, E> {
        Err(E::invalid_type(Unexpected::Other("a number"), &self))
    }
}

impl de::Visitor<'_> for Visitor {
    type Value = PhoneNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of `+`, country code and number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<PhoneNumber, E> {
        PhoneNumber::from_stored(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<PhoneNumber, E> {
        self.refuse_number()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<PhoneNumber, E> {
        self.refuse_number()
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<PhoneNumber, E> {
        self.refuse_number()
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<PhoneNumber, E> {
        self.refuse_number()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<PhoneNumber, E> {
        self.refuse_number()
    }
}

/// The text of a [`PhoneNumber`], such as `+5351234567`: a `str` of at most 16 bytes on the stack. Its `Debug` hides
/// the number too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct E164 {
    /// Written from the end, as the digits are found.
    text: [u8; MAX_DIGITS + 1],
    start: u8,
}

impl E164 {
    /// The text, `+` first.
    pub fn as_str(&self) -> &str {
        // Always ASCII; the crate forbids the unsafe code that could say so.
        std::str::from_utf8(&self.text[self.start.into()..]).unwrap_or_default()
    }
}

impl Deref for E164 {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("E164(***)")
    }
}

/// Why a text is not a [`PhoneNumber`]. It says what to write instead, and never repeats what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhoneError {
    /// The text is empty or does not begin with `+`.
    NoPlus,
    /// Something other than the digits 0 to 9 follows the `+`.
    NotDigits,
    /// The first digit is zero; no country code is.
    LeadingZero,
    /// Fewer than 7 digits.
    TooShort,
    /// More than 15 digits.
    TooLong,
}

impl fmt::Display for PhoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPlus => "begin the phone number with `+` and the country code",
            Self::NotDigits => "write only the digits 0 to 9 after the `+` of the phone number",
            Self::LeadingZero => {
                "put the country code, which never begins with 0, after the `+` of the phone number"
            }
            Self::TooShort => "write the whole phone number, at least 7 digits with the country code",
            Self::TooLong => "write at most 15 digits, the most that a phone number has",
        })
    }
}

impl std::error::Error for PhoneError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<PhoneNumber, PhoneError> {
        text.parse()
    }

    #[test]
    fn only_plus_and_seven_to_fifteen_digits_are_a_number() {
        for text in ["+5351234567", "+6834000", "+123456789012345", "+999999999999999"] {
            assert_eq!(parse(text).expect("a number").expose().as_str(), text);
        }
        for (text, error) in [
            ("", PhoneError::NoPlus),
            ("34600123456", PhoneError::NoPlus),
            ("0034600", PhoneError::NoPlus),
            (" +34600123456", PhoneError::NoPlus),
            ("\u{202E}+34600123456", PhoneError::NoPlus),
            ("＋34600123456", PhoneError::NoPlus),
            ("+34600:x", PhoneError::NotDigits),
            ("+34 600 123 456", PhoneError::NotDigits),
            ("+34600123456\n", PhoneError::NotDigits),
            ("+34600\u{202E}123456", PhoneError::NotDigits),
            ("+３４６００１２３４５６", PhoneError::NotDigits),
            ("++34600123456", PhoneError::NotDigits),
            ("+-34600123456", PhoneError::NotDigits),
            ("+0123", PhoneError::LeadingZero),
            ("+0034600123456", PhoneError::LeadingZero),
            ("+", PhoneError::TooShort),
            ("+346001", PhoneError::TooShort),
            ("+1234567890123456", PhoneError::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
        assert_eq!(parse(&format!("+{}", "9".repeat(100_000))), Err(PhoneError::TooLong));
    }

    #[test]
    fn debug_hides_the_number() {
        let number = parse("+5351234567").expect("a number");
        assert_eq!(format!("{number:?} {:?}", number.expose()), "PhoneNumber(***) E164(***)");
    }

    #[test]
    fn serde_writes_the_text_and_reads_it_strictly() {
        let number = parse("+5351234567").expect("a number");
        assert_eq!(serde_json::json!(number), "+5351234567");
        let read = |json| serde_json::from_str::<PhoneNumber>(json).map_err(|error| error.to_string());
        assert_eq!(read(r#""\u002b5351234567""#), Ok(number));
        for json in [r#""5351234567""#, "5351234567", "-5351234567", "5351234567.5", "[5351234567]", "null"] {
            let error = read(json).expect_err("not the text of a number");
            assert!(!error.contains("535"), "{error}");
        }
    }

    #[test]
    fn a_pseudonym_is_read_from_a_store_and_from_nowhere_else() {
        for bits in [0, 1, 0xf00_0000_0000_0000, u64::MAX] {
            let number = PhoneNumber::pseudonym(bits);
            let text = number.expose();
            assert!(number.is_pseudonym() && text.starts_with('~') && text.len() == 16, "{}", text.as_str());
            assert_eq!(PhoneNumber::from_stored(&text), Ok(number));
            assert_eq!(parse(&text), Err(PhoneError::NoPlus));
        }
        assert!(!parse("+999999999999999").expect("a number").is_pseudonym());
        assert_eq!(PhoneNumber::from_stored("+5351234567"), parse("+5351234567"));
        for text in [
            "~",
            "~12345678901234",
            "~1234567890123456",
            "~12345678901234F",
            "~+2345678901234a",
            "5351234567",
        ] {
            assert!(PhoneNumber::from_stored(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_absent_number_costs_no_space() {
        assert_eq!(size_of::<Option<PhoneNumber>>(), 8);
    }

    proptest! {
        #[test]
        fn every_number_reads_as_it_was_written(text in r"\+[1-9][0-9]{6,14}") {
            let number = parse(&text).expect("a number");
            prop_assert_eq!(&*number.expose(), &text);
        }

        #[test]
        fn what_is_read_is_what_was_written(text in r"\PC*|\+[0-9 :０-９]{0,20}") {
            match parse(&text) {
                Ok(number) => prop_assert_eq!(&*number.expose(), &text),
                Err(error) => prop_assert!(text.len() < 4 || !error.to_string().contains(&text)),
            }
        }

        #[test]
        fn the_order_is_by_value(a in 1_000_000_u64..1_000_000_000_000_000, b in 1_000_000_u64..1_000_000_000_000_000) {
            let [x, y] = [a, b].map(|value| parse(&format!("+{value}")).expect("a number"));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }
    }
}
