//! The conformance suite on real brokers: Mosquitto as `mqtt`, and the embedded one.

mod fixtures;

use std::process::ExitCode;
use std::sync::Arc;

use smsgw_core::conformance::{self, Arguments, transport};
use smsgw_mqtt::transport::MqttTransport;

use fixtures::{Kind, Place};

fn main() -> ExitCode {
    let mosquitto = transport::suite("mqtt", async || Place::new(Kind::Mosquitto).await);
    let shared = transport::suite("mqtt_shared", async || {
        let mut place = Place::new(Kind::Mosquitto).await?;
        place.transport = Arc::new(MqttTransport::new(place.config().with_share("smsgw")));
        Ok(place)
    });
    let suites = [mosquitto, shared].into_iter();
    #[cfg(feature = "broker")]
    let suites = suites.chain(embedded::suites());
    conformance::run(&Arguments::from_args(), suites.collect())
}

#[cfg(feature = "broker")]
mod embedded {
    use std::fmt;
    use std::sync::Arc;

    use async_trait::async_trait;
    use smsgw_core::conformance::transport::{self, TestDevice, TransportFixture};
    use smsgw_core::conformance::{Absent, Suite};
    use smsgw_core::device::Protocol;
    use smsgw_core::error::Result;
    use smsgw_core::id::DeviceId;
    use smsgw_core::transport::{Downlink, Inbox, Sent, Transport, TransportCapabilities};
    use smsgw_mqtt::transport::MqttTransport;

    use crate::fixtures::{Embedded, Kind, Place};

    pub(crate) fn suites() -> Vec<Suite> {
        vec![
            transport::suite("embedded", Inside::new),
            transport::suite("embedded_by_proxy", async || {
                let place = Place::new(Kind::Embedded).await?;
                Ok(transport::layered(place, |inner| Arc::new(Stranger(inner))))
            }),
        ]
    }

    /// A transport that knows its broker is an embedded one. Nothing can come between the two.
    struct Inside(Place);

    impl Inside {
        async fn new() -> Result<Self, Absent> {
            let mut place = Place::new(Kind::Embedded).await?;
            place.transport = Arc::new(MqttTransport::embedded(embedded(&place).broker()));
            Ok(Self(place))
        }
    }

    fn embedded(place: &Place) -> &Embedded {
        place.server.embedded().expect("it is one")
    }

    #[async_trait]
    impl TransportFixture for Inside {
        fn transport(&self) -> Arc<dyn Transport> {
            self.0.transport()
        }

        async fn device(&self, protocol: Protocol) -> Option<Box<dyn TestDevice>> {
            self.0.device(protocol).await
        }

        async fn sever(&self) {
            embedded(&self.0).take_over().await;
        }

        fn backlog(&self) -> usize {
            self.0.backlog()
        }
    }

    /// A transport that took an embedded broker for any other. It promises what it then can.
    #[derive(Debug)]
    struct Stranger(Arc<dyn Transport>);

    impl fmt::Display for Stranger {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    #[async_trait]
    impl Transport for Stranger {
        fn capabilities(&self) -> TransportCapabilities {
            // The embedded broker answers every publish with success.
            TransportCapabilities { tells_no_subscriber: false, ..self.0.capabilities() }
        }

        async fn open(&self) -> Result<Inbox> {
            self.0.open().await
        }

        async fn send(&self, batch: &[Downlink]) -> Result<Vec<Sent>> {
            self.0.send(batch).await
        }

        async fn disconnect(&self, devices: &[DeviceId]) -> Result<()> {
            self.0.disconnect(devices).await
        }

        async fn ready(&self) -> Result<()> {
            self.0.ready().await
        }

        async fn close(&self) -> Result<()> {
            self.0.close().await
        }
    }
}
