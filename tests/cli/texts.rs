//! What needs no gateway: `openapi`, `completions`, `--help`, `serve`.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::json;
use crate::place::{FREE, Place, answer_to};
use crate::support::example;

#[test]
fn openapi_prints_what_the_gateway_serves() {
    let place = Place::new();
    let (_process, ready) = place.start(&[&["serve"], &FREE[..]].concat(), &[]);
    let (http, token) = (ready["http"].as_str().expect("one"), ready["token"].as_str().expect("one"));
    let (status, served) = answer_to(&format!("{http}/openapi.json"), token);
    let said = place.run(&["openapi"], &[]);
    assert_eq!((status, said.code), (200, Some(0)));
    assert_eq!(json(&said), served);
}

#[test]
fn bash_takes_its_completions() {
    let place = Place::new();
    let said = place.run(&["completions", "bash"], &[]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("--rate-limit") && said.stdout.contains("revoke"));
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("bash");
    bash.stdin.take().expect("piped").write_all(said.stdout.as_bytes()).expect("written");
    assert!(bash.wait().expect("ends").success());
    for shell in ["zsh", "fish"] {
        assert!(place.run(&["completions", shell], &[]).stdout.contains("gateway"), "{shell}");
    }
    assert_eq!(place.run(&["completions", "dos"], &[]).code, Some(2));
}

#[test]
fn nobody_need_read_all_that_is_printed() {
    let script = "set -o pipefail; { sleep 0.3; \"$0\" openapi; } | true";
    let said = Command::new("bash").args(["-c", script]).arg(example("gateway")).output().expect("bash");
    let wrong = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && wrong.is_empty(), "{wrong}");
}

#[test]
fn help_says_with_what_each_command_ends() {
    let place = Place::new();
    for command in [
        "",
        "serve",
        "check",
        "config",
        "migrate",
        "certs",
        "token",
        "device",
        "send",
        "openapi",
        "completions",
    ] {
        let args: Vec<&str> = [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let said = place.run(&args, &[("SMSGW_TOKEN", "hunter2")]);
        assert_eq!(said.code, Some(0), "{command}: {}", said.stderr);
        for code in ["Exit codes:", "  2 ", "  69 ", "  75 ", "  77 ", "  78 "] {
            assert!(said.stdout.contains(code), "{command}: {code}");
        }
        assert!(!said.stdout.contains("hunter2"), "{command}");
    }
}
