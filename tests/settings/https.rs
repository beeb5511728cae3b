//! The API with TLS.

use crate::place::{FREE, Place};

/// With what `gateway certs` makes in `tls`.
fn with_certs() -> Place {
    let place = Place::new();
    let said = place.run(&["certs", "--out", "tls"], &[]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    place
}

const FILES: [(&str, &str); 2] = [("HTTP_TLS_CERT", "tls/server.crt"), ("HTTP_TLS_KEY", "tls/server.key")];

#[cfg(feature = "tls")]
mod served {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::path::Path;
    use std::sync::Arc;

    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    use super::{FILES, with_certs};
    use crate::place::nowhere;
    use crate::support::PATIENCE;

    /// What is answered to a client that trusts this CA.
    fn answer(address: SocketAddr, ca: &Path) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).expect("it is PEM")).expect("it is a CA");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("known versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(Arc::new(config), host).expect("a client");
        let socket = TcpStream::connect(address).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut stream = StreamOwned::new(client, socket);
        stream
            .write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("written");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer, and its end");
        text
    }

    #[test]
    fn it_needs_no_leave_to_listen_beyond_this_machine_and_check_knows_it() {
        let place = with_certs();
        let http = format!("0.0.0.0:{}", nowhere());
        let args = ["--http", &http, "--mqtt", "127.0.0.1:0"];
        let (_process, ready) = place.start(&args, &FILES);
        let told = ready["http"].as_str().expect("an address");
        assert_eq!(told, format!("https://{http}"));
        assert!(ready["token"].is_null(), "it is no demo: {ready}");
        let address = http.replace("0.0.0.0", "127.0.0.1").parse().expect("an address");
        let text = answer(address, &place.path().join("tls/ca.crt"));
        assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("strict-transport-security"), "{text}");

        let said = place.run(&[&["check"], &args[..]].concat(), &FILES);
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains("a gateway runs here"), "{}", said.stdout);
        // Another server there is no gateway of these settings.
        let others = [("HTTP_TLS_CERT", "tls/client.crt"), ("HTTP_TLS_KEY", "tls/client.key")];
        let said = place.run(&[&["check"], &args[..]].concat(), &others);
        assert!(said.code == Some(1) && said.stdout.contains("FAIL  http"), "{}", said.stdout);
    }

    #[test]
    fn a_key_that_does_not_belong_to_its_certificate_is_refused() {
        let place = with_certs();
        let said = place.run(&super::FREE, &[FILES[0], ("HTTP_TLS_KEY", "tls/client.key")]);
        assert_eq!(said.code, Some(78), "{}", said.stderr);
        assert!(said.stderr.contains("HTTP_TLS_CERT (environment)"), "{}", said.stderr);
    }
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let place = with_certs();
    let key = std::fs::read_to_string(place.path().join("tls/server.key")).expect("a key");
    place.write_mode("open.key", &key, 0o604);
    let said = place.run(&FREE, &[FILES[0], ("HTTP_TLS_KEY", "open.key")]);
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    let words = ["HTTP_TLS_KEY (environment)", "chmod 600 open.key"];
    assert!(words.iter().all(|words| said.stderr.contains(words)), "{}", said.stderr);
}

#[test]
fn a_certificate_without_its_key_is_refused_and_a_key_without_its_certificate() {
    let place = with_certs();
    for (alone, missing) in [(FILES[0], "needs HTTP_TLS_KEY"), (FILES[1], "needs HTTP_TLS_CERT")] {
        let said = place.run(&FREE, &[alone]);
        assert_eq!(said.code, Some(78), "{}", said.stderr);
        assert!(said.stderr.contains(alone.0) && said.stderr.contains(missing), "{}", said.stderr);
    }
    let said = place.run(&[&FREE[..], &["--http-tls-cert", "tls/server.crt"]].concat(), &[]);
    assert!(said.code == Some(2) && said.stderr.contains("--http-tls-key"), "{}", said.stderr);
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_build_without_tls_says_how_to_get_one_with_it() {
    let said = with_certs().run(&FREE, &FILES);
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    let words = ["HTTP_TLS_CERT (environment)", "this build has no TLS", "tls"];
    assert!(words.iter().all(|words| said.stderr.contains(words)), "{}", said.stderr);
}
