//! Segmentation against two independent implementations; `oracles/README.md` says which, and where they differ.

use std::collections::HashMap;

use serde::{Deserialize, de::DeserializeOwned};
use smsgw_core::segment::{Encoding, segment, split};

#[derive(Debug, Deserialize)]
struct Vector {
    body: String,
    encoding: Encoding,
    segments: u16,
    units: u32,
}

#[derive(Debug, Deserialize)]
struct Letter {
    char: char,
    septets: u32,
}

fn lines<T: DeserializeOwned>(text: &str) -> Vec<T> {
    text.lines().map(|line| serde_json::from_str(line).expect("generate.sh writes JSON lines")).collect()
}

fn vectors() -> Vec<Vector> {
    lines(include_str!("data/segment_vectors.jsonl"))
}

/// The GSM-7 characters and their septets.
fn alphabet() -> HashMap<char, u32> {
    let letters = lines::<Letter>(include_str!("data/gsm7_alphabet.jsonl"));
    letters.into_iter().map(|letter| (letter.char, letter.septets)).collect()
}

#[test]
fn every_character_is_in_the_alphabet_of_the_oracle_or_in_neither() {
    let alphabet = alphabet();
    assert_eq!(alphabet.len(), 137, "127 in the default table without ESC, 10 in the extension");
    for c in '\0'..=char::MAX {
        let got = segment(c.encode_utf8(&mut [0; 4]));
        match alphabet.get(&c) {
            Some(&septets) => assert_eq!((got.encoding, got.units), (Encoding::Gsm7, septets), "{c:?}"),
            None => assert_eq!((got.encoding, got.forces_ucs2), (Encoding::Ucs2, Some(c)), "{c:?}"),
        }
    }
}

#[test]
fn every_body_counts_as_the_oracle_says() {
    let alphabet = alphabet();
    for Vector { body, encoding, segments, units } in vectors() {
        let got = segment(&body);
        assert_eq!((got.encoding, got.segments, got.units), (encoding, segments, units), "{body:?}");
        assert_eq!(got.forces_ucs2, body.chars().find(|c| !alphabet.contains_key(c)), "{body:?}");
    }
}

#[test]
fn every_body_is_split_into_the_parts_that_were_counted() {
    let alphabet = alphabet();
    for Vector { body, encoding, segments, .. } in vectors() {
        let pieces = split(&body);
        assert_eq!(pieces.concat(), body);
        assert_eq!(pieces.len(), usize::from(segments), "{body:?}");

        let units = |c: char| match encoding {
            Encoding::Gsm7 => usize::try_from(alphabet[&c]).expect("one or two"),
            Encoding::Ucs2 => c.len_utf16(),
        };
        let capacity = if segments == 1 { encoding.single_capacity() } else { encoding.part_capacity() };
        let used: Vec<usize> = pieces.iter().map(|piece| piece.chars().map(units).sum()).collect();
        assert!(used.iter().all(|&used| used <= usize::from(capacity)), "{body:?}");
        assert_eq!(used.last(), Some(&usize::from(capacity - segment(&body).units_left)), "{body:?}");
    }
}
