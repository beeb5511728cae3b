//! What must hold of the parsers, whatever they are given. The fuzz targets and a test call these.

use crate::id::DeviceId;
use crate::key::{Credential, CredentialError, KeyId};
use crate::message::{Body, Failure, MAX_SEGMENTS};
use crate::phone::PhoneNumber;
use crate::rate::RateLimit;
use crate::segment::{self, Encoding};
use crate::text::printable;
use crate::time::Timestamp;

/// A check by its name.
pub type Target = (&'static str, fn(&[u8]));

/// The checks of this crate.
pub const TARGETS: &[Target] = &[
    ("credential", credential),
    ("id", id),
    ("phone", phone),
    ("rate", rate),
    ("segment", segment),
    ("text", text),
    ("timestamp", timestamp),
];

/// Asserts that `shown`, which an error says of an input, has nothing of the input: our own words are plain ASCII on one
/// line, and no telephone number is among them.
pub fn assert_discreet(shown: &str) {
    assert!(shown.len() <= 512, "an error of {} bytes", shown.len());
    assert!(shown.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "an error that repeats its input");
    // Code points, as in U+0000, are fine.
    let plain = shown.replace("U+", "");
    let number = plain.as_bytes().windows(2).any(|pair| pair[0] == b'+' && pair[1].is_ascii_digit());
    assert!(!number, "an error with a telephone number");
}

/// A number reads back from its text, and is shown by nothing else.
pub fn phone(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<PhoneNumber>() {
        Ok(number) => {
            assert_eq!(number.expose().as_str(), text);
            assert!((8..=16).contains(&text.len()));
            assert_eq!(format!("{number:?}"), "PhoneNumber(***)");
        }
        Err(error) => assert_discreet(&error.to_string()),
    }
}

/// A credential is its own text, shows no secret, and any other letter in it is noticed.
pub fn credential(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        check_credential(text);
    }
    // Few inputs have a good checksum, so another is made that has.
    if let Some(signed) = sign(data) {
        assert!(check_credential(&signed), "a credential with a good checksum is one");
    }
}

fn check_credential(text: &str) -> bool {
    let read = match Credential::parse(text) {
        Ok(read) => read,
        Err(error) => {
            assert_discreet(&error.to_string());
            return false;
        }
    };
    assert_eq!(read.expose(), text);
    assert_eq!(read.id().to_string().parse(), Ok(read.id()));
    assert!(read.digest().matches(&read));
    let shown = format!("{read:?} {:?}", read.digest());
    assert!(text.rsplit('_').next().is_some_and(|secret| !shown.contains(secret)));
    for at in [text.len() - 1, text.len() - 20, text.len() - 60] {
        let other = if &text[at..=at] == "a" { "b" } else { "a" };
        let mistyped = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        assert!(Credential::parse(&mistyped).is_err(), "a letter was changed");
    }
    assert!(matches!(Credential::parse(&text[..text.len() - 1]), Err(CredentialError::Checksum)));
    true
}

/// What a gateway would have made of these bytes.
fn sign(data: &[u8]) -> Option<String> {
    let (id, rest) = data.split_first_chunk::<10>()?;
    let (secret, rest) = rest.split_first_chunk::<32>()?;
    let kind = if rest.is_empty() { "dev" } else { "tok" };
    let base32 = |bytes: &[u8]| data_encoding::BASE32_NOPAD.encode(bytes).to_ascii_lowercase();
    let body = format!("sgw_{kind}_{}_{}", KeyId::from_bytes(*id), base32(secret));
    let crc = crc32fast::hash(body.as_bytes()).to_be_bytes();
    Some(body + &base32(&crc))
}

/// An id has one spelling.
pub fn id(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<DeviceId>() {
        Ok(id) => assert_eq!(id.to_string(), text),
        Err(error) => assert_discreet(&error.to_string()),
    }
    if let Ok(id) = text.parse::<KeyId>() {
        assert_eq!(id.to_string(), text);
    }
}

/// A rate reads back from what it shows, and lets something through within an hour.
pub fn rate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<RateLimit>() {
        Ok(rate) => {
            assert_eq!(rate.to_string().parse(), Ok(rate));
            let interval = rate.interval().as_nanos();
            assert!((1_000..=3_600_000_000_000).contains(&interval));
        }
        Err(error) => assert_discreet(&error.to_string()),
    }
}

/// A time reads back from what it shows, to the microsecond, and lies within what can be written.
pub fn timestamp(data: &[u8]) {
    if let Some(time) = std::str::from_utf8(data).ok().and_then(Timestamp::parse) {
        check_time(time);
    }
    if let Some(micros) = data.first_chunk() {
        check_time(Timestamp::from_micros(i64::from_be_bytes(*micros)));
    }
}

fn check_time(time: Timestamp) {
    assert!((Timestamp::EPOCH..=Timestamp::MAX).contains(&time));
    let shown = time.to_string();
    assert!(shown.len() <= 27 && shown.ends_with('Z'));
    assert_eq!(Timestamp::parse(&shown), Some(time));
}

/// The pieces of a body are as many as were counted, fit, and join to the body.
pub fn segment(data: &[u8]) {
    let body = String::from_utf8_lossy(data);
    let counted = segment::segment(&body);
    let pieces = segment::split(&body);
    assert_eq!(pieces.concat(), body);
    assert_eq!(pieces.len(), usize::from(counted.segments));
    let capacity = match pieces.len() {
        0 | 1 => counted.encoding.single_capacity(),
        _ => counted.encoding.part_capacity(),
    };
    let units = |text: &str| match counted.encoding {
        Encoding::Gsm7 => segment::segment(text).units,
        Encoding::Ucs2 => text.encode_utf16().count() as u32,
    };
    assert!(pieces.iter().all(|piece| units(piece) <= capacity.into()));
    assert_eq!(pieces.iter().map(|piece| units(piece)).sum::<u32>(), counted.units);
    assert_eq!(
        pieces.last().map_or(0, |last| units(last)) + u32::from(counted.units_left),
        u32::from(capacity)
    );
    assert_eq!(counted.forces_ucs2.is_some(), counted.encoding == Encoding::Ucs2);
    match Body::new(&*body) {
        Ok(accepted) => {
            assert_eq!(accepted.expose(), body);
            assert!((1..=MAX_SEGMENTS).contains(&counted.segments));
            let bare = body.replace(['\n', '\r', '\t'], "");
            assert!(!bare.contains(char::is_control));
        }
        Err(error) => assert_discreet(&error.to_string()),
    }
}

/// What a device says of a failure becomes one line of at most 256 characters.
pub fn text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let line = printable(&text);
    assert_line(&line);
    assert_eq!(printable(&line), line);
    let Failure { code, detail } = Failure::from_device(&text);
    assert!((1..=64).contains(&code.len()));
    assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
    assert_eq!(detail, (code != text).then_some(line));
}

/// Asserts that `line` may stand in a log.
pub fn assert_line(line: &str) {
    assert!(line.chars().count() <= 256, "a line of {} characters", line.chars().count());
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!line.contains(hidden), "a line with control characters");
}
