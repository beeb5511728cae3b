//! TLS to the broker, where this build has it: the files and words of the gateway's side.

#[cfg(feature = "tls")]
pub(super) use with_tls::Secure;
#[cfg(not(feature = "tls"))]
pub(super) use without_tls::Secure;

#[cfg(feature = "tls")]
mod with_tls {
    use std::sync::Arc;

    use rumqttc::v5::{ConnectionError, MqttOptions};
    use rumqttc::{TlsConfiguration, Transport};

    use crate::transport::{End, Tls, TlsConfig};

    pub(in crate::device) struct Secure(Arc<Tls>);

    impl Secure {
        pub(in crate::device) fn load(files: &TlsConfig, host: &str) -> Result<Self, String> {
            Tls::load(files, host).map(|tls| Self(Arc::new(tls)))
        }

        /// Sets the certificates as they are now.
        pub(in crate::device) async fn apply(&self, options: &mut MqttOptions) {
            let tls = self.0.clone();
            // Fails only where the runtime is shutting down: the connection is then given up anyway.
            if let Ok(renewed) = tokio::task::spawn_blocking(move || tls.renewed()).await {
                options.set_transport(Transport::Tls(TlsConfiguration::Rustls(renewed)));
            }
        }

        /// What an error says of certificates, and whether the broker would say the same again.
        pub(in crate::device) fn explain(
            &self,
            error: &ConnectionError,
            welcomed: bool,
        ) -> Option<(bool, String)> {
            match self.0.explain(error, welcomed)? {
                End::Refused(why) => Some((true, why)),
                End::Broken(why) | End::Cut(why) => Some((false, why)),
                End::Closed | End::TakenOver(_) | End::Unable(_) => None,
            }
        }
    }
}

#[cfg(not(feature = "tls"))]
mod without_tls {
    use rumqttc::v5::{ConnectionError, MqttOptions};

    use crate::transport::TlsConfig;

    pub(in crate::device) enum Secure {}

    impl Secure {
        pub(in crate::device) fn load(_: &TlsConfig, _: &str) -> Result<Self, String> {
            Err("it needs a build with the feature `tls`".into())
        }

        pub(in crate::device) async fn apply(&self, _: &mut MqttOptions) {
            match *self {}
        }

        pub(in crate::device) fn explain(&self, _: &ConnectionError, _: bool) -> Option<(bool, String)> {
            match *self {}
        }
    }
}
