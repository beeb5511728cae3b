//! `gateway token`

use crate::place::{FREE, Place, answer_to};

#[test]
fn it_prints_a_token_that_the_running_gateway_takes() {
    let place = Place::new();
    let env = [("DATABASE_URL", "sqlite://sms.db")];
    let (_process, ready) = place.start(&FREE, &env);
    let http = ready["http"].as_str().expect("an address");
    let said = place.run(&["token", "--account", "shop", "--expires", "90d"], &env);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.starts_with("sgw_tok_") && said.stdout.lines().count() == 1, "the token alone");
    assert_eq!(answer_to(&format!("{http}/devices"), said.stdout.trim()).0, 200);
    assert_eq!(answer_to(&format!("{http}/devices"), "sgw_tok_nonsense").0, 401);
}

#[test]
fn in_the_demo_it_is_for_the_account_of_the_demo() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &[]);
    let said = place.run(&["token"], &[]);
    let http = ready["http"].as_str().expect("an address");
    let (_, devices) = answer_to(&format!("{http}/devices"), said.stdout.trim());
    assert_eq!(devices["items"].as_array().map(Vec::len), Some(1), "{devices}");
}

#[test]
fn a_span_that_cannot_be_read_is_a_mistake_of_the_command_line() {
    for wrong in ["", "90", "d", "-1d", "0d", "1y", "99999999d"] {
        let place = Place::new();
        let said = place.run(&["token", "--expires", wrong], &[]);
        assert_eq!(said.code, Some(2), "{wrong}: {}", said.stderr);
        assert!(said.stdout.is_empty() && place.names().is_empty(), "{wrong}");
    }
}
