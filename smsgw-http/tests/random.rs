//! Requests that are damaged at random: whatever comes, an error is a problem, and the connection has an end.

mod common;

use common::{Answer, Api, bearer};
use fastrand::Rng;
use smsgw_http::ServeConfig;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

const CASES: u64 = 1_000;
/// At the same time.
const BATCH: u64 = 200;

/// Puts in, takes out and doubles a few bytes.
fn damaged(mut stream: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    let pieces: [&[u8]; 12] = [
        b"\r",
        b"\n",
        b"\0",
        b" ",
        b":",
        b"\r\n",
        b"\xff",
        b"0",
        b"Host: b\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n\r\n",
    ];
    for _ in 0..random.usize(1..5) {
        let at = random.usize(0..stream.len());
        match random.u8(0..4) {
            0 => stream[at] = random.u8(..),
            1 => drop(stream.splice(at..at, random.choice(pieces).unwrap_or_default().iter().copied())),
            2 => drop(stream.drain(at..(at + random.usize(1..9)).min(stream.len()))),
            _ => {
                let again = stream[at..(at + random.usize(1..60)).min(stream.len())].to_vec();
                drop(stream.splice(at..at, again));
            }
        }
    }
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_client_sends_an_error_is_a_problem_and_the_connection_ends() {
    let config = ServeConfig { header_timeout_s: 1, body_timeout_s: 1, ..ServeConfig::default() };
    let api = Api::start_within(config).await;
    let token = bearer(&api.ann);
    let head =
        format!("POST /segments HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{token}");
    let good = format!(
        "GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n\
         {head}Content-Length: 12\r\n\r\n{{\"body\":\"a\"}}\
         {head}Transfer-Encoding: chunked\r\n\r\n4\r\n{{\"bo\r\n8;x=y\r\ndy\":\"a\"}}\r\n0\r\nX-Y: z\r\n\r\n\
         GET /health/live?a=b HTTP/1.1\r\nHost: gateway\r\nAccept: */*\r\n\r\n"
    );
    let mut first = 0;
    while first < CASES {
        let mut batch = JoinSet::new();
        for seed in first..first + BATCH {
            let mut stream = api.connect().await;
            let sent = damaged(good.clone().into_bytes(), &mut Rng::with_seed(seed));
            batch.spawn(async move {
                let _ = stream.write_all(&sent).await;
                let answers = Answer::all(&mut stream).await;
                assert!(answers.len() <= 8, "seed {seed}: {} answers", answers.len());
                for answer in answers.iter().filter(|answer| answer.status != 200) {
                    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
                    answer.is_problem(answer.status, &code, &format!("seed {seed}"));
                    assert!((400..500).contains(&answer.status), "seed {seed}: {}", answer.status);
                }
            });
        }
        while let Some(case) = batch.join_next().await {
            case.expect("as it should be");
        }
        first += BATCH;
    }
}
