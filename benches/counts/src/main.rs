//! Runs a part of smsgw again and again, so that its instructions can be counted: `smsgw-counts PART ROUNDS`. Without
//! arguments it names the parts.
#![allow(clippy::print_stdout, reason = "a program for the test beside it")]

#[path = "../../fixtures/message.rs"]
mod message;
mod parts;
#[path = "../../wire/words.rs"]
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let parts = parts::all();
    let Some(name) = arguments.next() else {
        for part in parts {
            println!("{}", part.name);
        }
        return ExitCode::SUCCESS;
    };
    let part = parts.into_iter().find(|part| part.name == name);
    let (Some(mut part), Some(Ok(rounds))) = (part, arguments.next().map(|text| text.parse::<u32>())) else {
        return ExitCode::FAILURE;
    };
    for _ in 0..rounds {
        (part.round)();
    }
    ExitCode::SUCCESS
}
