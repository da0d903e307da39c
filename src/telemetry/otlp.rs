//! Traces over OTLP (gRPC), to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names; none without it.
//!
//! The collector stands beside Concord (a sidecar, an agent of the node), so it is spoken to without TLS. A span
//! holds ids and outcomes, and the log lines that fell within it; like those, never a secret.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// How long the last spans may take to be sent.
const LAST_WORDS: Duration = Duration::from_secs(2);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Whether a collector is named.
pub(super) fn wanted() -> bool {
    std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some_and(|endpoint| !endpoint.is_empty())
}

/// Starts logging and sending.
pub(super) fn start(filter: EnvFilter, format: LogFormat) -> Result<(), String> {
    let exporter = SpanExporter::builder().with_tonic().build();
    let exporter = exporter.map_err(|error| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))?;
    let resource = Resource::builder().with_service_name("concord").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("concord"));
    let _ = PROVIDER.set(provider);
    let spans = format!("{}=trace", super::SPANS).parse();
    let filter = filter.add_directive(spans.map_err(|error| format!("the filter of traces: {error}"))?);
    let both = tracing_subscriber::registry().with(filter).with(traces);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(super::coloured());
    let started = match format {
        LogFormat::Text => both.with(lines.with_target(false)).try_init(),
        LogFormat::Json => both.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|error| error.to_string())
}

/// Sends what is still held.
pub(super) fn flush() {
    if let Some(provider) = PROVIDER.get() {
        // Nobody is left to be told that a collector is away.
        let _ = provider.shutdown_with_timeout(LAST_WORDS);
    }
}
