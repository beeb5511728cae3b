//! What is wrong below HTTP's meaning: QUALITY section 3, the rows about framing and size. What is refused is answered
//! as a problem, and the connection is closed; nothing behind it is taken for a request.

mod common;

use common::{Answer, Api, bearer, message};
use tokio::io::AsyncWriteExt;

/// What would be a request, if the one before it ended where an attacker wants it to.
const SMUGGLED: &str = "GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n";

/// Sends it and something that must not be read, and expects one refusal.
async fn refused(api: &Api, request: &[u8], status: u16, code: &str, what: &str) {
    let mut stream = api.connect().await;
    let _ = stream.write_all(&[request, SMUGGLED.as_bytes()].concat()).await;
    let answer = Answer::read(&mut stream).await.unwrap_or_else(|| panic!("{what}: no answer"));
    answer.is_problem(status, code, what);
    assert_eq!(answer.header("connection"), Some("close"), "{what}");
    assert!(Answer::read(&mut stream).await.is_none(), "{what}: still open");
}

fn post(api: &Api, headers: &str, body: &str) -> Vec<u8> {
    let token = bearer(&api.ann);
    format!("POST /messages HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{token}{headers}\r\n{body}")
        .into_bytes()
}

#[tokio::test]
async fn two_content_lengths_are_400_and_closed() {
    let api = Api::start().await;
    let body = message("a");
    let length = body.len();
    for headers in [
        format!("Content-Length: {length}\r\nContent-Length: 1\r\n"),
        format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\ncontent-length: {length}\r\n"),
        format!("Content-Length: {length}, {length}\r\n"),
        format!("Content-Length: {length},\r\n"),
        format!("Content-Length: +{length}\r\n"),
        format!("Content-Length: -{length}\r\n"),
        format!("Content-Length: {length} {length}\r\n"),
        format!("Content-Length: 0x{length:x}\r\n"),
        "Content-Length: x\r\n".into(),
        "Content-Length:\r\n".into(),
    ] {
        refused(&api, &post(&api, &headers, &body), 400, "invalid_header", &headers).await;
    }
    for huge in ["9223372036854775808", "18446744073709551616", "99999999999999999999999999"] {
        let headers = format!("Content-Length: {huge}\r\n");
        refused(&api, &post(&api, &headers, &body), 413, "body_too_large", huge).await;
    }
    assert_eq!(api.messages().await, 0);
}

#[tokio::test]
async fn a_content_length_with_transfer_encoding_is_400_and_closed() {
    let api = Api::start().await;
    let body = message("a");
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for length in [0, 4, body.len(), chunked.len()] {
        let mut lines = [format!("Content-Length: {length}\r\n"), "Transfer-Encoding: chunked\r\n".into()];
        for _ in 0..2 {
            lines.rotate_left(1);
            let request = post(&api, &lines.concat(), &chunked);
            refused(&api, &request, 400, "invalid_header", &lines.concat()).await;
        }
    }
    assert_eq!(api.messages().await, 0);
}

#[tokio::test]
async fn another_transfer_encoding_than_chunked_is_400_and_closed() {
    let api = Api::start().await;
    let body = message("a");
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for headers in [
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        let code = if headers.contains('\x0b') { "bad_request" } else { "invalid_header" };
        refused(&api, &post(&api, headers, &chunked), 400, code, headers).await;
    }
    let old = String::from_utf8(post(&api, "Transfer-Encoding: chunked\r\n", &chunked)).expect("text");
    let old = old.replacen("HTTP/1.1", "HTTP/1.0", 1);
    refused(&api, old.as_bytes(), 400, "invalid_header", "HTTP/1.0 has no chunks").await;
    assert_eq!(api.messages().await, 0);
    let good = post(&api, "Transfer-Encoding: Chunked\r\nConnection: close\r\n", &chunked);
    assert_eq!(api.raw(good).await.status, 202);
}

#[tokio::test]
async fn no_host_or_two_are_400_and_closed() {
    let api = Api::start().await;
    for hosts in [
        "",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nhost: a\r\n",
        "Host: a, b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: user@a\r\n",
        "Host: ñ\r\n",
    ] {
        let request = format!("GET /health/live HTTP/1.1\r\n{hosts}\r\n");
        refused(&api, request.as_bytes(), 400, "invalid_header", hosts).await;
    }
    let two = "GET /health/live HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n";
    refused(&api, two.as_bytes(), 400, "invalid_header", "two, HTTP/1.0").await;
    assert_eq!(api.raw("GET /health/live HTTP/1.0\r\n\r\n").await.status, 200, "HTTP/1.0 has no Host");
    for host in ["", "a.example", "127.0.0.1:8000", "[::1]:8000"] {
        let request = format!("GET /health/live HTTP/1.1\r\nHost:{host}\r\nConnection: close\r\n\r\n");
        assert_eq!(api.raw(request).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn two_hundred_headers_are_431_and_closed() {
    let api = Api::start().await;
    let request = |headers: usize| {
        let lines: String = (0..headers).map(|n| format!("X-{n}: y\r\n")).collect();
        format!("GET /health/live HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{lines}\r\n")
    };
    assert_eq!(api.raw(request(98)).await.status, 200);
    for headers in [99, 200, 1_000] {
        let request = request(headers).replace("Connection: close\r\n", "X: y\r\n");
        refused(&api, request.as_bytes(), 431, "headers_too_large", &format!("{headers} headers")).await;
    }
}

#[tokio::test]
async fn a_head_over_64_kib_is_431_and_a_target_over_8_kib_414_and_closed() {
    let api = Api::start().await;
    let head = |length: usize| {
        let start = "GET /health/live HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nX: ";
        format!("{start}{}\r\n\r\n", "y".repeat(length - start.len() - 4))
    };
    assert_eq!(api.raw(head(65_536)).await.status, 200);
    for length in [65_537, 200_000, 2_000_000] {
        refused(&api, head(length).as_bytes(), 431, "headers_too_large", &format!("{length} bytes")).await;
    }
    let target = |length: usize| {
        format!("GET /{} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n", "x".repeat(length - 1))
    };
    api.raw(target(8_192)).await.is_problem(404, "unknown_route", "8 KiB");
    for length in [8_193, 8_300, 65_535, 500_000] {
        refused(&api, target(length).as_bytes(), 414, "uri_too_long", &format!("{length} bytes")).await;
    }
}

#[tokio::test]
async fn what_is_no_http_is_400_and_closed() {
    let api = Api::start().await;
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[7; 100]].concat();
    let get = "GET /health/live HTTP/1.1\r\nHost: a\r\n";
    for (what, request) in [
        ("NULs", b"\0\0\0\0\r\n\r\n".to_vec()),
        ("TLS", hello),
        ("another version", b"GET /health/live HTTP/9.9\r\n\r\n".into()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        ("no version", b"GET /health/live\r\n\r\n".into()),
        ("a version in lower case", b"GET /health/live http/1.1\r\nHost: a\r\n\r\n".into()),
        ("a space in the target", b"GET /hea lth HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("two spaces", b"GET  /health/live HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("a space in front", b" GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("a method with a colon", b"G:T /health/live HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("a fragment", b"GET /health/live#x HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("no slash", b"GET health/live HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("a raw byte in the target", b"GET /health/live\xff HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("a space before a colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n".into()),
        ("no colon", format!("{get}Nonsense\r\n\r\n").into()),
        ("no name", format!("{get}: x\r\n\r\n").into()),
        ("a folded line", format!("{get}X: a\r\n b\r\n\r\n").into()),
        ("a folded line with a tab", format!("{get}X: a\r\n\tb\r\n\r\n").into()),
        ("a space before the first header", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n".into()),
        ("a bare CR", format!("{get}X: a\rb\r\n\r\n").into()),
        ("a bare LF", format!("{get}X: a\nY: b\r\n\r\n").into()),
        ("bare LFs only", b"GET /health/live HTTP/1.1\nHost: a\n\n".into()),
        ("CR CR LF", format!("{get}X: a\r\r\n\r\n").into()),
        ("a NUL in a header", format!("{get}X: a\0b\r\n\r\n").into()),
        ("an escape in a header", format!("{get}X: \x1b[1m\r\n\r\n").into()),
        ("a NUL in the target", b"GET /health\0 HTTP/1.1\r\nHost: a\r\n\r\n".into()),
    ] {
        let code = "bad_request";
        refused(&api, &request, 400, code, what).await;
    }
    let spaced = format!("\r\n\r\n{get}Connection: close\r\n\r\n");
    assert_eq!(api.raw(spaced).await.status, 200, "empty lines before a request");
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_order_and_the_refusal_comes_last() {
    let api = Api::start().await;
    let token = bearer(&api.ann);
    let body = r#"{"body":"a"}"#;
    let posted = format!(
        "POST /segments HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{token}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let chunked = format!(
        "POST /segments HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{token}Transfer-Encoding: chunked\r\n\r\n\
         3\r\n{}\r\n{:x};a=b\r\n{}\r\n0\r\nX-Trailer: y\r\n\r\n",
        &body[..3],
        body.len() - 3,
        &body[3..]
    );
    let unknown = "GET /nothing HTTP/1.1\r\nHost: gateway\r\n\r\n";
    let smuggling =
        "GET /health/live HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n";
    let all = [&posted, SMUGGLED, &chunked, unknown, &posted, smuggling, SMUGGLED, SMUGGLED].concat();
    // At once, and in pieces of several lengths.
    for piece in [all.len(), 1, 7, 64, 300] {
        let mut stream = api.connect().await;
        stream.set_nodelay(true).expect("no delay");
        let (mut read, mut write) = stream.split();
        let sending = async {
            for part in all.as_bytes().chunks(piece) {
                write.write_all(part).await.expect("written");
                tokio::task::yield_now().await;
            }
        };
        let ((), answers) = tokio::join!(sending, Answer::all(&mut read));
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 200, 200, 404, 200, 400], "pieces of {piece}");
    }
}

#[tokio::test]
async fn a_body_in_wrong_chunks_is_400_and_closed() {
    let api = Api::start().await;
    let body = message("a");
    let length = body.len();
    for (what, chunks) in [
        ("no number", format!("x\r\n{body}\r\n0\r\n\r\n")),
        ("an empty size", format!("\r\n{body}\r\n0\r\n\r\n")),
        ("a sign", format!("+{length:x}\r\n{body}\r\n0\r\n\r\n")),
        ("a prefix", format!("0x{length:x}\r\n{body}\r\n0\r\n\r\n")),
        ("a space", format!("{length:x} \r\n{body}\r\n0\r\n\r\n")),
        ("bare LF", format!("{length:x}\n{body}\n0\n\n")),
        ("bare LF in an extension", format!("{length:x};a\nb\r\n{body}\r\n0\r\n\r\n")),
        ("bare CR in an extension", format!("{length:x};a\rb\r\n{body}\r\n0\r\n\r\n")),
        ("too short", format!("{:x}\r\n{body}\r\n0\r\n\r\n", length - 1)),
        ("too long", format!("{:x}\r\n{body}\r\n0\r\n\r\n", length + 1)),
        ("a size past 64 bits", format!("1{:016x}\r\n{body}\r\n0\r\n\r\n", length)),
        ("endless extensions", format!("{length:x};{}\r\n{body}\r\n0\r\n\r\n", "a".repeat(100_000))),
    ] {
        let request = post(&api, "Transfer-Encoding: chunked\r\n", &chunks);
        refused(&api, &request, 400, "incomplete_body", what).await;
    }
    let endless = format!("{length:x}\r\n{body}\r\n0\r\n{}", "X: y\r\n".repeat(20_000));
    refused(
        &api,
        &post(&api, "Transfer-Encoding: chunked\r\n", &endless),
        400,
        "incomplete_body",
        "trailers",
    )
    .await;
    assert_eq!(api.messages().await, 0);
}
