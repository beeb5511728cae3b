//! What the edge costs: figures, not promises. `cargo test --release -p smsgw-http --test measured -- --ignored --nocapture`

#![allow(clippy::print_stdout, reason = "the figures")]

mod common;

use std::time::{Duration, Instant};

use common::{Answer, Api};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const CONNECTIONS: usize = 64;
const SLOW: usize = 500;
const RUN: Duration = Duration::from_secs(5);
const REQUEST: &[u8] =
    b"GET /health/live HTTP/1.1\r\nHost: gateway\r\nAccept: */*\r\nUser-Agent: x/1.0\r\n\r\n";

async fn ask(stream: &mut TcpStream) {
    stream.write_all(REQUEST).await.expect("written");
    assert_eq!(Answer::read(stream).await.map(|answer| answer.status), Some(200));
}

/// Of one client that asks again and again.
async fn p99(api: &Api) -> Duration {
    let mut stream = api.connect().await;
    let (begun, mut took) = (Instant::now(), Vec::new());
    while begun.elapsed() < RUN {
        let asked = Instant::now();
        ask(&mut stream).await;
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn requests_a_second_on_64_connections() {
    let api = Api::start().await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = api.connect().await;
        clients.push(tokio::spawn(async move {
            let begun = Instant::now();
            let mut count = 0;
            while begun.elapsed() < RUN {
                ask(&mut stream).await;
                count += 1;
            }
            count
        }));
    }
    let mut total = 0;
    for client in clients {
        total += client.await.expect("no panic");
    }
    println!("{CONNECTIONS} connections: {} requests/s", total / RUN.as_secs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_good_client_beside_500_slow_connections() {
    let api = Api::start().await;
    let before = p99(&api).await;
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut stream = api.connect().await;
        stream.write_all(b"GET /health/live HTTP/1.1\r\n").await.expect("written");
        slow.push(stream);
    }
    // A line each second, and none is there for longer than the server waits for a head.
    let dripping = tokio::spawn(async move {
        loop {
            for stream in &mut slow {
                stream.write_all(b"X: y\r\n").await.expect("still open");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let during = p99(&api).await;
    assert!(!dripping.is_finished(), "they were closed meanwhile");
    dripping.abort();
    println!("p99 of one client: {before:?}; beside {SLOW} slow connections: {during:?}");
}
