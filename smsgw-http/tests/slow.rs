//! Those who take their time: QUALITY section 3, the rows about slowness.

mod common;

use std::time::Duration;

use common::{Answer, Api, bearer, message};
use smsgw_http::ServeConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

#[tokio::test]
async fn half_a_header_and_silence_is_closed_within_10_seconds() {
    let api = Api::start().await;
    tokio::time::pause();
    for half in ["", "GET /health", "GET /health/live HTTP/1.1\r\nHost: gat"] {
        let mut stream = api.connect().await;
        stream.write_all(half.as_bytes()).await.expect("written");
        let begun = Instant::now();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("closed");
        assert!(begun.elapsed() <= Duration::from_secs(10), "{half:?}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_body_at_a_byte_a_second_is_408_within_30_seconds() {
    let api = Api::start().await;
    tokio::time::pause();
    let (mut read, mut write) = api.connect().await.into_split();
    let head = format!(
        "POST /messages HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{}Content-Length: 1000\r\n\r\n",
        bearer(&api.ann)
    );
    let begun = Instant::now();
    let dripping = tokio::spawn(async move {
        write.write_all(head.as_bytes()).await.expect("written");
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut answer = Vec::new();
    let _ = read.read_to_end(&mut answer).await;
    dripping.abort();
    let text = String::from_utf8_lossy(&answer);
    assert!(begun.elapsed() <= Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("\"code\":\"request_timeout\""), "{text}");
}

#[tokio::test]
async fn a_body_that_breaks_off_accepts_nothing() {
    let api = Api::start().await;
    let mut stream = api.connect().await;
    let head = format!(
        "POST /messages HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{}Content-Length: 1000\r\n\r\n{}",
        bearer(&api.ann),
        message("a")
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    stream.shutdown().await.expect("half closed");
    if let Some(answer) = Answer::read(&mut stream).await {
        answer.is_problem(400, "incomplete_body", "broken off");
    }
    assert_eq!(api.messages().await, 0);
}

#[tokio::test]
async fn a_body_at_a_byte_a_second_is_408_also_where_the_settings_say_less() {
    let api = Api::start_within(ServeConfig { body_timeout_s: 5, ..ServeConfig::default() }).await;
    tokio::time::pause();
    let (mut read, mut write) = api.connect().await.into_split();
    let head = format!(
        "POST /messages HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{}Transfer-Encoding: chunked\r\n\r\n",
        bearer(&api.ann)
    );
    let begun = Instant::now();
    let dripping = tokio::spawn(async move {
        write.write_all(head.as_bytes()).await.expect("written");
        while write.write_all(b"1\r\n \r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let answer = Answer::read(&mut read).await.expect("an answer");
    assert!(begun.elapsed() <= Duration::from_secs(6), "{:?}", begun.elapsed());
    answer.is_problem(408, "request_timeout", "a body in many chunks");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(Answer::read(&mut read).await.is_none(), "still open");
    dripping.abort();
}

/// They are on a machine that is busy with them; what it costs the others is measured in `measured.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_500_slow_connections_none_is_open_after_15_seconds_and_a_good_client_goes_on() {
    let api = Api::start().await;
    let mut slow = Vec::new();
    for number in 0..500 {
        let mut stream = api.connect().await;
        let halves = ["", "G", "GET /health/live HTTP/1.1\r\n", "GET /health/live HTTP/1.1\r\nHost: gate"];
        stream.write_all(halves[number % 4].as_bytes()).await.expect("written");
        slow.push(stream);
    }
    let begun = Instant::now();
    // A line more each second keeps none of them open.
    for second in 1..15 {
        for stream in &mut slow[..250] {
            let _ = stream.write_all(b"X: y\r\n").await;
        }
        assert_eq!(api.call("GET", "/messages").await.status, 200, "second {second}");
        tokio::time::sleep_until(begun + Duration::from_secs(second)).await;
    }
    let mut open = 0;
    for stream in &mut slow {
        let mut rest = Vec::new();
        let left = (begun + Duration::from_secs(15)).saturating_duration_since(Instant::now());
        // A reset is an end, too.
        open += usize::from(tokio::time::timeout(left, stream.read_to_end(&mut rest)).await.is_err());
    }
    assert_eq!(open, 0);
}

#[tokio::test]
async fn who_takes_no_answer_is_dropped() {
    let api = Api::start().await;
    let mut stream = api.connect().await;
    let (mut read, mut write) = stream.split();
    // More answers than any buffer on the way holds.
    let asking = async {
        let request = b"GET /openapi.json HTTP/1.1\r\nHost: gateway\r\n\r\n".repeat(16);
        while write.write_all(&request).await.is_ok() {}
    };
    let asked = tokio::time::timeout(Duration::from_secs(1), asking).await;
    assert!(asked.is_err(), "the server reads no more than it answers");
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(31)).await;
    tokio::time::resume();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), read.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open");
}
