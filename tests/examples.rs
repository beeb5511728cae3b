//! The examples that run to their end do, and print what they say they do.

mod support;

use std::process::Command;

use support::example;

fn output(name: &str) -> String {
    let output = Command::new(example(name)).output().expect("runs");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn embed_runs_two_gateways_side_by_side() {
    let said = output("embed");
    for line in [
        "the phone of north sends: hello from the north",
        "the phone of south sends: hello from the south",
        "north has 1 message",
        "south has 1 message",
    ] {
        assert_eq!(said.lines().filter(|said| *said == line).count(), 1, "{line}: {said}");
    }
}

#[test]
fn custom_queue_lets_accounts_take_turns() {
    let said = output("custom_queue");
    assert_eq!(said.lines().filter(|line| line.starts_with("sent: busy")).count(), 6, "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("sent: quiet")).count(), 2, "{said}");
}
