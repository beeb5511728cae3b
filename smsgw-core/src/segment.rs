//! How many SMS a body takes, and where it is cut.
//!
//! One SMS carries 140 octets: 160 septets of the GSM 7-bit default alphabet, or 70 UTF-16 code units once the
//! body holds a character that the alphabet lacks. A longer body goes out in parts that the receiving phone joins;
//! six octets of each part then tell how, which leaves 153 septets or 67 code units (3GPP TS 23.040,
//! 9.2.3.24.1). A part never ends inside a character: an escape sequence or a surrogate pair that does not fit
//! moves to the next part as a whole.
//!
//! The alphabet is the default one with its extension table (3GPP TS 23.038, 6.2.1). The national language tables
//! of the same standard are not used: a body that needs them is counted as UCS-2, which every phone reads.
//!
//! A phone that is handed a whole body cuts it itself, and some (Android among them) also keep an emoji sequence
//! or a letter and its combining marks in one part. A long body of such sequences may take that phone one part
//! more than is counted here.
//!
//! ```
//! use smsgw_core::segment::{Encoding, segment};
//!
//! let plain = segment("Su código es 1234");
//! assert_eq!(plain.encoding, Encoding::Ucs2);
//! assert_eq!(plain.forces_ucs2, Some('ó'));
//!
//! let euros = segment("10 €");
//! assert_eq!((euros.encoding, euros.segments), (Encoding::Gsm7, 1));
//! assert_eq!((euros.units, euros.units_left), (5, 155)); // the euro sign takes two septets
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the characters of a body become the units of an SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// The GSM 7-bit default alphabet and its extension table; the unit is the septet.
    Gsm7,
    /// UTF-16, which phones accept wherever 3GPP TS 23.038 says UCS-2; the unit is the 16-bit code unit.
    Ucs2,
}

impl Encoding {
    /// Units that fit in a body of one SMS: 160 septets or 70 code units.
    pub const fn single_capacity(self) -> u16 {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// Units that fit in each part of a longer body: 153 septets or 67 code units.
    pub const fn part_capacity(self) -> u16 {
        match self {
            Self::Gsm7 => 153,
            Self::Ucs2 => 67,
        }
    }

    /// The name on the wire and in stores: `gsm7` or `ucs2`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gsm7 => "gsm7",
            Self::Ucs2 => "ucs2",
        }
    }

    /// The encoding that [`as_str`](Self::as_str) names so, or `None`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Gsm7, Self::Ucs2].into_iter().find(|encoding| encoding.as_str() == name)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a body takes on the air; made by [`segment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segmentation {
    /// GSM-7 if the alphabet has every character of the body, else UCS-2.
    pub encoding: Encoding,
    /// SMS that the body takes, 0 if it is empty. Stops at `u16::MAX`; a network carries 255 at most.
    pub segments: u16,
    /// Units of the body, without the headers of its parts and what they leave unused: septets in GSM-7, code
    /// units in UCS-2.
    pub units: u32,
    /// Units still free in the last SMS.
    pub units_left: u16,
    /// The first character that GSM-7 lacks, if any: the one that costs the sender the longer SMS.
    pub forces_ucs2: Option<char>,
}

/// Counts the segments of `body`. O(n), without allocation; a body that turns out to be UCS-2 is read again from
/// its start.
///
/// An empty body is 0 segments of GSM-7 with a whole SMS left: there is nothing to send.
pub fn segment(body: &str) -> Segmentation {
    let mut gsm7 = Packer::new(Encoding::Gsm7);
    for c in body.chars() {
        match septets(c) {
            0 => {
                let mut ucs2 = Packer::new(Encoding::Ucs2);
                for c in body.chars() {
                    ucs2.push(c);
                }
                return ucs2.finish(Some(c));
            }
            septets => gsm7.push_units(septets),
        };
    }
    gsm7.finish(None)
}

/// Cuts `body` into what each SMS carries: as many pieces as [`segment`] counts, which joined are the body.
pub fn split(body: &str) -> Vec<&str> {
    let Segmentation { encoding, segments, .. } = segment(body);
    if segments == 0 {
        return Vec::new();
    }
    let mut pieces = Vec::with_capacity(segments.into());
    let mut start = 0;
    if segments > 1 {
        let mut packer = Packer::new(encoding);
        for (at, c) in body.char_indices() {
            if packer.push(c) {
                pieces.push(&body[start..at]);
                start = at;
            }
        }
    }
    pieces.push(&body[start..]);
    pieces
}

/// Fills the parts of a longer body one character after the other, and counts what a single SMS needs as well:
/// which of the two it will be shows only at the end.
struct Packer {
    encoding: Encoding,
    units: u32,
    parts: u16,
    /// Units in the part being filled.
    used: u16,
}

impl Packer {
    fn new(encoding: Encoding) -> Self {
        Self { encoding, units: 0, parts: 1, used: 0 }
    }

    /// Adds a character that the encoding has; true if it did not fit and opened the next part.
    fn push(&mut self, c: char) -> bool {
        self.push_units(match self.encoding {
            Encoding::Gsm7 => septets(c),
            Encoding::Ucs2 if c > '\u{FFFF}' => 2,
            Encoding::Ucs2 => 1,
        })
    }

    /// As [`push`](Self::push), for a character of so many units, which stay together.
    fn push_units(&mut self, units: u8) -> bool {
        let units = u16::from(units);
        self.units = self.units.saturating_add(units.into());
        let opens = self.used + units > self.encoding.part_capacity();
        if opens {
            self.parts = self.parts.saturating_add(1);
            self.used = units;
        } else {
            self.used += units;
        }
        opens
    }

    fn finish(self, forces_ucs2: Option<char>) -> Segmentation {
        let Self { encoding, units, parts, used } = self;
        let (segments, units_left) = match u16::try_from(units) {
            Ok(0) => (0, encoding.single_capacity()),
            Ok(units) if units <= encoding.single_capacity() => (1, encoding.single_capacity() - units),
            _ => (parts, encoding.part_capacity() - used),
        };
        Segmentation { encoding, segments, units, units_left, forces_ucs2 }
    }
}

/// Septets that a character takes in GSM-7, 0 if it has none. Most bodies are Latin-1 throughout, and a table
/// counts them a third faster than the match does.
fn septets(c: char) -> u8 {
    u8::try_from(c).map_or_else(|_| alphabet(c), |latin1| LATIN_1[usize::from(latin1)])
}

/// [`alphabet`] of the characters below U+0100.
const LATIN_1: [u8; 0x100] = {
    let mut table = [0; 0x100];
    let mut code = 0;
    while code < table.len() {
        table[code] = alphabet(code as u8 as char);
        code += 1;
    }
    table
};

/// The GSM 7-bit default alphabet (3GPP TS 23.038, 6.2.1), one septet each, and its extension table (6.2.1.1), two:
/// ESC and a code.
///
/// Lookalikes are not folded, since the phone must show what was sent: no `ç` (code 9 is `Ç`), no backtick, no
/// tab. ESC itself has a code only as the way into the extension table; it is no character.
const fn alphabet(c: char) -> u8 {
    match c {
        '\n' | '\r' | ' '..='Z' | '_' | 'a'..='z' => 1,
        '¡' | '£' | '¤' | '¥' | '§' | '¿' => 1,
        'Ä' | 'Å' | 'Æ' | 'Ç' | 'É' | 'Ñ' | 'Ö' | 'Ø' | 'Ü' | 'ß' => 1,
        'à' | 'ä' | 'å' | 'æ' | 'è' | 'é' | 'ì' | 'ñ' | 'ò' | 'ö' | 'ø' | 'ù' | 'ü' => 1,
        'Γ' | 'Δ' | 'Θ' | 'Λ' | 'Ξ' | 'Π' | 'Σ' | 'Φ' | 'Ψ' | 'Ω' => 1,
        '\x0C' | '[' | '\\' | ']' | '^' | '{' | '|' | '}' | '~' | '€' => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Segments, units and units left of a body.
    fn counts(body: &str) -> (u16, u32, u16) {
        let Segmentation { segments, units, units_left, .. } = segment(body);
        (segments, units, units_left)
    }

    fn lengths(body: &str) -> Vec<usize> {
        split(body).into_iter().map(|piece| piece.chars().count()).collect()
    }

    #[test]
    fn an_empty_body_is_nothing_to_send() {
        assert_eq!(counts(""), (0, 0, 160));
        assert_eq!(segment("").encoding, Encoding::Gsm7);
        assert!(split("").is_empty());
    }

    #[test]
    fn gsm7_holds_160_septets_or_153_a_part() {
        assert_eq!(counts(&"a".repeat(160)), (1, 160, 0));
        assert_eq!(counts(&"a".repeat(161)), (2, 161, 145));
        assert_eq!(counts(&"a".repeat(306)), (2, 306, 0));
        assert_eq!(counts(&"a".repeat(307)), (3, 307, 152));
        assert_eq!(lengths(&"a".repeat(307)), [153, 153, 1]);
    }

    #[test]
    fn ucs2_holds_70_code_units_or_67_a_part() {
        assert_eq!(counts(&"ы".repeat(70)), (1, 70, 0));
        assert_eq!(counts(&"ы".repeat(71)), (2, 71, 63));
        assert_eq!(counts(&"ы".repeat(134)), (2, 134, 0));
        assert_eq!(counts(&"ы".repeat(135)), (3, 135, 66));
        assert_eq!(lengths(&"ы".repeat(135)), [67, 67, 1]);
    }

    #[test]
    fn an_escape_sequence_moves_to_the_next_part_as_a_whole() {
        let body = format!("{}€{}", "a".repeat(152), "b".repeat(152));
        assert_eq!(counts(&body), (3, 306, 152));
        assert_eq!(lengths(&body), [152, 152, 1]);
        // In a single SMS there is nothing to move.
        assert_eq!(counts(&"€".repeat(80)), (1, 160, 0));
    }

    #[test]
    fn a_surrogate_pair_moves_to_the_next_part_as_a_whole() {
        let body = format!("{}🙂{}", "a".repeat(66), "b".repeat(66));
        assert_eq!(counts(&body), (3, 134, 66));
        assert_eq!(lengths(&body), [66, 66, 1]);
        assert_eq!(counts(&"🙂".repeat(35)), (1, 70, 0));
    }

    #[test]
    fn the_first_character_outside_the_alphabet_is_named() {
        assert_eq!(segment("a|€\r\nÇ").forces_ucs2, None);
        for (body, first) in
            [("aç", 'ç'), ("`~`", '`'), ("a\tb🙂", '\t'), ("e\u{301}", '\u{301}'), ("\x1b", '\x1b')]
        {
            assert_eq!(segment(body).forces_ucs2, Some(first));
        }
        // An extension character is one code unit once the body is UCS-2.
        assert_eq!(counts("[ç]"), (1, 3, 67));
    }

    #[test]
    fn encodings_have_one_name() {
        for encoding in [Encoding::Gsm7, Encoding::Ucs2] {
            assert_eq!(Encoding::parse(encoding.as_str()), Some(encoding));
            assert_eq!(serde_json::json!(encoding), encoding.to_string());
        }
        assert_eq!(Encoding::parse("GSM7"), None);
    }

    proptest! {
        #[test]
        fn parts_are_full_and_join_to_the_body(body in "([a-z]|[€{~]|[ы🙂]){0,400}|[a-z€]{100,500}") {
            let whole = segment(&body);
            let pieces = split(&body);
            prop_assert_eq!(pieces.concat(), body.as_str());
            prop_assert_eq!(pieces.len(), usize::from(whole.segments));
            if let [_, .., last] = pieces[..] {
                // Measured apart, in the encoding of the whole.
                let units = |text: &str| -> u16 {
                    match whole.encoding {
                        Encoding::Gsm7 => text.chars().map(|c| if "€{~".contains(c) { 2 } else { 1 }).sum(),
                        Encoding::Ucs2 => text.chars().map(|c| c.len_utf16() as u16).sum(),
                    }
                };
                let capacity = whole.encoding.part_capacity();
                prop_assert_eq!(units(last) + whole.units_left, capacity);
                for pair in pieces.windows(2) {
                    let next: String = pair[1].chars().take(1).collect();
                    prop_assert!(units(pair[0]) <= capacity);
                    prop_assert!(units(pair[0]) + units(&next) > capacity);
                }
            }
        }
    }
}
