//! What is wrong below HTTP's meaning: QUALITY section 3, the rows about framing, size and time.
//!
//! Where the server refuses a request before it can be read as one, its answer is its own: a status without a body.

mod common;

use std::time::Duration;

use common::{Answer, Api, bearer, message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

#[tokio::test]
async fn two_lengths_are_400_and_closed() {
    let api = Api::start().await;
    let body = message("a");
    let head = format!(
        "POST /messages HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{}",
        bearer(&api.ann)
    );
    let rows = [
        ("two lengths", format!("Content-Length: {}\r\nContent-Length: 1\r\n\r\n{body}", body.len())),
        ("no number", format!("Content-Length: x\r\n\r\n{body}")),
        ("a sign", format!("Content-Length: +{}\r\n\r\n{body}", body.len())),
        ("another coding", format!("Transfer-Encoding: gzip\r\n\r\n{body}")),
    ];
    for (what, rest) in rows {
        let mut stream = api.connect().await;
        stream.write_all(format!("{head}{rest}").as_bytes()).await.expect("written");
        assert_eq!(Answer::read(&mut stream).await.map(|answer| answer.status), Some(400), "{what}");
        assert!(Answer::read(&mut stream).await.is_none(), "{what}: still open");
    }
    assert_eq!(api.messages().await, 0);
}

/// The server takes the one reading that RFC 9112 section 6.1 allows beside a refusal: chunked, and the connection is
/// closed, so that what follows is never taken for a second request.
#[tokio::test]
async fn a_length_with_transfer_encoding_smuggles_nothing() {
    let api = Api::start().await;
    let body = message("a");
    let smuggled = "GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n";
    for order in [0, 1] {
        let mut lines = ["Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n"];
        lines.rotate_left(order);
        let request = format!(
            "POST /segments HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{}{}\r\n{:x}\r\n{body}\r\n0\r\n\r\n{smuggled}",
            bearer(&api.ann),
            lines.concat(),
            body.len()
        );
        let mut stream = api.connect().await;
        stream.write_all(request.as_bytes()).await.expect("written");
        let answer = Answer::read(&mut stream).await.expect("an answer");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(Answer::read(&mut stream).await.is_none(), "a second request was read");
    }
}

#[tokio::test]
async fn no_host_or_two_are_400_and_closed() {
    let api = Api::start().await;
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let mut stream = api.connect().await;
        stream
            .write_all(format!("GET /health/live HTTP/1.1\r\n{hosts}\r\n").as_bytes())
            .await
            .expect("written");
        let answer = Answer::read(&mut stream).await.expect("an answer");
        answer.is_problem(400, "invalid_header", hosts);
        assert!(Answer::read(&mut stream).await.is_none(), "still open");
    }
    assert_eq!(api.raw("GET /health/live HTTP/1.0\r\n\r\n").await.status, 200, "HTTP/1.0 has no Host");
}

#[tokio::test]
async fn too_many_headers_are_431() {
    let api = Api::start().await;
    let request = |headers: usize| {
        let lines: String = (0..headers).map(|n| format!("X-{n}: y\r\n")).collect();
        format!("GET /health/live HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{lines}\r\n")
    };
    assert_eq!(api.raw(request(98)).await.status, 200);
    api.raw(request(200)).await.is_problem(431, "headers_too_large", "200 headers");
    assert_eq!(api.raw(request(1_000)).await.status, 431, "by the server itself");
    let long = format!("GET /health/live HTTP/1.1\r\nHost: gateway\r\nX: {}\r\n\r\n", "y".repeat(200_000));
    assert_eq!(api.raw(long).await.status, 431, "by the server itself");
}

#[tokio::test]
async fn what_is_no_http_is_400_and_closed() {
    let api = Api::start().await;
    for request in [
        "\0\0\0\0\r\n\r\n",
        "GET /health/live HTTP/9.9\r\n\r\n",
        "GET /hea lth HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    ] {
        assert_eq!(api.raw(request).await.status, 400, "{request:?}");
    }
}

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
async fn requests_under_way_are_finished_and_then_the_listener_is_gone() {
    let api = Api::start().await;
    let mut open = api.connect().await;
    let head = format!(
        "POST /segments HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{}Content-Length: 12\r\n\r\n",
        bearer(&api.ann)
    );
    open.write_all(head.as_bytes()).await.expect("written");
    // Its head has been read once a later request is answered.
    assert_eq!(api.call("GET", "/health/live").await.status, 200);
    api.stop.cancel();
    let gone = async {
        while tokio::net::TcpStream::connect(api.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("it listens no more");
    open.write_all(br#"{"body":"a"}"#).await.expect("written");
    assert_eq!(Answer::read(&mut open).await.map(|answer| answer.status), Some(200));
    drop(open);
    assert!(api.served.await.expect("no panic").is_ok());
}

#[tokio::test]
async fn a_server_that_stops_takes_leave_of_open_connections() {
    let api = Api::start().await;
    let request = b"GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n";
    let mut stream = api.connect().await;
    stream.write_all(request).await.expect("written");
    let before = Answer::read(&mut stream).await.expect("an answer");
    assert_eq!((before.status, before.header("connection")), (200, None));
    api.stop.cancel();
    stream.write_all(request).await.expect("written");
    let last = Answer::read(&mut stream).await.expect("an answer, though it stops");
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    assert!(Answer::read(&mut stream).await.is_none(), "still open");
}
