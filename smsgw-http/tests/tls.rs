//! The server with TLS.
#![cfg(all(unix, feature = "tls"))]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::{Answer, Api};
use rcgen::CertifiedKey;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use smsgw_core::error::ErrorKind;
use smsgw_http::{ServeConfig, ServeTls};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HOST: &str = "localhost";
/// The start of a ClientHello that announces more than comes.
const HALF: &[u8] = &[0x16, 3, 1, 0, 200, 1, 0, 0];
/// Within it the server looks at its files at least once.
const A_LOOK: Duration = Duration::from_millis(1_500);

/// A server, its files, and the certificate that is in them at first.
struct Ground {
    api: Api,
    files: Files,
    first: Certificate,
}

impl Ground {
    async fn start(limits: ServeConfig) -> Self {
        let (files, first) = (Files::new(), Certificate::new());
        files.put(&first);
        let api = Api::start_within(limits.with_tls(files.tls())).await;
        Self { api, files, first }
    }

    /// A connection of a client that trusts this certificate alone; none where it is not shown that one.
    async fn connect(&self, trusted: &Certificate) -> Option<TlsStream<TcpStream>> {
        self.connect_by(trusted, rustls::ALL_VERSIONS).await
    }

    async fn connect_by(
        &self,
        trusted: &Certificate,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Option<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.0.cert.der().clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("known versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = ServerName::try_from(HOST).expect("a name");
        TlsConnector::from(Arc::new(config)).connect(host, self.api.connect().await).await.ok()
    }

    /// Until new connections see this certificate.
    async fn shows(&self, certificate: &Certificate) -> TlsStream<TcpStream> {
        let shown = async {
            loop {
                if let Some(stream) = self.connect(certificate).await {
                    return stream;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(5), shown).await.expect("it is shown in time")
    }

    /// For as long as the server takes to look at its files.
    async fn goes_on_showing(&self, certificate: &Certificate, what: &str) {
        let begun = Instant::now();
        while begun.elapsed() < A_LOOK {
            assert!(self.connect(certificate).await.is_some(), "{what}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

struct Certificate(CertifiedKey<rcgen::KeyPair>);

impl Certificate {
    fn new() -> Self {
        Self(rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate"))
    }
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    fn put(&self, Certificate(certificate): &Certificate) {
        self.write("cert", &certificate.cert.pem());
        allow(&self.write("key", &certificate.signing_key.serialize_pem()), 0o600);
    }

    fn tls(&self) -> ServeTls {
        ServeTls::new(self.0.path().join("cert"), self.0.path().join("key"))
    }
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Answer> {
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n").await.ok()?;
    Answer::read(stream).await
}

async fn is_served(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> bool {
    ask(stream).await.is_some_and(|answer| answer.status == 200)
}

#[tokio::test]
async fn requests_over_tls_are_answered_and_browsers_are_told_to_stay_with_it() {
    let ground = Ground::start(ServeConfig::default()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut stream = ground.connect_by(&ground.first, &[version]).await.expect("a handshake");
        for _ in 0..2 {
            let answer = ask(&mut stream).await.expect("an answer");
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("strict-transport-security"), Some("max-age=15552000"));
        }
        stream.write_all(b"GET /\0 HTTP/1.1\r\n\r\n").await.expect("written");
        let refusal = Answer::read(&mut stream).await.expect("an answer");
        assert!(refusal.status == 400 && refusal.header("strict-transport-security").is_some());
        assert!(Answer::read(&mut stream).await.is_none(), "still open");
    }
    let plain = Api::start().await;
    let answer = ask(&mut plain.connect().await).await.expect("an answer");
    assert_eq!((answer.status, answer.header("strict-transport-security")), (200, None));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections_and_the_old_ones_go_on() {
    let ground = Ground::start(ServeConfig::default()).await;
    let mut old = ground.connect(&ground.first).await.expect("a handshake");
    assert!(is_served(&mut old).await);
    let second = Certificate::new();
    assert!(ground.connect(&second).await.is_none(), "nobody has it yet");
    ground.files.put(&second);
    assert!(is_served(&mut ground.shows(&second).await).await);
    assert!(ground.connect(&ground.first).await.is_none(), "it is not shown any more");
    assert!(is_served(&mut old).await);
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing_until_they_can() {
    let ground = Ground::start(ServeConfig::default()).await;
    assert!(ground.connect(&ground.first).await.is_some());
    let second = Certificate::new();
    ground.files.write("cert", &second.0.cert.pem());
    ground.goes_on_showing(&ground.first, "a certificate without its key").await;
    ground.files.write("cert", "-----BEGIN CERTIFICATE-----\nAAAA");
    ground.goes_on_showing(&ground.first, "half a file").await;
    fs::remove_file(ground.files.tls().cert).expect("it is ours");
    ground.goes_on_showing(&ground.first, "no file").await;
    let key = ground.files.tls().key;
    allow(&key, 0o604);
    ground.files.write("cert", &second.0.cert.pem());
    ground.files.write("key", &second.0.signing_key.serialize_pem());
    ground.goes_on_showing(&ground.first, "a key for everybody").await;
    // The cure that the log names, and nothing else.
    allow(&key, 0o600);
    assert!(is_served(&mut ground.shows(&second).await).await);
}

#[tokio::test]
async fn who_never_finishes_the_handshake_has_a_place_and_loses_it() {
    for start in [&[][..], HALF] {
        let ground = Ground::start(ServeConfig { max_connections: 1, ..ServeConfig::default() }).await;
        let mut silent = ground.api.connect().await;
        silent.write_all(start).await.expect("written");
        assert!(ground.connect(&ground.first).await.is_none(), "there is one place");
        tokio::time::pause();
        let begun = Instant::now();
        // A reset is an end, too.
        let _ = silent.read_to_end(&mut Vec::new()).await;
        assert!(begun.elapsed() <= Duration::from_secs(11), "{:?}", begun.elapsed());
        tokio::time::resume();
        assert!(is_served(&mut ground.shows(&ground.first).await).await, "the place is free again");
    }
}

#[tokio::test]
async fn who_never_finishes_the_handshake_holds_up_nobody_nor_the_end() {
    let ground = Ground::start(ServeConfig::default()).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        let mut stream = ground.api.connect().await;
        stream.write_all(HALF).await.expect("written");
        silent.push(stream);
    }
    let served = async { is_served(&mut ground.connect(&ground.first).await.expect("a handshake")).await };
    assert!(timeout(Duration::from_secs(2), served).await.expect("an answer in time"));
    let Ground { api, .. } = ground;
    api.stop.cancel();
    let ended = timeout(Duration::from_secs(2), api.served).await.expect("an end in time");
    assert!(ended.expect("no panic").is_ok());
}

#[tokio::test]
async fn requests_without_tls_are_refused_without_harm() {
    let ground = Ground::start(ServeConfig { max_connections: 1, ..ServeConfig::default() }).await;
    for _ in 0..20 {
        let mut plain = ground.api.connect().await;
        let request = b"GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n";
        plain.write_all(request).await.expect("written");
        let mut said = Vec::new();
        let ended = timeout(Duration::from_secs(2), plain.read_to_end(&mut said)).await;
        assert!(ended.is_ok(), "still open");
        assert!(!said.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&said));
    }
    assert!(is_served(&mut ground.shows(&ground.first).await).await);
}

#[test]
fn what_is_wrong_with_files_is_told_before_anything_is_served() {
    let files = Files::new();
    files.put(&Certificate::new());
    let good = files.tls();
    let text = files.write("text", "nothing");
    allow(&text, 0o600);
    let key = Certificate::new().0.signing_key.serialize_pem();
    let (other, open) = (files.write("other", &key), files.write("open", &key));
    allow(&other, 0o600);
    allow(&open, 0o604);
    let chmod = format!("chmod 600 {}", open.display());
    for (wrong, words) in [
        (ServeTls::new("/missing", &good.key), "/missing"),
        (ServeTls::new(&text, &good.key), "BEGIN CERTIFICATE"),
        (ServeTls::new(&good.cert, &text), "BEGIN PRIVATE KEY"),
        (ServeTls::new(&good.cert, &other), "is not the one of the certificate"),
        (ServeTls::new(&good.cert, &open), &chmod),
    ] {
        let error = ServeConfig::default().with_tls(wrong).check().expect_err("it cannot work");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.detail().is_some_and(|detail| detail.contains(words)), "{words:?}: {error:?}");
    }
    assert!(ServeConfig::default().with_tls(good).check().is_ok());
}
