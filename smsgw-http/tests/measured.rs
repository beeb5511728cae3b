//! What the edge costs: figures, not promises. `cargo test --release -p smsgw-http --test measured -- --ignored --nocapture`

#![allow(clippy::print_stdout, reason = "the figures")]

mod common;

use std::time::{Duration, Instant};

use common::{Answer, Api};
use tokio::io::AsyncWriteExt;

const CONNECTIONS: usize = 64;
const RUN: Duration = Duration::from_secs(5);

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
                let request =
                    b"GET /health/live HTTP/1.1\r\nHost: gateway\r\nAccept: */*\r\nUser-Agent: x/1.0\r\n\r\n";
                stream.write_all(request).await.expect("written");
                assert_eq!(Answer::read(&mut stream).await.map(|answer| answer.status), Some(200));
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
