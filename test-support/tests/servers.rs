//! Each server starts, answers, and comes back on the same port after whatever was done to it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use smsgw_test_support::{Missing, Mosquitto, Postgres, RabbitMq, Redis};

/// `None`, and a word on why, where the server is not installed and nobody said that it must be.
fn had<T>(name: &str, server: Result<T, Missing>) -> Option<T> {
    let required = std::env::var("SMSGW_TEST_REQUIRE").unwrap_or_default();
    match server {
        Ok(server) => Some(server),
        Err(missing) if required.split(',').any(|one| one.trim() == name) => panic!("{missing}"),
        Err(Missing(why)) => {
            writeln!(std::io::stderr(), "skipped: {why}").expect("stderr");
            None
        }
    }
}

/// What comes back for `question`, up to 64 bytes; `None` where nothing does within half a second.
fn ask(port: u16, question: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    stream.write_all(question).ok()?;
    let mut answer = vec![0; 64];
    let count = stream.read(&mut answer).ok().filter(|count| *count > 0)?;
    answer.truncate(count);
    Some(answer)
}

/// The life that all of them have; `answer` is how the answer to `question` begins.
macro_rules! lives {
    ($server:expr, $question:expr, $answer:expr) => {{
        let server = &$server;
        let answers = || ask(server.port(), $question).is_some_and(|answer| answer.starts_with($answer));
        assert!(answers(), "it answers");
        server.start_again().expect("it runs, so nothing is to be done");
        server.kill();
        assert!(ask(server.port(), $question).is_none(), "it was killed");
        server.start_again().expect("after the kill");
        assert!(answers(), "it answers after the kill");
        server.restart().expect("a restart");
        assert!(answers(), "it answers after the restart");
        server.pause();
        assert!(ask(server.port(), $question).is_none(), "it stands still");
        server.resume();
        assert!(answers(), "it goes on");
        server.pause();
        server.stop();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).is_err(), "it was stopped");
        server.start_again().expect("after the stop");
        assert!(answers(), "it answers after the stop");
    }};
}

/// `server` goes, and so does all that it had.
fn leaves_nothing<T>(server: T, port: u16, directory: PathBuf) {
    assert!(directory.is_dir());
    drop(server);
    assert!(!directory.exists(), "its directory is gone");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "it is gone");
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let speaks_of_it = |process: &PathBuf| {
        let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(&*directory.to_string_lossy())
    };
    let left: Vec<_> = processes.map(|entry| entry.path()).filter(speaks_of_it).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn redis() {
    let Some(redis) = had("redis", Redis::start()) else { return };
    lives!(redis, b"PING\r\n", b"+PONG");
    let (port, directory) = (redis.port(), redis.directory().to_owned());
    leaves_nothing(redis, port, directory);
}

#[test]
fn redis_keeps_what_its_settings_say() {
    let keeping = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some(keeps) = had("redis", Redis::start_with(&keeping)) else { return };
    let Some(forgets) = had("redis", Redis::start()) else { return };
    for (redis, expected) in [(&keeps, &b"$1\r\n1\r\n"[..]), (&forgets, b"$-1\r\n")] {
        assert_eq!(ask(redis.port(), b"SET one 1\r\n").as_deref(), Some(&b"+OK\r\n"[..]));
        redis.kill();
        redis.start_again().expect("after the kill");
        assert_eq!(ask(redis.port(), b"GET one\r\n").as_deref(), Some(expected));
    }
}

#[test]
fn postgres() {
    let Some(postgres) = had("postgres", Postgres::start()) else { return };
    // A start packet of protocol 3.0 with the user; answered by an `R`: no password is asked for.
    let start = b"\x00\x00\x00\x14\x00\x03\x00\x00user\x00smsgw\x00\x00";
    lives!(postgres, start, b"R\x00\x00\x00\x08\x00\x00\x00\x00");
    let (port, directory) = (postgres.port(), postgres.directory().to_owned());
    leaves_nothing(postgres, port, directory);
}

#[test]
fn mosquitto() {
    let Some(mosquitto) = had("mqtt", Mosquitto::start()) else { return };
    // CONNECT of MQTT 3.1.1 with an empty client id; CONNACK.
    let connect = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00";
    lives!(mosquitto, connect, b"\x20\x02\x00\x00");
    let (port, directory) = (mosquitto.port(), mosquitto.directory().to_owned());
    leaves_nothing(mosquitto, port, directory);
}

#[test]
fn rabbitmq() {
    let Some(rabbitmq) = had("amqp", RabbitMq::start()) else { return };
    lives!(rabbitmq, b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00");
    assert!(rabbitmq.control(&["list_vhosts"]).expect("rabbitmqctl").contains('/'));
    let (port, directory) = (rabbitmq.port(), rabbitmq.directory().to_owned());
    leaves_nothing(rabbitmq, port, directory);
}

/// A server that is started from a thread that ends lives on; one whose process is killed does not.
#[test]
fn a_server_lives_as_long_as_the_process() {
    const CHILD: &str = "SMSGW_TEST_SUPPORT_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let start = || (Redis::start(), Postgres::start(), Mosquitto::start(), RabbitMq::start());
        let servers = std::thread::spawn(start).join().expect("the thread");
        let ports = (
            servers.0.as_ref().map(Redis::port),
            servers.1.as_ref().map(Postgres::port),
            servers.2.as_ref().map(Mosquitto::port),
            servers.3.as_ref().map(RabbitMq::port),
        );
        let mut out = std::io::stdout();
        for port in [ports.0, ports.1, ports.2, ports.3].into_iter().flatten() {
            writeln!(out, "port={port}").expect("stdout");
        }
        writeln!(out, "all").expect("stdout");
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_server_lives_as_long_as_the_process", "--nocapture"])
        .env(CHILD, "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("its output")));
    let lines = lines.map_while(Result::ok).take_while(|line| line != "all");
    let ports: Vec<u16> = lines.filter_map(|line| line.split_once("port=")?.1.parse().ok()).collect();
    let runs = |port: &u16| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok();
    std::thread::sleep(Duration::from_millis(200));
    let running = ports.iter().all(runs);
    child.kill().expect("a kill");
    child.wait().expect("it ends");
    assert!(running, "the thread that started them has ended, and they run");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while ports.iter().any(runs) {
        assert!(std::time::Instant::now() < deadline, "the process has ended, and they do with it");
        std::thread::sleep(Duration::from_millis(20));
    }
}
