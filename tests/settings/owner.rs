//! Root makes a token beside a service that runs as another user. Only root can test that.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use smsgw_test_support::Missing;

use crate::place::{FREE, Place, answer_to};
use crate::support::{PATIENCE, Process, example};

/// A user whom no other program of this machine has.
const SERVICE: u32 = 10_001;
const ENV: [(&str, &str); 1] = [("DATABASE_URL", "sqlite://sms.db")];

/// A directory of the service's. Nothing where this may not make one, unless it must.
fn of_the_service() -> Option<Place> {
    let required =
        std::env::var("SMSGW_TEST_REQUIRE").is_ok_and(|names| names.split(',').any(|n| n == "root"));
    match given_away() {
        Ok(place) => Some(place),
        Err(Missing(why)) if required => panic!("{why}"),
        Err(_) => None,
    }
}

fn given_away() -> Result<Place, Missing> {
    let place = Place::new();
    let given = chown(place.path(), Some(SERVICE), Some(SERVICE));
    given.map_err(|error| Missing(format!("no directory can be given away ({error}): run as root")))?;
    let mut program = Command::new(example("gateway"));
    let runs = program.arg("--version").uid(SERVICE).gid(SERVICE).output();
    if !runs.is_ok_and(|output| output.status.success()) {
        return Err(Missing("this checkout is closed to other users, as in a home directory".into()));
    }
    Ok(place)
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

#[test]
fn what_was_left_by_one_that_was_killed_is_given_away() {
    let Some(place) = of_the_service() else { return };
    let left = place.write("sms.db", "");
    assert_eq!(left.metadata().expect("it is there").uid(), 0);
    let token = token(&place);
    assert_eq!(left.metadata().expect("it is there").uid(), SERVICE);
    let (_service, ready) = service(&place);
    let http = ready["http"].as_str().expect("an address");
    assert_eq!(answer_to(&format!("{http}/devices"), &token).0, 200);
}

#[test]
fn a_file_of_root_that_the_service_only_names_is_not_given_away() {
    let links: [fn(&std::path::Path, &std::path::Path) -> std::io::Result<()>; 2] =
        [|file, link| symlink(file, link), |file, link| fs::hard_link(file, link)];
    for link in links {
        let Some(place) = of_the_service() else { return };
        let file = place.write("of_root", "");
        link(&file, &place.path().join("sms.db")).expect("a link");
        place.run(&["token"], &ENV);
        assert_eq!(file.metadata().expect("it is there").uid(), 0);
    }
}
