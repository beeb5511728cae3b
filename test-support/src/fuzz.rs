//! Runs what fuzz targets run, without a fuzzer: over the inputs of `fuzz/corpus`, and over mutations of them.

use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// A fuzz target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Mutations of each target.
const ROUNDS: usize = 4_000;
/// The longest input that is made, in bytes.
const LONGEST: usize = 8 * 1024;

/// What stands for something else where formats meet.
const WORDS: [&str; 16] = [
    "\0", "\n", "+", ":", "/", "#", "\"", "\\u0000", "\\ud800", "\u{202e}", "👋", "€", "null", "-1", "1e309",
    "[[[[[[[[",
];

/// Gives each target every input of its corpus, and mutations of them, the same in every run.
///
/// # Panics
/// Where a target has no corpus or no `fuzz/fuzz_targets/NAME.rs`, or panics; it then says which input does it.
pub fn smoke(targets: &[Target]) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    for (name, target) in targets {
        assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).is_file(), "{name} has no fuzz target");
        let corpus = read_all(&fuzz.join("corpus").join(name));
        assert!(!corpus.is_empty(), "{name} has no corpus");
        let mut random = fastrand::Rng::with_seed(7);
        for (file, input) in &corpus {
            run(name, *target, input, file);
        }
        for round in 0..ROUNDS {
            let mut input = random.choice(&corpus).map(|(_, input)| input.clone()).unwrap_or_default();
            for _ in 0..random.usize(1..=4) {
                mutate(&mut input, &corpus, &mut random);
            }
            run(name, *target, &input, &format!("mutation {round}"));
        }
    }
}

fn run(name: &str, target: fn(&[u8]), input: &[u8], from: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        panic!("{name}, {from}: {}: {}", message(&*panic), input.escape_ascii());
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic")
}

fn read_all(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut corpus: Vec<_> = entries
        .map(|entry| {
            let input = fs::read(entry.path()).expect("a file of the corpus");
            (entry.file_name().to_string_lossy().into_owned(), input)
        })
        .collect();
    corpus.sort();
    corpus
}

fn mutate(input: &mut Vec<u8>, corpus: &[(String, Vec<u8>)], random: &mut fastrand::Rng) {
    let at = random.usize(..=input.len());
    let end = random.usize(at..=input.len());
    match random.u8(..8) {
        0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
        1 if at < input.len() => input[at] = random.u8(..),
        2 => drop(input.drain(at..end)),
        3 => input.truncate(at),
        4 => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        5 => {
            let word = WORDS[random.usize(..WORDS.len())];
            input.splice(at..end.min(at + 1), word.bytes());
        }
        6 => {
            if let Some((_, other)) = random.choice(corpus) {
                let from = random.usize(..=other.len());
                input.splice(at.., other[from..].iter().copied());
            }
        }
        _ => {
            let piece = input[at..end].repeat(random.usize(1..=64));
            input.splice(at..end, piece);
        }
    }
    input.truncate(LONGEST);
}
