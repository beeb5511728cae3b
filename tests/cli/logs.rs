//! The log as JSON, and traces for a collector.

use crate::place::{FREE, Place, answer_to};

#[test]
fn each_line_of_the_log_is_an_object() {
    let place = Place::new();
    let env = [("RUST_LOG", "info,smsgw_http=debug"), ("LOG_FORMAT", "json")];
    let (mut process, ready) = place.start(&FREE, &env);
    answer_to(&format!("{}/devices", ready["http"].as_str().expect("an address")), "nonsense");
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0), "{}", place.log());
    let log = place.log();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let told = lines.iter().find(|line| line["message"] == "draining; once more to stop at once");
    let told = told.unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&told["level"], &told["target"]), (&"INFO".into(), &"gateway::serve".into()));
    assert!(told["timestamp"].is_string(), "{told}");
    let asked = lines.iter().find_map(|line| line["spans"].as_array()?.first()).expect("a line in a span");
    assert_eq!((&asked["name"], &asked["route"]), (&"request".into(), &"/devices".into()), "{asked}");
}

#[test]
fn why_it_ends_is_an_object_too() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let cases =
        [(["--http", &address], 1, "choose another address"), (["--rate-limit", "bad"], 2, "RATE_LIMIT")];
    for (args, code, why) in cases {
        let said = place.run(&[&["serve", "--log-format", "json"], &args[..]].concat(), &[]);
        assert_eq!(said.code, Some(code), "{}", said.stderr);
        let last = said.stderr.lines().last().expect("a line");
        let last: serde_json::Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{last}"));
        assert_eq!(last["level"], "ERROR");
        assert!(last["message"].as_str().is_some_and(|message| message.contains(why)), "{last}");
    }
}

#[test]
fn it_is_text_unless_a_setting_says_otherwise() {
    let place = Place::new();
    let draining = |args: &[&str]| {
        let before = place.log().len();
        let (mut process, _) = place.start(&[&FREE[..], args].concat(), &[("RUST_LOG", "info")]);
        process.signal("-TERM");
        assert_eq!(process.exit_code(), Some(0), "{}", place.log());
        let log = place.log().split_off(before);
        let line = log.lines().find(|line| line.contains("draining")).unwrap_or_else(|| panic!("{log}"));
        serde_json::from_str::<serde_json::Value>(line).is_ok()
    };
    assert!(!draining(&[]));
    place.write("smsgw.toml", "log_format = \"json\"\n");
    assert!(draining(&[]));
    assert!(!draining(&["--log-format", "text"]), "a flag is nearer");
}

#[cfg(feature = "otlp")]
#[test]
fn a_collector_that_is_away_keeps_no_gateway_from_its_work() {
    let place = Place::new();
    let endpoint = format!("http://127.0.0.1:{}", crate::place::nowhere());
    let (mut process, ready) = place.start(&FREE, &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())]);
    let http = ready["http"].as_str().expect("an address");
    assert_eq!(answer_to(&format!("{http}/health/ready"), "nonsense").0, 200);
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0), "{}", place.log());
}

#[cfg(feature = "otlp")]
#[test]
fn traces_arrive_at_a_collector_under_our_name() {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use crate::support::PATIENCE;

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
    let (sender, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut request, mut some) = (Vec::new(), [0; 4096]);
            loop {
                let read = stream.read(&mut some).expect("bytes");
                request.extend_from_slice(&some[..read]);
                let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
                let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                let head = request.windows(4).position(|four| four == b"\r\n\r\n");
                let whole = head
                    .zip(length)
                    .map(|(head, length)| head + 4 + length.parse::<usize>().expect("a length"));
                if read == 0 || whole.is_some_and(|whole| request.len() >= whole) {
                    break;
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    let place = Place::new();
    // Nothing is due before the end.
    let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "600000")];
    let (mut process, ready) = place.start(&FREE, &env);
    let (http, token) = (ready["http"].as_str().expect("one"), ready["token"].as_str().expect("one"));
    answer_to(&format!("{http}/devices"), token);
    let id = "0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d";
    let sent = place.run(
        &["send", "+5351234567", "hola", "--watch", "--id", id, "--url", http],
        &[("SMSGW_TOKEN", token)],
    );
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0), "{}", place.log());
    let request = requests.recv_timeout(PATIENCE).expect("an export");
    let has = |text: &str| request.windows(text.len()).any(|some| some == text.as_bytes());
    assert!(has("POST /v1/traces ") && has("application/x-protobuf"));
    assert!(has("service.name") && has("smsgw"));
    assert!(has("request"), "the span of a request");
    assert!(!has(token), "and nothing that opens anything");
}
