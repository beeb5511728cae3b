//! More connections than there may be.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use common::{Answer, Api};
use smsgw_http::ServeConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

const REQUEST: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n";

/// From another address of this machine.
async fn connect_from(from: &str, api: &Api) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(from.parse().expect("an address"), 0)).expect("an address of ours");
    socket.connect(api.address).await.expect("the server listens")
}

async fn ask(stream: &mut TcpStream) -> Option<Answer> {
    let _ = stream.write_all(REQUEST).await;
    Answer::read(stream).await
}

async fn is_served(stream: &mut TcpStream) -> bool {
    ask(stream).await.is_some_and(|answer| answer.status == 200)
}

async fn is_turned_away(stream: &mut TcpStream) {
    let answer = ask(stream).await.expect("an answer");
    answer.is_problem(503, "too_many_connections", "one too many");
    assert_eq!((answer.header("connection"), answer.header("retry-after")), (Some("close"), Some("1")));
    assert!(Answer::read(stream).await.is_none(), "still open");
}

/// Until the server has seen that another one has gone.
async fn served_in_the_end(mut connect: impl AsyncFnMut() -> TcpStream) -> TcpStream {
    for _ in 0..500 {
        let mut stream = connect().await;
        if is_served(&mut stream).await {
            return stream;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no place has become free");
}

#[tokio::test]
async fn past_the_most_connections_in_all_the_next_one_is_503_and_closed() {
    let api = Api::start_within(ServeConfig { max_connections: 3, ..ServeConfig::default() }).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = api.connect().await;
        assert!(is_served(&mut stream).await);
        open.push(stream);
    }
    for _ in 0..10 {
        is_turned_away(&mut api.connect().await).await;
    }
    is_turned_away(&mut connect_from("127.0.0.2", &api).await).await;
    for stream in &mut open {
        assert!(is_served(stream).await, "those inside notice nothing");
    }
    drop(open.pop());
    served_in_the_end(async || api.connect().await).await;
}

#[tokio::test]
async fn past_the_most_connections_of_an_address_its_next_one_is_503_and_others_come_in() {
    let api =
        Api::start_within(ServeConfig { max_connections_per_address: 2, ..ServeConfig::default() }).await;
    let (mut first, mut second) = (api.connect().await, api.connect().await);
    assert!(is_served(&mut first).await && is_served(&mut second).await);
    is_turned_away(&mut api.connect().await).await;
    let mut other = connect_from("127.0.0.2", &api).await;
    assert!(is_served(&mut other).await, "another address");
    drop(first);
    served_in_the_end(async || api.connect().await).await;
    assert!(is_served(&mut second).await);
}

#[tokio::test]
async fn hundreds_too_many_at_once_get_an_answer_or_an_end_and_leave_nothing_behind() {
    let api = Api::start_within(ServeConfig { max_connections: 1, ..ServeConfig::default() }).await;
    let mut inside = api.connect().await;
    assert!(is_served(&mut inside).await);
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(api.connect().await);
    }
    for stream in &mut crowd {
        match tokio::time::timeout(Duration::from_secs(10), Answer::read(stream)).await {
            Ok(Some(answer)) => answer.is_problem(503, "too_many_connections", "one of hundreds"),
            Ok(None) => {}
            Err(_) => panic!("left without an answer or an end"),
        }
    }
    assert!(is_served(&mut inside).await);
    drop(inside);
    served_in_the_end(async || api.connect().await).await;
}

#[tokio::test]
async fn a_router_learns_the_address_of_its_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let router = Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }));
    let stop = CancellationToken::new();
    let served = tokio::spawn(smsgw_http::serve(listener, router, stop.clone(), Duration::from_secs(5)));
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n").await.expect("written");
    let answer = Answer::read(&mut stream).await.expect("an answer");
    let own = stream.local_addr().expect("connected").to_string();
    assert_eq!(String::from_utf8_lossy(&answer.body), own);
    stop.cancel();
    assert!(served.await.expect("no panic").is_ok());
}
