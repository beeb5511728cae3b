//! `gateway certs`

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use crate::place::Place;

const ALL: [&str; 6] = ["ca.crt", "ca.key", "client.crt", "client.key", "server.crt", "server.key"];

fn made(place: &Place) -> std::path::PathBuf {
    let said = place.run(&["certs", "--out", "tls", "--host", "gw.example.org", "--host", "10.1.2.3"], &[]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for name in ["MQTT_CA_CERT=", "MQTT_TLS_CERT=", "MQTT_TLS_KEY="] {
        assert!(said.stdout.contains(name), "{}", said.stdout);
    }
    place.path().join("tls")
}

#[test]
fn six_files_whose_keys_are_for_their_owner() {
    let place = Place::new();
    let dir = made(&place);
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for name in ALL {
        let expected = if name.ends_with(".key") { 0o600 } else { 0o644 };
        assert_eq!(mode(&dir.join(name)), expected, "{name}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let place = Place::new();
    place.write("server.key", "mine");
    let said = place.run(&["certs", "--out", "."], &[]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("server.key is there already"), "{}", said.stderr);
    assert_eq!(place.names(), ["server.key"]);
}

#[test]
fn a_ca_that_is_there_signs_and_stays() {
    let place = Place::new();
    let dir = made(&place);
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("it is there");
    let all = || ALL.map(read);
    let before = all();

    let said = place.run(&["certs", "--out", "tls"], &[]);
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    assert!(said.stderr.contains("server.crt is there already"), "{}", said.stderr);
    assert!(said.stderr.contains("--renew"), "{}", said.stderr);
    assert_eq!(before, all());

    // The first of them is read by a group, as that of a broker.
    std::fs::set_permissions(dir.join("server.key"), PermissionsExt::from_mode(0o640)).expect("its mode");
    std::fs::write(dir.join("server.crt.new"), "what a crash has left").expect("written");
    let said = place.run(&["certs", "--out", "tls", "--renew", "--host", "new.example.org"], &[]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let after = all();
    for (n, name) in ALL.iter().enumerate() {
        assert_eq!(before[n] == after[n], name.starts_with("ca."), "{name}");
    }
    let mode = |name: &str| dir.join(name).metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode("server.key"), mode("client.key"), mode("server.crt")), (0o640, 0o600, 0o644));
    assert_eq!(std::fs::read_dir(&dir).expect("a directory").count(), ALL.len());
    trusts(&dir, "new.example.org");

    for name in &ALL[2..] {
        std::fs::remove_file(dir.join(name)).expect("removed");
    }
    let said = place.run(&["certs", "--out", "tls", "--host", "newer.example.org"], &[]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(before[..2], all()[..2], "the CA");
    trusts(&dir, "newer.example.org");
}

#[test]
fn a_ca_that_cannot_sign_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    let (dir, others) = (made(&place), made(&other));
    std::fs::copy(others.join("ca.key"), dir.join("ca.key")).expect("copied");
    let before = std::fs::read_to_string(dir.join("server.crt")).expect("it is there");
    let said = place.run(&["certs", "--out", "tls", "--renew"], &[]);
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    assert!(said.stderr.contains("tls/ca.crt cannot sign"), "{}", said.stderr);
    std::fs::write(dir.join("ca.key"), "nonsense").expect("written");
    let said = place.run(&["certs", "--out", "tls", "--renew"], &[]);
    assert!(said.code == Some(1) && said.stderr.contains("ca.key cannot be read"), "{}", said.stderr);
    std::fs::remove_file(dir.join("ca.key")).expect("removed");
    let said = place.run(&["certs", "--out", "tls", "--renew"], &[]);
    assert!(said.code == Some(1) && said.stderr.contains("put both there"), "{}", said.stderr);
    assert_eq!(before, std::fs::read_to_string(dir.join("server.crt")).expect("it is there"));
}

#[test]
fn a_host_that_is_none_is_refused() {
    let place = Place::new();
    let said = place.run(&["certs", "--out", "tls", "--host", "münchen.example"], &[]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("--host") && place.names().is_empty(), "{}", said.stderr);
}

#[test]
fn openssl_takes_them() {
    let place = Place::new();
    let dir = made(&place);
    let verify = |purpose: &str, more: &[&str], file: &str| {
        let mut command = Command::new("openssl");
        command.current_dir(&dir).args(["verify", "-x509_strict", "-CAfile", "ca.crt", "-purpose", purpose]);
        command.args(more).arg(file).output()
    };
    for (purpose, more, file, is_good) in [
        ("sslserver", ["-verify_hostname", "localhost"], "server.crt", true),
        ("sslserver", ["-verify_hostname", "gw.example.org"], "server.crt", true),
        ("sslserver", ["-verify_ip", "10.1.2.3"], "server.crt", true),
        ("sslserver", ["-verify_ip", "::1"], "server.crt", true),
        ("sslserver", ["-verify_hostname", "other.example.org"], "server.crt", false),
        ("sslclient", ["-verify_depth", "1"], "client.crt", true),
        ("sslserver", ["-verify_depth", "1"], "client.crt", false),
    ] {
        let Ok(output) = verify(purpose, &more, file) else {
            // The handshake below shows the same with another library.
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), is_good, "{purpose} {more:?} {file}: {said}");
    }
}

#[test]
fn both_sides_shake_hands() {
    let place = Place::new();
    trusts(&made(&place), "gw.example.org");
}

/// The two certificates are good to whoever trusts the CA, and that of the server for `host`.
fn trusts(dir: &Path, host: &str) {
    let certs = |name: &str| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(dir.join(name))
            .expect("PEM")
            .map(|cert| cert.expect("a certificate"))
            .collect()
    };
    let key = |name: &str| PrivateKeyDer::from_pem_file(dir.join(name)).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(certs("ca.crt").remove(0)).expect("a CA");
    let roots = Arc::new(roots);
    let provider = || Arc::new(ring::default_provider());

    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.clone(), provider()).build().expect("one");
    let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let server = server.expect("versions").with_client_cert_verifier(verifier);
    let server = server.with_single_cert(certs("server.crt"), key("server.key")).expect("a pair");
    let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let client = client.expect("versions").with_root_certificates(roots);
    let client = client.with_client_auth_cert(certs("client.crt"), key("client.key")).expect("a pair");

    let name = ServerName::try_from(host.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let mut server = ServerConnection::new(Arc::new(server)).expect("a server");
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("written");
        server.read_tls(&mut wire.as_slice()).expect("read");
        server.process_new_packets().expect("the server agrees");
        let mut wire = Vec::new();
        server.write_tls(&mut wire).expect("written");
        client.read_tls(&mut wire.as_slice()).expect("read");
        client.process_new_packets().expect("the client agrees");
    }
    assert!(server.peer_certificates().is_some());
}
