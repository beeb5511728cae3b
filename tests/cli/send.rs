//! `gateway send`

use crate::place::{FREE, Place, answer_to};
use crate::{ask, json};

const TO: &str = "+5351234567";

#[test]
fn it_is_watched_until_the_simulated_phone_has_delivered_it() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &[]);
    let url = ready["http"].as_str().expect("an address");
    let said = ask(&place, url, &["send", TO, "Hola", "--watch"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let last = said.stdout.lines().last().expect("a line");
    let words: Vec<&str> = last.split_whitespace().collect();
    assert!(words[0].parse::<f64>().is_ok_and(|seconds| seconds >= 0.0), "{last}");
    assert_eq!(&words[1..], ["s", "delivered", "1", "Simulated", "phone", "1"], "{last}");
    assert!(!said.stdout.contains('\u{1b}'), "plain lines in a pipe");

    let said = ask(&place, url, &["send", TO, "Hola", "--watch", "--output", "json"]);
    let changes: Vec<serde_json::Value> =
        said.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON a line")).collect();
    assert_eq!(changes.last().expect("one")["state"], "delivered", "{}", said.stdout);
    assert!(changes.iter().all(|change| change["id"] == changes[0]["id"] && change["at"].is_string()));
}

#[test]
fn on_a_terminal_a_live_line_says_for_how_long_it_has_waited() {
    let place = Place::new();
    let (_process, ready) = place.start(&[&FREE[..], &["--devices", "0"]].concat(), &[]);
    let url = ready["http"].as_str().expect("an address");
    let send = place.command(&["send", TO, "Hola", "--watch", "--timeout", "2s", "--url", url], &[]);
    let words = std::iter::once(send.get_program()).chain(send.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.display())).collect();
    // It gives the command a terminal.
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
    script.current_dir(place.path()).stdin(std::process::Stdio::null());
    let output = script.output().expect("script runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(75), "{text}");
    assert!(text.contains("\r\u{1b}[2K⠙ ") && text.contains(" for 1 s"), "{text:?}");
}

#[test]
fn without_watching_it_says_that_it_was_accepted() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &[]);
    let url = ready["http"].as_str().expect("an address");
    let said = ask(&place, url, &["send", TO, "Hola", "--json"]);
    let id = json(&said)["id"].as_str().expect("an id").to_owned();
    let token = ready["token"].as_str().expect("a token");
    assert_eq!(answer_to(&format!("{url}/messages/{id}"), token).1["to"], TO);
    let words = ask(&place, url, &["send", TO, "Hola"]);
    assert_eq!(words.stdout.split_whitespace().count(), 2, "{}", words.stdout);
    let wrong = ask(&place, url, &["send", "0034600", "Hola"]);
    assert_eq!((wrong.code, wrong.stderr.contains("/to")), (Some(1), true), "{}", wrong.stderr);
}

#[test]
fn what_waits_says_why_and_ends_as_something_to_try_again() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &[]);
    let url = ready["http"].as_str().expect("an address");
    let made = json(&ask(&place, url, &["device", "create", "away", "--json"]));
    let id = made["id"].as_str().expect("an id");
    let said = ask(&place, url, &["send", TO, "Hola", "--device", id, "--watch", "--timeout", "3s"]);
    assert_eq!(said.code, Some(75), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("device offline"), "{}", said.stdout);
}

#[test]
fn what_was_sent_in_vain_is_a_failure() {
    let place = Place::new();
    let (_process, ready) = place.start(&FREE, &[]);
    let url = ready["http"].as_str().expect("an address").to_owned();
    let token = ready["token"].as_str().expect("a token").to_owned();
    let made = json(&ask(&place, &url, &["device", "create", "away", "--json"]));
    let device = made["id"].as_str().expect("an id").to_owned();
    std::thread::scope(|scope| {
        let watched = scope.spawn(|| {
            ask(&place, &url, &["send", TO, "Hola", "--device", &device, "--watch", "--timeout", "30s"])
        });
        let id = crate::support::eventually("it was accepted", || {
            let (_, list) = answer_to(&format!("{url}/messages"), &token);
            list["items"][0]["id"].as_str().map(str::to_owned)
        });
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        let cancel = agent.post(format!("{url}/messages/{id}/cancel"));
        cancel.header("authorization", format!("Bearer {token}")).send_empty().expect("it is taken back");
        let said = watched.join().expect("it ends");
        assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains("canceled"), "{}", said.stderr);
    });
}

#[test]
fn in_the_directory_of_the_demo_it_needs_to_be_told_nothing() {
    let place = Place::new();
    let address = format!("127.0.0.1:{}", crate::place::nowhere());
    place.write("smsgw.toml", &format!("http_addr = \"{address}\"\nmqtt_listen = \"127.0.0.1:0\"\n"));
    let (_process, _) = place.start(&[], &[]);
    let said = place.run(&["send", TO, "Hola", "--watch"], &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
}

#[cfg(feature = "tls")]
#[test]
fn over_https_it_trusts_the_authority_that_it_is_given() {
    let place = Place::new();
    assert_eq!(place.run(&["certs", "--out", "."], &[]).code, Some(0));
    let env = [("HTTP_TLS_CERT", "server.crt"), ("HTTP_TLS_KEY", "server.key")];
    let (_process, ready) = place.start(&FREE, &env);
    let url = ready["http"].as_str().expect("an address");
    let token = place.run(&["token"], &env);
    let list = ["device", "list", "--token", token.stdout.trim()];
    let said = ask(&place, url, &[&list[..], &["--ca", "ca.crt"]].concat());
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(ask(&place, url, &list).code, Some(69), "nobody else vouches for it");
    assert_eq!(ask(&place, url, &[&list[..], &["--ca", "absent.crt"]].concat()).code, Some(2));
}
