//! The CA: made, or the one that an earlier run has made.

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::files::{File, PRIVATE, PUBLIC};
use super::params;

const CRT: &str = "ca.crt";
const KEY: &str = "ca.key";
const DAYS: i64 = 3_650;

pub(super) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Ca {
    /// A new one, and its files.
    pub(super) fn make() -> Result<(Self, Vec<File>), Box<dyn Error>> {
        let (params, key) = (own()?, KeyPair::generate()?);
        let certificate = params.self_signed(&key)?;
        let files = vec![
            File { name: CRT, text: certificate.pem(), mode: PUBLIC },
            File { name: KEY, text: key.serialize_pem(), mode: PRIVATE },
        ];
        Ok((Self { certificate: certificate.der().clone(), issuer: Issuer::new(params, key) }, files))
    }

    /// The one whose two files are there, and signs as its certificate says.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, Box<dyn Error>> {
        let (crt, key) = (dir.join(CRT), dir.join(KEY));
        if !crt.exists() || !key.exists() {
            return Ok(None);
        }
        let pem = fs::read_to_string(&key).map_err(|error| unreadable(&key, error))?;
        let pair = KeyPair::from_pem(&pem).map_err(|error| unreadable(&key, error))?;
        let certificate = CertificateDer::from_pem_file(&crt).map_err(|error| unreadable(&crt, error))?;
        let ca = Self { issuer: Issuer::new(own()?, pair), certificate };
        ca.try_out().map_err(|why| {
            format!(
                "{} cannot sign for this program ({why}): it has run out, its key is another, or `gateway certs` did not \
                 make it; sign with the tool that did, or name another --out for a new CA",
                crt.display()
            )
        })?;
        Ok(Some(ca))
    }

    /// The certificate for such a pair, as PEM.
    pub(super) fn sign(&self, leaf: CertificateParams, pair: &KeyPair) -> Result<String, Box<dyn Error>> {
        Ok(leaf.signed_by(pair, &self.issuer)?.pem())
    }

    /// What it signs carries the name of our CAs, and its key: whether that fits the certificate, a client has to say.
    fn try_out(&self) -> Result<(), Box<dyn Error>> {
        let leaf = params("smsgw", vec!["localhost".into()], 1 + super::BEFORE.whole_days())?;
        let leaf = leaf.signed_by(&KeyPair::generate()?, &self.issuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let client =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
                .build()?;
        client.verify_server_cert(
            leaf.der(),
            &[],
            &ServerName::try_from("localhost")?,
            &[],
            UnixTime::now(),
        )?;
        Ok(())
    }
}

fn unreadable(path: &Path, why: impl Display) -> String {
    format!("{} cannot be read ({why}); restore it, or name another --out for a new CA", path.display())
}

/// What is in the certificates of our CAs.
fn own() -> Result<CertificateParams, Box<dyn Error>> {
    let mut params = params("smsgw CA", Vec::new(), DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}
