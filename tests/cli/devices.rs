//! `gateway device`

use crate::place::{FREE, Place, nowhere};
use crate::{ask, json};

#[test]
fn a_device_is_made_listed_given_keys_and_deleted() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &[]);
    let url = ready["http"].as_str().expect("an address");
    let said = ask(&place, url, &["device", "create", "office phone", "--rate-limit", "10/m", "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let made = json(&said);
    let id = made["id"].as_str().expect("an id");
    assert_eq!(
        (&made["user"], &made["server"]),
        (&made["id"], &"127.0.0.1:1883".into()),
        "native: by its id"
    );
    assert!(made["password"].as_str().is_some_and(|key| key.starts_with("sgw_dev_")));

    let words = ask(&place, url, &["device", "list"]);
    let row = words.stdout.lines().find(|line| line.starts_with(id)).expect("a row");
    assert!(row.contains("office phone") && row.contains("10/m"), "{row}");
    assert!(words.stdout.starts_with("ID  "), "{}", words.stdout);
    let listed = json(&ask(&place, url, &["device", "list", "--output", "json"]));
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "the demo's beside it");

    let key = ask(&place, url, &["device", "key", id]);
    let password = key.stdout.lines().find_map(|line| line.strip_prefix("password  ")).expect("a key");
    assert!(password.starts_with("sgw_dev_") && password != made["password"]);

    let said = ask(&place, url, &["device", "delete", id]);
    assert_eq!((said.code, said.stdout), (Some(0), format!("deleted {id}\n")));
    let again = ask(&place, url, &["device", "delete", id]);
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(again.stderr.contains("404"), "{}", again.stderr);
}

#[test]
fn an_original_device_comes_in_by_its_key() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &[]);
    let url = ready["http"].as_str().expect("an address");
    let made = json(&ask(&place, url, &["device", "create", "old", "--protocol", "original", "--json"]));
    assert_eq!(made["user"], made["password"]);
    let said = ask(&place, url, &["device", "create", "x", "--protocol", "fax"]);
    assert_eq!((said.code, said.stderr.contains("/protocol")), (Some(1), true), "{}", said.stderr);
}

#[test]
fn a_device_is_paused_and_resumed_or_the_gateway_says_that_it_cannot() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &[]);
    let url = ready["http"].as_str().expect("an address");
    let id = ready["devices"][0]["id"].as_str().expect("an id");
    for (command, says, paused) in [("pause", "paused", true), ("resume", "resumed", false)] {
        let said = ask(&place, url, &["device", command, id]);
        match said.code {
            Some(0) => assert_eq!(said.stdout, format!("{says} {id}\n")),
            code => assert!(code == Some(1) && said.stderr.contains("cannot pause"), "{}", said.stderr),
        }
        if said.code == Some(0) {
            let list = json(&ask(&place, url, &["device", "list", "--json"]));
            assert_eq!(list["items"][0]["paused"], paused);
        }
    }
}

#[test]
fn a_gateway_on_this_machine_is_asked_past_a_proxy() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &[]);
    let url = ready["http"].as_str().expect("an address");
    let proxy = format!("http://127.0.0.1:{}", nowhere());
    let env = [("http_proxy", proxy.as_str()), ("ALL_PROXY", proxy.as_str())];
    let said = place.run(&["device", "list", "--url", url], &env);
    assert_eq!(said.code, Some(0), "the token goes to nobody else: {}", said.stderr);
}

#[test]
fn what_stands_in_the_way_is_told_apart() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &[]);
    let url = ready["http"].as_str().expect("an address");
    let away = format!("http://127.0.0.1:{}", nowhere());
    assert_eq!(ask(&place, &away, &["device", "list", "--token", "x", "--data", "none"]).code, Some(69));
    assert_eq!(ask(&place, url, &["device", "list", "--token", "sgw_tok_nonsense"]).code, Some(77));
    let poor = place.run(&["token", "--scopes", "messages:read"], &[]);
    let said = place.run(&["device", "list", "--url", url], &[("SMSGW_TOKEN", poor.stdout.trim())]);
    assert_eq!(said.code, Some(77), "{}", said.stderr);
    assert!(said.stderr.contains("403"), "{}", said.stderr);
    assert_eq!(ask(&place, "ftp://127.0.0.1", &["device", "list"]).code, Some(2));
    let elsewhere = ask(&place, "http://gateway.invalid", &["device", "list"]);
    assert_eq!(elsewhere.code, Some(77), "the demo's token goes nowhere else: {}", elsewhere.stderr);
    place.write("smsgw.toml", "nonsense = 1\n");
    assert_eq!(ask(&place, url, &["device", "list"]).code, Some(78));
}
