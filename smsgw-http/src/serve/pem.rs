//! A certificate and its key from PEM files, and what is said where they cannot be used.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The largest file that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// Those of a file, one or more, in its order.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let name = file.display();
    let text = read(file, |_| true)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{name} is damaged: {error}; write it again as PEM"))?;
    if certificates.is_empty() {
        return Err(format!("{name} holds no certificate; it must be PEM, with BEGIN CERTIFICATE"));
    }
    Ok(certificates)
}

/// The first key of a file that nobody else may read.
pub(super) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let name = file.display();
    let text = read(file, only_ours)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => format!(
            "{name} holds no private key; it must be PEM, with BEGIN PRIVATE KEY, and without a pass phrase"
        ),
        other => format!("{name} is damaged: {other}; write it again as PEM"),
    })
}

#[cfg(unix)]
fn only_ours(open: &File) -> bool {
    use std::os::unix::fs::PermissionsExt;
    open.metadata().is_ok_and(|about| about.permissions().mode() & 0o007 == 0)
}

#[cfg(not(unix))]
fn only_ours(_: &File) -> bool {
    true
}

fn read(file: &Path, may_be: fn(&File) -> bool) -> Result<Vec<u8>, String> {
    let name = file.display();
    let unreadable = |error: io::Error| format!("cannot read {name}: {error}; it must be a PEM file");
    let open = File::open(file).map_err(unreadable)?;
    if !may_be(&open) {
        return Err(format!("{name} can be read by everybody: chmod 600 {name}"));
    }
    let mut text = Vec::new();
    open.take(MAX_FILE).read_to_end(&mut text).map_err(unreadable)?;
    Ok(text)
}
