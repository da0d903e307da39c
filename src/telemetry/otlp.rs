//! Traces over OTLP (gRPC), to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names; none without it.
//!
//! The collector stands beside Concord (a sidecar, an agent of the node), so it is spoken to without TLS. A span
//! holds ids, counts and outcomes, never a value of the catalogue and never a secret.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};

/// How long the last spans may take to be sent.
const LAST_WORDS: Duration = Duration::from_secs(2);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The layer that sends our spans and nothing else; none when no collector is named.
pub(super) fn layer() -> Result<Option<Box<dyn Layer<Registry> + Send + Sync>>, String> {
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_none_or(|endpoint| endpoint.is_empty()) {
        return Ok(None);
    }
    let exporter = SpanExporter::builder().with_tonic().build();
    let exporter = exporter.map_err(|error| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))?;
    let resource = Resource::builder().with_service_name("concord").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let tracer = provider.tracer("concord");
    let _ = PROVIDER.set(provider);
    let ours = Targets::new().with_target(super::SPANS, LevelFilter::TRACE);
    Ok(Some(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours).boxed()))
}

/// Sends what is still held.
pub(super) fn flush() {
    if let Some(provider) = PROVIDER.get() {
        // Nobody is left to be told that a collector is away.
        let _ = provider.shutdown_with_timeout(LAST_WORDS);
    }
}
