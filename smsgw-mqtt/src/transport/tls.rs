//! TLS to the broker, from PEM files that are read anew for each connection.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rumqttc::v5::ConnectionError;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use super::TlsConfig;
use super::login::{End, io_error, is_cut};
use crate::pem::{authorities, certificates, private_key, provider};

/// What a broker is met with.
pub(crate) struct Tls {
    files: TlsConfig,
    host: String,
    /// From the last files that were whole.
    last: Mutex<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads the files; says which of them is not usable, and why.
    pub(crate) fn load(files: &TlsConfig, host: &str) -> Result<Self, String> {
        if ServerName::try_from(host).is_err() {
            return Err(format!("{host:?} is no host name or address that a certificate could be for"));
        }
        let last = Mutex::new(Arc::new(client_config(files)?));
        Ok(Self { files: files.clone(), host: host.to_owned(), last })
    }

    /// What the next connection uses: the files as they are now, or as they were when they were whole.
    pub(crate) fn renewed(&self) -> Arc<ClientConfig> {
        let read = client_config(&self.files);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(config) => *last = Arc::new(config),
            Err(why) => tracing::error!("the certificates of before stay in use: {why}"),
        }
        last.clone()
    }

    /// What an error says of certificates; `None` where it has nothing to do with TLS. `welcomed` is set once the
    /// broker has answered the login.
    pub(crate) fn explain(&self, error: &ConnectionError, welcomed: bool) -> Option<End> {
        if let Some(error) = rustls_error(error) {
            return Some(self.explain_tls(error));
        }
        // The alert may be lost with the connection that it ends.
        (self.files.cert.is_none() && !welcomed && is_cut(error)).then(|| {
            End::Broken(
                "it closes the connection before it answers; where it requires a client certificate, set one \
                 with its key"
                    .into(),
            )
        })
    }

    fn explain_tls(&self, error: &rustls::Error) -> End {
        use rustls::Error;
        let host = &self.host;
        match error {
            Error::InvalidCertificate(problem) => End::Broken(match problem {
                // The second where a CA of the same name has another key.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
                    "its certificate is signed by none of {}; set the CA file to the CA that signed it",
                    self.authorities()
                ),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "its certificate has expired; renew it, or set this machine's clock".into()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "its certificate is not valid yet; set this machine's clock".into()
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    format!(
                        "its certificate is not for {host:?}; connect by a name that is in it, or have it made for {host:?}"
                    )
                }
                other => format!("its certificate is not accepted: {other:?}"),
            }),
            Error::AlertReceived(alert) => self.explain_alert(*alert),
            Error::InvalidMessage(_) => End::Broken(
                "it does not speak TLS on this port; by convention 8883 is the one with TLS".into(),
            ),
            other => End::Broken(format!("TLS: {other}")),
        }
    }

    fn explain_alert(&self, alert: AlertDescription) -> End {
        use AlertDescription as Alert;
        match alert {
            Alert::CertificateRequired | Alert::HandshakeFailure if self.files.cert.is_none() => {
                End::Refused("it requires a client certificate; set one with its key".into())
            }
            Alert::CertificateExpired => {
                End::Refused("our client certificate has expired; renew it, its files are read anew".into())
            }
            Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateRevoked
            | Alert::UnsupportedCertificate
            | Alert::DecryptError
            | Alert::AccessDenied
            | Alert::CertificateRequired => End::Refused(format!(
                "it does not accept our client certificate ({alert:?}); use one that is signed by a CA of the broker"
            )),
            other => End::Broken(format!("it ends the TLS handshake with {other:?}")),
        }
    }

    fn authorities(&self) -> String {
        self.files.ca.as_ref().map_or_else(|| "this machine's CAs".into(), |ca| ca.display().to_string())
    }
}

fn client_config(files: &TlsConfig) -> Result<ClientConfig, String> {
    let roots = match &files.ca {
        Some(file) => authorities(file)?,
        None => native_authorities()?,
    };
    let own = match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => Some((certificates(cert)?, private_key(key)?)),
        (None, None) => None,
        (Some(cert), None) => return Err(format!("{} is of no use without its key file", cert.display())),
        (None, Some(key)) => return Err(format!("{} is of no use without its certificate", key.display())),
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let Some((chain, key)) = own else { return Ok(builder.with_no_client_auth()) };
    let names = || [&files.cert, &files.key].map(|file| file.as_deref().unwrap_or(Path::new("")).display());
    builder.with_client_auth_cert(chain, key).map_err(|error| {
        let [cert, key] = names();
        format!("the key in {key} is not the one of the certificate in {cert}: {error}")
    })
}

fn native_authorities() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
        return Err("this machine has no CA certificates: install ca-certificates, or set a CA file".into());
    }
    Ok(roots)
}

/// The word of rustls among the causes. An `io::Error` hides its content from `source`, and so does rumqttc.
fn rustls_error(error: &ConnectionError) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = match io_error(error) {
        Some(error) => Some(error),
        None => Some(error),
    };
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
