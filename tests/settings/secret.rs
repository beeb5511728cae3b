//! The secret that nobody has given: where it is kept, and how it is made.

use std::fs;
use std::process::Command;

use crate::place::{FREE, Place};

/// One that an operator has.
const OLD: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const ENV: [(&str, &str); 1] = [("DATABASE_URL", "sqlite://mine/sms.db")];

/// Starts it, ends it again, and says what is in the directory of the database.
fn names_beside(place: &Place, args: &[&str]) -> Vec<String> {
    let (mut process, _) = place.start(&[&FREE[..], args].concat(), &ENV);
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0), "{}", place.log());
    names(place, "mine")
}

fn names(place: &Place, directory: &str) -> Vec<String> {
    let entries = fs::read_dir(place.path().join(directory)).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn it_is_beside_its_database() {
    let place = Place::new();
    let said = place.run(&[&["check"], &FREE[..]].concat(), &ENV);
    assert!(said.stdout.contains("mine/secret.key is not there yet"), "{}", said.stdout);
    assert_eq!(names_beside(&place, &["--data", "data"]), ["secret.key", "sms.db"]);
    assert!(!place.path().join("data").exists());
    let made = fs::read_to_string(place.path().join("mine/secret.key")).expect("a secret");
    assert_eq!(made.trim().len(), 64);
    // Whoever moves the data directory changes nothing.
    names_beside(&place, &["--data", "elsewhere"]);
    assert_eq!(made, fs::read_to_string(place.path().join("mine/secret.key")).expect("a secret"));
}

#[test]
fn one_in_the_data_directory_goes_on_and_is_advised_to_move() {
    let place = Place::new();
    names_beside(&place, &[]);
    fs::remove_file(place.path().join("mine/secret.key")).expect("removed");
    fs::create_dir(place.path().join("data")).expect("a directory");
    place.write("data/secret.key", OLD);
    assert_eq!(names_beside(&place, &["--data", "data"]), ["sms.db"], "none is made");
    assert!(place.log().contains("data/secret.key; move it beside its database, to mine/secret.key"));
    let said = place.run(&[&["check", "--data", "data"], &FREE[..]].concat(), &ENV);
    assert!(said.stdout.contains("is kept in data/secret.key"), "{}", said.stdout);
}

#[test]
fn one_in_the_data_directory_is_not_for_a_new_database() {
    let place = Place::new();
    fs::create_dir(place.path().join("data")).expect("a directory");
    place.write("data/secret.key", OLD);
    assert_eq!(names_beside(&place, &["--data", "data"]), ["secret.key", "sms.db"]);
    assert_ne!(fs::read_to_string(place.path().join("mine/secret.key")).expect("a secret").trim(), OLD);
}

/// In a container each process has the same id.
#[test]
fn what_a_crash_has_left_under_the_same_process_id_stops_no_start() {
    let place = Place::new();
    let gateway = place.command(&[], &[]).get_program().to_owned();
    fs::create_dir(place.path().join("mine")).expect("a directory");
    let mut shell = Command::new("sh");
    let script =
        "for left in mine/secret.key.$$ mine/.secret.key.$$; do echo half > $left; done\nexec \"$@\"";
    shell.args(["-c", script, "sh"]).arg(gateway).args(FREE).args(["--data", "mine", "--json"]);
    shell
        .env_clear()
        .envs(ENV)
        .env("RUST_LOG", "warn")
        .env("PATH", "/usr/bin:/bin")
        .current_dir(place.path());
    let process = crate::support::Process::start(&mut shell);
    assert!(process.line(crate::support::PATIENCE).is_some(), "it starts");
}

#[test]
fn gateways_that_start_at_once_agree() {
    let place = Place::new();
    fs::create_dir(place.path().join("mine")).expect("a directory");
    let all: Vec<_> = ["a", "b", "c", "d"]
        .into_iter()
        .map(|data| {
            let mut command = place.command(&[&FREE[..], &["--json", "--data", data]].concat(), &ENV);
            crate::support::Process::start(&mut command)
        })
        .collect();
    for process in &all {
        assert!(process.line(crate::support::PATIENCE).is_some(), "it starts");
    }
    let secrets: Vec<String> =
        names(&place, "mine").into_iter().filter(|name| name.contains("secret")).collect();
    assert_eq!(secrets, ["secret.key"], "one, and nothing of those that came second");
    for data in ["a", "b", "c", "d"] {
        assert!(!place.path().join(data).exists(), "{data}");
    }
}
