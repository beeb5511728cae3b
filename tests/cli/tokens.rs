//! `gateway token list` and `revoke`

use crate::json;
use crate::place::{FREE, Place, answer_to};

#[test]
fn a_token_is_listed_without_itself_and_opens_nothing_once_it_is_revoked() {
    let place = Place::new();
    let env = [("DATABASE_URL", "sqlite://sms.db")];
    let (_process, ready) = place.start(&FREE, &env);
    let devices = format!("{}/devices", ready["http"].as_str().expect("an address"));
    let made = json(&place.run(&["token", "create", "--account", "shop", "--name", "cron", "--json"], &env));
    let (id, token) = (made["id"].as_str().expect("an id"), made["token"].as_str().expect("a token"));
    assert_eq!(answer_to(&devices, token).0, 200);

    let said = place.run(&["token", "list"], &env);
    let row = said.stdout.lines().find(|line| line.starts_with(id)).expect("a row");
    assert!(row.contains("shop") && row.contains("cron"), "{row}");
    assert!(!said.stdout.contains(token));
    let list = json(&place.run(&["token", "list", "--account", "shop", "--output", "json"], &env));
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["items"][0]["revoked_at"], serde_json::Value::Null);

    assert_eq!(place.run(&["token", "revoke", id], &env).code, Some(0));
    let refused = crate::support::eventually("it opens nothing", || {
        Some(answer_to(&devices, token).0).filter(|status| *status != 200)
    });
    assert_eq!(refused, 401);
    let list = json(&place.run(&["token", "list", "--account", "shop", "--json"], &env));
    assert!(list["items"][0]["revoked_at"].is_string(), "{list}");
    for args in [["token", "revoke", "nonsense"], ["token", "list", "--account=nobody"]] {
        let said = place.run(&args, &env);
        assert_eq!(said.code, Some(1), "{}", said.stderr);
    }
}
