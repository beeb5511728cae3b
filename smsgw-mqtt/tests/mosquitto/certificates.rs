//! Certificates made for one test.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// Every authority has the same name, as two that were made by one command have.
const NAME: &str = "smsgw tests";

/// A CA.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Certificate {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, NAME);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a host, or of somebody who has no other name than that.
    pub(crate) fn issue(&self, name: &str) -> Certificate {
        self.sign(name, |_| {})
    }

    pub(crate) fn issue_expired(&self, name: &str) -> Certificate {
        self.sign(name, |params| params.not_after = date_time_ymd(2020, 1, 1))
    }

    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Certificate { cert, key: key.serialize_pem() }
    }
}

impl Certificate {
    /// Written as `NAME.crt` and `NAME.key`, the key for the owner alone.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let cert = file(directory, &format!("{name}.crt"), &self.cert);
        let key = file(directory, &format!("{name}.key"), &self.key);
        allow(&key, 0o600);
        (cert, key)
    }
}

pub(crate) fn file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("a file");
    path
}

pub(crate) fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}
