//! The listener with TLS.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::{TlsConfiguration, Transport};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use smsgw_core::auth::Authenticator;
use smsgw_core::error::{Error, ErrorKind};
use smsgw_core::memory::MemoryStore;
use smsgw_core::time::SystemClock;
use smsgw_mqtt::broker::{Broker, BrokerConfig, BrokerTls};
use smsgw_mqtt::transport::MqttTransport;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::certificates::{Authority, Certificate, allow, file};
use crate::client::{BOTH, Client, Options, Said, Version};
use crate::ground::{Ground, config, shared};

/// The name in the broker's certificate.
const HOST: &str = "127.0.0.1";

struct Place {
    ground: Ground,
    authority: Authority,
    files: TempDir,
}

fn tls(files: &Path, certificate: &Certificate, client_ca: Option<PathBuf>) -> BrokerTls {
    let (cert, key) = certificate.write(files, "broker");
    BrokerTls { listen: (Ipv4Addr::LOCALHOST, 0).into(), client_ca, ..BrokerTls::new(cert, key) }
}

impl Place {
    /// A broker that takes devices over TLS only, and asks for certificates of its own CA where `mutual` is set.
    async fn new(mutual: bool) -> Self {
        let (authority, files) = (Authority::new(), tempfile::tempdir().expect("a directory"));
        let client_ca = mutual.then(|| file(files.path(), "clients.crt", &authority.pem()));
        let tls = tls(files.path(), &authority.issue(HOST), client_ca);
        let ground = Ground::with(BrokerConfig { listen: None, ..config().with_tls(tls) }).await;
        Self { ground, authority, files }
    }

    fn address(&self) -> std::net::SocketAddr {
        self.ground.broker.tls_addr().expect("it listens with TLS")
    }

    async fn try_connect(&self, options: Options, trusted: Transport) -> (Client, Said) {
        Options { transport: trusted, ..options }.try_connect(self.address()).await
    }

    /// Whether a client that trusts `authority` is let in.
    async fn is_let_in(&self, authority: &Authority, own: Option<&Certificate>) -> bool {
        let connected =
            self.try_connect(shared(Version::V5, "x"), trust(authority, own, rustls::ALL_VERSIONS));
        matches!(connected.await.1, Said::Connected { .. })
    }
}

fn trust(
    authority: &Authority,
    own: Option<&Certificate>,
    versions: &[&'static SupportedProtocolVersion],
) -> Transport {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("it is PEM");
    roots.add(ca).expect("it is a CA");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("known versions")
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let cert = CertificateDer::from_pem_slice(own.cert.as_bytes()).expect("it is PEM");
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("it is PEM");
            builder.with_client_auth_cert(vec![cert], key).expect("they fit")
        }
    };
    Transport::Tls(TlsConfiguration::Rustls(Arc::new(config)))
}

#[tokio::test]
async fn devices_come_in_over_tls_and_the_gateway_by_a_way_of_its_own() {
    let place = Place::new(false).await;
    let ground = &place.ground;
    let phone = ground.native().await;
    let mut gateway = ground.gateway().await;
    for version in BOTH {
        for protocol in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let trusted = trust(&place.authority, None, &[protocol]);
            let (mut client, said) = place.try_connect(phone.native(version), trusted).await;
            assert!(matches!(said, Said::Connected { .. }), "{said:?}");
            assert_eq!(client.subscribe(&phone.down()).await, 1);
            assert_eq!(client.publish(&phone.up(), "hello").await, 0);
            assert_eq!(gateway.hear().await, crate::client::message(&phone.up(), "hello"));
            client.disconnect().await;
        }
        // Without TLS there is nobody but the gateway.
        assert_eq!(ground.refused(phone.native(version)).await, "NotAuthorized");
        assert_eq!(ground.refused(shared(version, "x")).await, "NotAuthorized");
    }
    assert!(ground.broker.local_addr().ip().is_loopback());
    drop(gateway);
    let transport = MqttTransport::embedded(&ground.broker);
    let _inbox = smsgw_core::transport::Transport::open(&transport).await.expect("open");
    let ready = async {
        while smsgw_core::transport::Transport::ready(&transport).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), ready).await.expect("it is ready in time");
}

#[tokio::test]
async fn both_listeners_keep_the_same_rules() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("a directory"));
    let tls = tls(files.path(), &authority.issue(HOST), None);
    let ground = Ground::with(config().with_tls(tls)).await;
    let place = Place { ground, authority, files };
    let phone = place.ground.native().await;
    place.ground.connect(shared(Version::V311, "plain")).await;
    let trusted = || trust(&place.authority, None, rustls::ALL_VERSIONS);
    let mut options = phone.native(Version::V5);
    options.login = Some((phone.name.clone(), "wrong".into()));
    assert_eq!(place.try_connect(options, trusted()).await.1, Said::Refused("BadUserNamePassword".into()));
    let (mut client, _) = place.try_connect(phone.native(Version::V5), trusted()).await;
    assert_eq!(client.subscribe("#").await, 0x87);
    // And a key that is revoked ends the session.
    place.ground.revoke(&phone).await;
    let begun = Instant::now();
    place.ground.broker.disconnect(&[phone.id]).await;
    assert_eq!(client.hear().await, Said::Lost);
    assert!(begun.elapsed() < Duration::from_secs(2));
    // One that expires, too.
    let soon = smsgw_core::time::Clock::now(&SystemClock) + Duration::from_secs(1);
    let short = place.ground.another_key(phone.id, Some(soon)).await;
    let (mut client, said) = place.try_connect(short.native(Version::V5), trusted()).await;
    assert!(matches!(said, Said::Connected { .. }), "{said:?}");
    assert_eq!(client.hear().await, Said::Lost);
}

#[tokio::test]
async fn a_device_shows_a_certificate_where_the_broker_asks_for_one() {
    let place = Place::new(true).await;
    let own = place.authority.issue("phone");
    let (foreign, expired) = (Authority::new().issue("phone"), place.authority.issue_expired("phone"));
    assert!(place.is_let_in(&place.authority, Some(&own)).await);
    for refused in [None, Some(&foreign), Some(&expired)] {
        assert!(!place.is_let_in(&place.authority, refused).await);
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_half_a_one_is_not() {
    let place = Place::new(false).await;
    let other = Authority::new();
    assert!(place.is_let_in(&place.authority, None).await && !place.is_let_in(&other, None).await);
    let cert = place.files.path().join("broker.crt");
    let old = fs::read(&cert).expect("it is there");
    let new = other.issue(HOST);
    // A certificate without its key.
    for half in [new.cert.as_bytes(), b"-----BEGIN CERTIFICATE-----\nAAAA"] {
        fs::write(&cert, half).expect("it is ours");
        sleep(Duration::from_millis(1_500)).await;
        assert!(place.is_let_in(&place.authority, None).await, "the one of before stays in use");
    }
    fs::write(&cert, old).expect("it is ours");
    new.write(place.files.path(), "broker");
    let shown = async {
        while !place.is_let_in(&other, None).await {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(5), shown).await.expect("it is shown in time");
    assert!(!place.is_let_in(&place.authority, None).await);
}

#[tokio::test]
async fn a_client_that_says_nothing_holds_up_nobody() {
    let place = Place::new(false).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(place.address()).await.expect("connect"));
    }
    let begun = Instant::now();
    assert!(place.is_let_in(&place.authority, None).await);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    for stream in &mut silent {
        let closed = timeout(Duration::from_secs(8), stream.read(&mut [0; 8])).await;
        assert_eq!(closed.expect("closed").unwrap_or(0), 0);
    }
    let _half = TcpStream::connect(place.address()).await.expect("connect");
    let begun = Instant::now();
    place.ground.broker.close().await;
    assert!(begun.elapsed() < Duration::from_millis(900), "nor does it hold up the end");
}

#[tokio::test]
async fn what_is_wrong_with_files_is_told_before_anything_is_opened() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("a directory"));
    let good = tls(files.path(), &authority.issue(HOST), None);
    let text = file(files.path(), "text", "nothing");
    let (_, other) = authority.issue(HOST).write(files.path(), "other");
    let (_, open) = authority.issue(HOST).write(files.path(), "open");
    allow(&open, 0o604);
    let chmod = format!("chmod 600 {}", open.display());
    for (wrong, words) in [
        (BrokerTls { cert: files.path().join("missing"), ..good.clone() }, "check the path"),
        (BrokerTls { cert: text.clone(), ..good.clone() }, "BEGIN CERTIFICATE"),
        (BrokerTls { key: text.clone(), ..good.clone() }, "chmod 600"),
        (BrokerTls { key: other, ..good.clone() }, "is not the one of the certificate"),
        (BrokerTls { key: open, ..good.clone() }, &chmod),
        (BrokerTls { client_ca: Some(text), ..good.clone() }, "BEGIN CERTIFICATE"),
    ] {
        let error: Error = start(wrong).await.expect_err("it cannot work");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.detail().is_some_and(|detail| detail.contains(words)), "{words:?}: {error:?}");
    }
    start(good).await.expect("all is well").close().await;
}

async fn start(tls: BrokerTls) -> smsgw_core::error::Result<Broker> {
    let authenticator = Authenticator::new(MemoryStore::new(), SystemClock);
    Broker::start(BrokerConfig::tls_only(tls), authenticator).await
}

/// Runs a device until it is online; `false` where it is not within `patience`.
#[cfg(feature = "device")]
async fn comes_online(device: smsgw_mqtt::device::Device, patience: Duration) -> bool {
    use smsgw_mqtt::device::{Outcome, Radio, RadioError, Sms, Status};

    struct Mute;

    #[async_trait::async_trait]
    impl Radio for Mute {
        async fn transmit(&mut self, _: &Sms) -> Result<Outcome, RadioError> {
            Ok(Outcome::Sent)
        }
    }

    let mut status = device.handle().status();
    let online = async { status.wait_for(|status| *status == Status::Online).await.map(drop) };
    tokio::select! {
        online = timeout(patience, online) => online.is_ok(),
        ended = device.run(Mute, std::future::pending()) => panic!("{ended:?}"),
    }
}

#[cfg(feature = "device")]
#[tokio::test]
async fn the_device_library_comes_in() {
    use smsgw_mqtt::device::{Device, DeviceError, TlsConfig};

    let place = Place::new(true).await;
    let phone = place.ground.native().await;
    let ca = file(place.files.path(), "ca.crt", &place.authority.pem());
    let (cert, key) = place.authority.issue("phone").write(place.files.path(), "phone");
    let url = format!("mqtts://{}", place.address());
    let build = |files: TlsConfig| Device::builder(&url, &phone.name, &phone.key).tls(files).build();
    let whole = TlsConfig { ca: Some(ca.clone()), cert: Some(cert), key: Some(key) };
    let without = TlsConfig { ca: Some(ca), ..TlsConfig::default() };
    for (files, comes) in [(whole, true), (without, false)] {
        let device = build(files).expect("the files are usable");
        let patience = Duration::from_secs(if comes { 10 } else { 1 });
        assert_eq!(comes_online(device, patience).await, comes);
    }
    let missing = TlsConfig { ca: Some("/missing.crt".into()), ..TlsConfig::default() };
    let error = build(missing).expect_err("there is no such file");
    assert!(matches!(&error, DeviceError::Tls(why) if why.contains("/missing.crt")), "{error}");
}

#[cfg(feature = "device")]
#[tokio::test]
async fn the_device_library_comes_in_by_an_ipv6_address() {
    use smsgw_mqtt::device::{Device, TlsConfig};

    if let Err(error) = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        let names = std::env::var("SMSGW_TEST_REQUIRE").unwrap_or_default();
        assert!(!names.split(',').any(|name| name == "ipv6"), "this machine has no IPv6: {error}");
        return;
    }
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("a directory"));
    let tls = BrokerTls {
        listen: (Ipv6Addr::LOCALHOST, 0).into(),
        ..tls(files.path(), &authority.issue("::1"), None)
    };
    let listen = Some((Ipv6Addr::LOCALHOST, 0).into());
    let ground = Ground::with(BrokerConfig { listen, ..config().with_tls(tls) }).await;
    let ca = file(files.path(), "ca.crt", &authority.pem());
    let secure = ground.broker.tls_addr().expect("it listens with TLS").port();
    let plain = ground.broker.local_addr().port();
    for url in [format!("mqtts://[::1]:{secure}"), format!("mqtt://[::1]:{plain}")] {
        let phone = ground.native().await;
        let files = TlsConfig { ca: Some(ca.clone()), ..TlsConfig::default() };
        let device =
            Device::builder(&url, &phone.name, &phone.key).tls(files).build().expect("it is an address");
        assert!(comes_online(device, Duration::from_secs(10)).await, "{url}");
    }
}
