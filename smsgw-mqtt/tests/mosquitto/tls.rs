//! What a connection over TLS needs, and what is said where it is missing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use smsgw_core::conformance::Absent;
use smsgw_core::error::ErrorKind;
use smsgw_core::transport::Transport;
use smsgw_mqtt::transport::{MqttConfig, MqttTransport, TlsConfig};
use smsgw_test_support::Proxy;
use tokio::time::{sleep, timeout};

use crate::broker::{Broker, MUTUAL, trouble, until_ready};
use crate::certificates::{Authority, allow, file};
use crate::fixtures::LONG;

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

pub(crate) async fn what_is_wrong_with_files_is_told_before_anything_is_opened() -> Result<(), Absent> {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let (authority, other) = (Authority::new(), Authority::new());
    let (cert, key) = authority.issue("gateway").write(directory, "gateway");
    let (other_cert, _) = other.issue("gateway").write(directory, "other");
    let (open_cert, open_key) = authority.issue("gateway").write(directory, "open");
    let ca = file(directory, "ca.crt", &authority.pem());
    let text = file(directory, "text.crt", "no certificate");
    let cut = file(directory, "cut.crt", &authority.pem()[..200]);
    let sealed = file(
        directory,
        "sealed.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    allow(&open_key, 0o644);
    allow(&sealed, 0o600);
    let config = |ca: Option<&Path>, cert: Option<&Path>, key: Option<&Path>| {
        let own = |path: Option<&Path>| path.map(Path::to_owned);
        MqttConfig::new("localhost", 1).with_tls(TlsConfig { ca: own(ca), cert: own(cert), key: own(key) })
    };
    let missing = directory.join("missing.crt");
    for (config, words) in [
        (config(Some(&missing), None, None), &["missing.crt", "check the path"][..]),
        (config(Some(directory), None, None), &["cannot read", "PEM file"]),
        (config(Some(&text), None, None), &["text.crt", "BEGIN CERTIFICATE"]),
        (config(Some(&cut), None, None), &["cut.crt", "PEM"]),
        (config(Some(&ca), Some(&cert), None), &["gateway.crt", "without its key"]),
        (config(Some(&ca), None, Some(&key)), &["gateway.key", "without its certificate"]),
        (config(Some(&ca), Some(&open_cert), Some(&open_key)), &["open.key", "chmod 600"]),
        (config(Some(&ca), Some(&cert), Some(&sealed)), &["sealed.key", "without a pass phrase"]),
        (config(Some(&ca), Some(&other_cert), Some(&key)), &["gateway.key", "other.crt", "is not the one"]),
        (
            MqttConfig { host: "not a host".into(), ..config(Some(&ca), None, None) },
            &["not a host", "no host name"],
        ),
    ] {
        let opened = MqttTransport::new(config.clone()).open().await;
        for error in [config.check().expect_err("it cannot work"), opened.expect_err("it cannot work")] {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_says(error.detail().expect("it says what to do"), words);
        }
    }
    allow(&open_key, 0o604);
    let error = config(Some(&ca), Some(&open_cert), Some(&open_key)).check().expect_err("nor may a group");
    assert_says(error.detail().expect("it says what to do"), &[&format!("chmod 600 {}", open_key.display())]);
    allow(&open_key, 0o400);
    config(Some(&ca), Some(&open_cert), Some(&open_key)).check().expect("to read it is enough");
    config(Some(&ca), Some(&cert), Some(&key)).check().expect("all is well");
    for host in ["::1", "[::1]"] {
        let config = MqttConfig { host: host.into(), ..config(Some(&ca), None, None) };
        config.check().expect("so IPv6 addresses are written");
    }
    Ok(())
}

pub(crate) async fn a_good_broker_is_reached() -> Result<(), Absent> {
    let authority = Authority::new();
    for (name, settings) in [
        ("localhost", ""),
        ("127.0.0.1", ""),
        ("localhost", "tls_version tlsv1.2\n"),
        ("localhost", "tls_version tlsv1.3\n"),
    ] {
        let broker = Broker::start(&authority.issue(name), &authority, settings)?;
        let mut config = broker.gateway(&authority);
        config.host = name.into();
        let transport = MqttTransport::new(config);
        let _inbox = transport.open().await.expect("open");
        until_ready(&transport).await;
        transport.close().await.expect("close");
    }
    Ok(())
}

pub(crate) async fn a_broker_of_another_authority_is_told() -> Result<(), Absent> {
    let (authority, other) = (Authority::new(), Authority::new());
    let broker = Broker::start(&other.issue("localhost"), &other, "")?;
    let (kind, detail) = trouble(broker.gateway(&authority)).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert_says(&detail, &["localhost:", "signed by none of", "ca.crt", "set the CA file"]);
    Ok(())
}

pub(crate) async fn a_broker_that_this_machine_does_not_know_is_told() -> Result<(), Absent> {
    let authority = Authority::new();
    let broker = Broker::start(&authority.issue("localhost"), &authority, "")?;
    let config = MqttConfig::new("localhost", broker.tls_port()).with_tls(TlsConfig::default());
    // A machine may have none.
    if let Err(error) = config.check() {
        assert_says(error.detail().expect("it says what to do"), &["ca-certificates"]);
        return Ok(());
    }
    let (_, detail) = trouble(config).await;
    assert_says(&detail, &["this machine's CAs", "set the CA file"]);
    Ok(())
}

pub(crate) async fn an_expired_certificate_is_told() -> Result<(), Absent> {
    let authority = Authority::new();
    let broker = Broker::start(&authority.issue_expired("localhost"), &authority, "")?;
    let (kind, detail) = trouble(broker.gateway(&authority)).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert_says(&detail, &["has expired", "renew"]);
    Ok(())
}

pub(crate) async fn another_host_is_told() -> Result<(), Absent> {
    let authority = Authority::new();
    let broker = Broker::start(&authority.issue("broker.example"), &authority, "")?;
    let (kind, detail) = trouble(broker.gateway(&authority)).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert_says(&detail, &["not for \"localhost\""]);
    Ok(())
}

pub(crate) async fn a_port_without_tls_is_told() -> Result<(), Absent> {
    let authority = Authority::new();
    // Mosquitto says nothing to what is no MQTT; other servers do.
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = server.local_addr().expect("it is bound").port();
    let answering = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut client, _)) = server.accept().await {
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            sleep(Duration::from_millis(100)).await;
        }
    });
    let directory = tempfile::tempdir().expect("a directory");
    let ca = Some(file(directory.path(), "ca.crt", &authority.pem()));
    let config = MqttConfig::new("localhost", port).with_tls(TlsConfig { ca, ..TlsConfig::default() });
    let (_, detail) = trouble(config).await;
    assert_says(&detail, &["does not speak TLS"]);
    answering.abort();
    Ok(())
}

pub(crate) async fn a_missing_client_certificate_is_told() -> Result<(), Absent> {
    let authority = Authority::new();
    for version in ["tlsv1.2", "tlsv1.3"] {
        let settings = format!("{MUTUAL}tls_version {version}\n");
        let broker = Broker::start(&authority.issue("localhost"), &authority, &settings)?;
        let (_, detail) = trouble(broker.gateway(&authority)).await;
        assert_says(&detail, &["client certificate", "set one with its key"]);
    }
    Ok(())
}

pub(crate) async fn a_client_certificate_of_another_authority_is_told() -> Result<(), Absent> {
    let (authority, other) = (Authority::new(), Authority::new());
    let broker = Broker::start(&authority.issue("localhost"), &authority, MUTUAL)?;
    for (theirs, words) in
        [(other.issue("gateway"), "our client certificate"), (authority.issue_expired("gateway"), "expired")]
    {
        let mut config = broker.gateway(&authority);
        let (cert, key) = theirs.write(broker.files.path(), "gateway");
        let tls = config.tls.as_mut().expect("it has TLS");
        (tls.cert, tls.key) = (Some(cert), Some(key));
        let (kind, detail) = trouble(config).await;
        assert_eq!(kind, ErrorKind::Unauthorized, "{detail}");
        assert_says(&detail, &[words]);
    }
    Ok(())
}

pub(crate) async fn a_renewed_certificate_is_used_from_the_next_connection_on() -> Result<(), Absent> {
    let authority = Authority::new();
    let settings = format!("{MUTUAL}use_identity_as_username true\n");
    let broker = Broker::start(&authority.issue("localhost"), &authority, &settings)?;
    let proxy = Proxy::start(broker.tls_port(), 1).map_err(|missing| Absent(missing.0))?;
    let (cert, key) = authority.issue("first").write(broker.files.path(), "gateway");
    let mut config = broker.gateway(&authority);
    config.port = proxy.port();
    let tls = config.tls.as_mut().expect("it has TLS");
    (tls.cert, tls.key) = (Some(cert.clone()), Some(key));
    let transport = MqttTransport::new(config);
    let _inbox = transport.open().await.expect("open");
    until_ready(&transport).await;
    let come = async |user: &str, times: usize| {
        let come = async {
            while broker.logins(user) < times {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, come).await.unwrap_or_else(|_| panic!("{user} does not come: {}", broker.log()));
        until_ready(&transport).await;
    };
    come("first", 1).await;

    authority.issue("second").write(broker.files.path(), "gateway");
    proxy.cut();
    come("second", 1).await;

    // Half a renewal: the gateway goes on with what it had.
    let whole = fs::read(&cert).expect("it is there");
    for half in [&b"-----BEGIN CERTIFICATE-----\nAAAA"[..], authority.issue("third").cert.as_bytes()] {
        fs::write(&cert, half).expect("it is ours");
        let times = broker.logins("second");
        proxy.cut();
        come("second", times + 1).await;
    }
    fs::write(&cert, whole).expect("it is ours");
    transport.close().await.expect("close");
    Ok(())
}
