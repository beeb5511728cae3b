//! `gateway certs`: a CA, and certificates of a server and a client that it has signed, for MQTT over TLS.

use std::error::Error;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

const CA_DAYS: i64 = 3_650;
/// The most that Apple's clients take.
const LEAF_DAYS: i64 = 825;
/// Clocks of phones are late at times.
const BEFORE: Duration = Duration::days(1);

const PUBLIC: u32 = 0o644;
const PRIVATE: u32 = 0o600;

pub(crate) fn run(out: &Path, hosts: &[String]) -> Result<(), Box<dyn Error>> {
    let files = make(hosts)?;
    for (name, ..) in &files {
        if out.join(name).symlink_metadata().is_ok() {
            let path = out.join(name);
            return Err(
                format!("{} is there already; move it away, or name another --out", path.display()).into()
            );
        }
    }
    let failed =
        |path: &Path, error| format!("cannot write {} ({error}); name another --out", path.display());
    if !out.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(out).map_err(|error| failed(out, error))?;
    }
    for (name, text, mode) in &files {
        let path = out.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(*mode).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| failed(&path, error))?;
    }
    explain(&std::path::absolute(out)?);
    Ok(())
}

type File = (&'static str, String, u32);

fn make(hosts: &[String]) -> Result<Vec<File>, Box<dyn Error>> {
    let mut ca = params("smsgw CA", Vec::new(), CA_DAYS)?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate()?;
    let mut files =
        vec![("ca.crt", ca.self_signed(&ca_key)?.pem(), PUBLIC), ("ca.key", ca_key.serialize_pem(), PRIVATE)];
    let issuer = Issuer::new(ca, ca_key);

    let mut server = params("smsgw server", names(hosts), LEAF_DAYS)?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut client = params("smsgw client", Vec::new(), LEAF_DAYS)?;
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    for (mut leaf, crt, key) in [(server, "server.crt", "server.key"), (client, "client.crt", "client.key")] {
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        let pair = KeyPair::generate()?;
        files.push((crt, leaf.signed_by(&pair, &issuer)?.pem(), PUBLIC));
        files.push((key, pair.serialize_pem(), PRIVATE));
    }
    Ok(files)
}

fn params(name: &str, hosts: Vec<String>, days: i64) -> Result<CertificateParams, Box<dyn Error>> {
    let wrong = |_| "a --host is neither a name nor an address; write an international name in Punycode";
    let mut params = CertificateParams::new(hosts).map_err(wrong)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BEFORE;
    params.not_after = params.not_before + Duration::days(days);
    Ok(params)
}

/// By what clients may call the server.
fn names(hosts: &[String]) -> Vec<String> {
    let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
    for name in std::iter::once(own).chain(hosts.iter().cloned()) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn explain(dir: &Path) {
    let dir = dir.display();
    println!(
        "The embedded broker with TLS, for devices that trust {dir}/ca.crt:\n\n  \
         MQTT_TLS_CERT={dir}/server.crt\n  MQTT_TLS_KEY={dir}/server.key\n\n\
         To let in only devices that show a certificate ({dir}/client.crt and client.key):\n\n  \
         MQTT_CA_CERT={dir}/ca.crt\n\n\
         A Mosquitto of yours has the same as cafile, certfile and keyfile; the gateway then has:\n\n  \
         MQTT_BROKER_HOST=…\n  MQTT_CA_CERT={dir}/ca.crt\n  MQTT_TLS_CERT={dir}/client.crt\n  \
         MQTT_TLS_KEY={dir}/client.key\n\n\
         {dir}/ca.key signs further certificates: keep it away from the server."
    );
}
