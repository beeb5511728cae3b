//! Traces to a collector of OpenTelemetry, where the environment names one: over HTTP, as protobuf. The variables are
//! those of the OpenTelemetry specification.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

const SERVICE: &str = "smsgw";
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends what waits when it is dropped.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// `None` where nobody named a collector, or none can be made of what they named.
    pub(super) fn start() -> Option<Self> {
        ENDPOINTS.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(Client::new()).build();
        // There is no log yet.
        let exporter = exporter.inspect_err(|error| eprintln!("smsgw: no traces are sent: {error}")).ok()?;
        // `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` may say more.
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(SERVICE);
        }
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build());
        Some(Self(provider.build()))
    }

    /// Spans of ours, what the engine tells of each message in them, and what else is told from `info` on.
    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let ours = filter_fn(|metadata| {
            let of_messages = metadata.target().starts_with("smsgw_core::gateway");
            let least = if metadata.is_span() || of_messages { Level::DEBUG } else { Level::INFO };
            metadata.target().starts_with("smsgw") && *metadata.level() <= least
        });
        let ours = ours.with_max_level_hint(Level::DEBUG);
        tracing_opentelemetry::layer().with_tracer(self.0.tracer(SERVICE)).with_filter(ours)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // What could not be sent was said.
        let _ = self.0.shutdown_with_timeout(PATIENCE);
    }
}

/// Called from the exporter's own thread, which may wait.
#[derive(Debug)]
struct Client {
    agent: ureq::Agent,
    /// Whether the last request failed; what goes on is said once.
    is_failing: AtomicBool,
}

impl Client {
    fn new() -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE));
        Self { agent: config.build().into(), is_failing: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (parts, body) = self.agent.run(request.map(|body| body.to_vec()))?.into_parts();
        let body = body.into_with_config().read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let outcome = self.send(request);
        let was_failing = self.is_failing.swap(outcome.is_err(), Ordering::Relaxed);
        if let (Err(error), false) = (&outcome, was_failing) {
            tracing::warn!("traces do not reach their collector: {error}; see {}", ENDPOINTS[1]);
        }
        Ok(outcome?)
    }
}
