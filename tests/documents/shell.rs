//! Shell commands: a shell reads them, and what they name is there: programs of ours with their flags, targets of make, examples and
//! features of cargo. What asks the gateway is run.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::process::{Command, Output};

use crate::blocks::{Block, root};
use crate::support::{Gateway, example};

/// Programs of others, which are not here or would change the machine.
const OTHERS: [&str; 14] = [
    "cd",
    "chown",
    "cp",
    "docker",
    "mosquitto_ctrl",
    "pip",
    "pkg",
    "python",
    "python3",
    "sudo",
    "termux-wake-lock",
    "test",
    "unset",
    "export",
];

/// A gateway for all commands that ask one, from the first of them on.
#[derive(Default)]
pub(crate) struct Shell(OnceCell<(tempfile::TempDir, Gateway)>);

impl Shell {
    pub(crate) fn check(&self, block: &Block) {
        check(block);
        if block.text.contains("$SMSGW") {
            let (_, gateway) = self.0.get_or_init(|| {
                let dir = tempfile::tempdir().expect("a directory");
                let gateway = Gateway::start(&dir.path().join("demo"), &["--devices", "1"]);
                (dir, gateway)
            });
            run(block, gateway);
        }
    }
}

fn check(block: &Block) {
    let read = Command::new("bash").args(["-n", "-c", &block.text]).output().expect("bash runs");
    assert!(read.status.success(), "{block}: {}", String::from_utf8_lossy(&read.stderr));
    for line in block.text.replace("\\\n", " ").lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["cargo", rest @ ..] => cargo(block, rest),
            ["make", target, ..] => assert!(targets().contains(*target), "{block}: make {target}"),
            ["gateway" | "smsgw", rest @ ..] | ["sudo", "smsgw", rest @ ..] => flags(block, "gateway", rest),
            [path, ..] if path.starts_with("./") => {
                assert!(root().join(path).exists(), "{block}: {path}");
            }
            [] => {}
            [word, ..] => {
                let is_known = block.text.contains("$SMSGW")
                    || OTHERS.contains(word)
                    || word.contains(['=', '(', '{', '}']);
                assert!(is_known, "{block}: nothing checks {word}");
            }
        }
    }
}

/// Runs what asks a gateway, as a user would paste it.
fn run(block: &Block, gateway: &Gateway) {
    // What is refused is no success either.
    let script = format!("set -euo pipefail\ncurl() {{ command curl --fail \"$@\"; }}\n{}", block.text);
    let Output { status, stdout, stderr } = Command::new("bash")
        .args(["-c", &script])
        .env("SMSGW", &gateway.http)
        .env("TOKEN", &gateway.token)
        .env("SMSGW_TOKEN", &gateway.token)
        .output()
        .expect("bash runs");
    let (said, wrong) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{block}: {said}{wrong}");
}

fn cargo(block: &Block, words: &[&str]) {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let manifest: toml::Table = toml::from_str(&manifest).expect("TOML");
    let (own, given) = match words.iter().position(|word| *word == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (words, &[][..]),
    };
    let value =
        |flag: &str| own.iter().position(|word| *word == flag).and_then(|at| own.get(at + 1)).copied();
    if value("-p").is_some() {
        return;
    }
    for feature in value("--features").unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
        assert!(manifest["features"].get(feature).is_some(), "{block}: no feature {feature}");
    }
    if let Some(name) = value("--example") {
        let there = root().join(format!("examples/{name}.rs")).exists()
            || root().join("examples").join(name).is_dir();
        assert!(there, "{block}: no example {name}");
        flags(block, name, given);
    }
}

/// Whether the program has the subcommand and the flags.
fn flags(block: &Block, program: &str, words: &[&str]) {
    let is_word =
        |word: &&&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !word.starts_with('-');
    let mut command: Vec<&str> = words.iter().take_while(is_word).copied().collect();
    let help = loop {
        let said = Command::new(example(program)).args(&command).arg("--help").output().expect("it runs");
        if said.status.success() || command.pop().is_none() {
            break String::from_utf8(said.stdout).expect("text");
        }
    };
    if let Some(first) = words.first().filter(|word| is_word(word)) {
        assert!(!command.is_empty() || program != "gateway", "{block}: {program} has no command {first}");
    }
    for flag in words.iter().filter(|word| word.starts_with("--")) {
        let flag = flag.split('=').next().unwrap_or_default();
        assert!(help.contains(flag), "{block}: {program} {} has no {flag}", command.join(" "));
    }
}

fn targets() -> HashSet<String> {
    let makefile = std::fs::read_to_string(root().join("Makefile")).expect("the Makefile");
    let rules = makefile.lines().filter_map(|line| line.split_once(':'));
    rules.filter(|(name, _)| !name.contains([' ', '\t', '.'])).map(|(name, _)| name.to_owned()).collect()
}
