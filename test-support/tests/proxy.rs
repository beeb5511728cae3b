//! What the proxy does to a line.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use smsgw_test_support::{Direction, Proxy};

/// A server that says back what it hears.
fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut back = stream.try_clone().expect("a second handle");
                _ = std::io::copy(&mut { stream }, &mut back);
            });
        }
    });
    port
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a limit");
    stream
}

/// Whether `word` comes back within the limit.
fn comes_back(stream: &mut TcpStream, word: &[u8]) -> bool {
    stream.write_all(word).is_ok() && is_there(stream, word)
}

fn is_there(stream: &mut TcpStream, word: &[u8]) -> bool {
    let mut answer = vec![0; word.len()];
    stream.read_exact(&mut answer).is_ok() && answer == word
}

/// Whether the other side has closed, rather than being silent.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn bytes_pass() {
    let proxy = Proxy::start(echo(), 1).expect("a proxy");
    let mut stream = connect(&proxy);
    assert!(comes_back(&mut stream, b"hello"));
    let long = vec![7; 300_000];
    let mut other = stream.try_clone().expect("a second handle");
    let write = thread::spawn({
        let long = long.clone();
        move || other.write_all(&long)
    });
    assert!(is_there(&mut stream, &long));
    write.join().expect("the thread").expect("a write");
}

#[test]
fn a_cut_ends_what_is_open_and_nothing_else() {
    let proxy = Proxy::start(echo(), 1).expect("a proxy");
    let mut stream = connect(&proxy);
    assert!(comes_back(&mut stream, b"one"));
    proxy.cut();
    assert!(is_closed(&mut stream));
    assert!(comes_back(&mut connect(&proxy), b"two"));
    proxy.down();
    assert!(is_closed(&mut connect(&proxy)));
    proxy.up();
    assert!(comes_back(&mut connect(&proxy), b"three"));
}

#[test]
fn a_stall_holds_back_and_loses_nothing() {
    let proxy = Proxy::start(echo(), 1).expect("a proxy");
    let mut stream = connect(&proxy);
    proxy.stall();
    assert!(!comes_back(&mut stream, b"late"));
    proxy.resume();
    assert!(is_there(&mut stream, b"late"));
}

#[test]
fn one_way_can_be_blocked_alone() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let proxy = Proxy::start(listener.local_addr().expect("its address").port(), 1).expect("a proxy");
    let mut client = connect(&proxy);
    let (mut server, _) = listener.accept().expect("a connection");
    server.set_read_timeout(Some(Duration::from_millis(300))).expect("a limit");
    proxy.block(Direction::ToServer);
    client.write_all(b"there").expect("a write");
    server.write_all(b"back").expect("a write");
    assert!(is_there(&mut client, b"back"));
    assert!(!is_there(&mut server, b"there"));
    proxy.resume();
    assert!(is_there(&mut server, b"there"));
}

#[test]
fn latency_delays() {
    let proxy = Proxy::start(echo(), 1).expect("a proxy");
    let mut stream = connect(&proxy);
    proxy.latency(Duration::from_millis(50), Duration::from_millis(10));
    let start = Instant::now();
    assert!(comes_back(&mut stream, b"slow"));
    assert!(start.elapsed() >= Duration::from_millis(100), "there and back: {:?}", start.elapsed());
}

#[test]
fn a_proxy_that_goes_closes_all() {
    let proxy = Proxy::start(echo(), 1).expect("a proxy");
    let mut stream = connect(&proxy);
    assert!(comes_back(&mut stream, b"one"));
    drop(proxy);
    assert!(is_closed(&mut stream));
}
