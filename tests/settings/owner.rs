//! Root makes a token beside a service that runs as another user. Only root can test that.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::place::{FREE, Place, answer_to};
use crate::support::{PATIENCE, Process, example};

/// A user whom no other program of this machine has.
const SERVICE: u32 = 10_001;
const ENV: [(&str, &str); 1] = [("DATABASE_URL", "sqlite://sms.db")];

/// A directory of the service's, where this may make one.
fn of_the_service() -> Option<Place> {
    let place = Place::new();
    chown(place.path(), Some(SERVICE), Some(SERVICE)).ok()?;
    // Some checkouts are closed to other users, as those in a home directory.
    let mut program = Command::new(example("gateway"));
    let runs = program.arg("--version").uid(SERVICE).gid(SERVICE).output();
    runs.is_ok_and(|output| output.status.success()).then_some(place)
}

fn service(place: &Place) -> (Process, serde_json::Value) {
    let mut command = place.command(&[&FREE[..], &["--json"]].concat(), &ENV);
    let process = Process::start(command.uid(SERVICE).gid(SERVICE));
    let first = process.line(PATIENCE).expect("the service starts");
    (process, serde_json::from_str(&first).expect("JSON"))
}

fn token(place: &Place) -> String {
    let said = place.run(&["token"], &ENV);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    said.stdout.trim().to_owned()
}

#[test]
fn a_service_opens_the_database_that_root_has_made() {
    let Some(place) = of_the_service() else { return };
    let token = token(&place);
    let (_service, ready) = service(&place);
    let http = ready["http"].as_str().expect("an address");
    assert_eq!(answer_to(&format!("{http}/devices"), &token).0, 200);
}

#[test]
fn nothing_of_root_is_left_beside_a_service_that_runs() {
    let Some(place) = of_the_service() else { return };
    let (_service, ready) = service(&place);
    let token = token(&place);
    let http = ready["http"].as_str().expect("an address");
    assert_eq!(answer_to(&format!("{http}/devices"), &token).0, 200);
    for name in place.names() {
        let owner = place.path().join(&name).metadata().expect("it is there").uid();
        assert_eq!(owner, SERVICE, "{name}");
    }
    assert!(place.names().iter().any(|name| name == "sms.db-wal"), "{:?}", place.names());
}
