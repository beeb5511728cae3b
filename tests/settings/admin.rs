//! Who administers a gateway that is new.

use crate::place::{FREE, Place, answer_to};

const ENV: [(&str, &str); 1] = [("DATABASE_URL", "sqlite://sms.db")];

#[test]
fn the_first_start_makes_an_administrator_and_shows_the_token_once() {
    let place = Place::new();
    let (first, ready) = place.start(&FREE, &ENV);
    let token = ready["admin_token"].as_str().expect("a token").to_owned();
    let http = ready["http"].as_str().expect("an address");
    assert_eq!(answer_to(&format!("{http}/users"), &token).0, 200);
    drop(first);
    let (_second, ready) = place.start(&FREE, &ENV);
    assert!(ready["admin_token"].is_null(), "{ready}");
    let http = ready["http"].as_str().expect("an address");
    assert_eq!(answer_to(&format!("{http}/users"), &token).0, 200, "it is still good");
}

#[test]
fn an_operator_may_bring_the_token_along() {
    let place = Place::new();
    let said = place.run(&["token", "generate"], &[]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(place.names().is_empty(), "nothing is kept: {:?}", place.names());
    let token = said.stdout.trim().to_owned();
    let env = [ENV[0], ("SMSGW_ADMIN_TOKEN", token.as_str())];
    for _ in 0..2 {
        let (_process, ready) = place.start(&FREE, &env);
        assert!(ready["admin_token"].is_null() && ready["token"].is_null(), "{ready}");
        let http = ready["http"].as_str().expect("an address");
        assert_eq!(answer_to(&format!("{http}/audit"), &token).0, 200);
    }
}

#[test]
fn a_token_of_another_shape_is_refused_before_anything_is_opened() {
    let place = Place::new();
    let generated = place.run(&["token", "generate"], &[]).stdout;
    let cut = &generated.trim()[..60];
    for wrong in ["secret", "sgw_dev_aaaaaaaaaaaaaaaa_x", cut] {
        let said = place.run(&["--json"], &[ENV[0], ("SMSGW_ADMIN_TOKEN", wrong)]);
        assert_eq!(said.code, Some(78), "{}", said.stderr);
        assert!(said.stderr.contains("SMSGW_ADMIN_TOKEN") && !said.stderr.contains(wrong), "{}", said.stderr);
        assert!(place.names().is_empty(), "{:?}", place.names());
    }
}

#[test]
fn a_token_opens_no_more_than_its_scopes() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &ENV);
    let http = ready["http"].as_str().expect("an address");
    let made = |args: &[&str]| {
        let said = place.run(&[&["token", "create", "--account", "shop"], args].concat(), &ENV);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        said.stdout.trim().to_owned()
    };
    let reads = made(&["--scopes", "messages:read"]);
    let all = made(&[]);
    let status = |route: &str, token: &str| answer_to(&format!("{http}{route}"), token).0;
    assert_eq!(
        [status("/messages", &reads), status("/devices", &reads), status("/users", &reads)],
        [200, 403, 403]
    );
    assert_eq!(
        [status("/messages", &all), status("/devices", &all), status("/users", &all)],
        [200, 200, 403]
    );
    let refused = place.run(&["token", "--account", "shop", "--scopes", "admin"], &ENV);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("--admin"), "{}", refused.stderr);
    let admin = made(&["--admin", "--scopes", "admin"]);
    assert_eq!([status("/users", &admin), status("/messages", &admin)], [200, 403]);
    let wrong = place.run(&["token", "--scopes", "everything"], &ENV);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}
