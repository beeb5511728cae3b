//! `gateway certs`: certificates of a server and a client, and the CA that signs them, for MQTT over TLS.

mod ca;
mod files;

use std::error::Error;
use std::path::Path;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use time::{Duration, OffsetDateTime};

use self::ca::Ca;
use self::files::{File, PRIVATE, PUBLIC};

/// The most that Apple's clients take.
const LEAF_DAYS: i64 = 825;
/// Clocks of phones are late at times.
const BEFORE: Duration = Duration::days(1);

/// Where there is a CA, it signs, and devices that trust it need nothing new; else one is made.
pub(crate) fn run(out: &Path, hosts: &[String], renew: bool) -> Result<(), Box<dyn Error>> {
    let old = Ca::read(out)?;
    if renew && old.is_none() {
        let why = "has no ca.crt and ca.key to renew with; put both there, or leave out --renew for a new CA";
        return Err(format!("{} {why}", out.display()).into());
    }
    let or = if old.is_some() { "give --renew to replace it" } else { "name another --out" };
    let (ca, mut made) = match old {
        Some(ca) => (ca, Vec::new()),
        None => Ca::make()?,
    };
    for (name, hosts, purpose, crt, key) in [
        ("smsgw server", names(hosts), ExtendedKeyUsagePurpose::ServerAuth, "server.crt", "server.key"),
        ("smsgw client", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth, "client.crt", "client.key"),
    ] {
        let mut leaf = params(name, hosts, LEAF_DAYS)?;
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.extended_key_usages = vec![purpose];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        let pair = KeyPair::generate()?;
        made.push(File { name: crt, text: ca.sign(leaf, &pair)?, mode: PUBLIC });
        made.push(File { name: key, text: pair.serialize_pem(), mode: PRIVATE });
    }
    match renew {
        true => files::replace(out, &made)?,
        false => files::add(out, &made, or)?,
    }
    explain(&std::path::absolute(out)?);
    Ok(())
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
         The API with TLS, for clients that trust the same:\n\n  \
         HTTP_TLS_CERT={dir}/server.crt\n  HTTP_TLS_KEY={dir}/server.key\n\n\
         To let in only devices that show a certificate ({dir}/client.crt and client.key):\n\n  \
         MQTT_CA_CERT={dir}/ca.crt\n\n\
         A Mosquitto of yours has the same as cafile, certfile and keyfile; the gateway then has:\n\n  \
         MQTT_BROKER_HOST=…\n  MQTT_CA_CERT={dir}/ca.crt\n  MQTT_TLS_CERT={dir}/client.crt\n  \
         MQTT_TLS_KEY={dir}/client.key\n\n\
         {dir}/ca.key signs further certificates: keep it away from the server."
    );
}
