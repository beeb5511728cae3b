//! How a server ends.

mod common;

use std::time::Duration;

use common::{Answer, Api, bearer};
use tokio::io::AsyncWriteExt;

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
