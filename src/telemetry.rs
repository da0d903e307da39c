//! Log lines, metrics and, if built in, traces.

mod catalogue;
#[cfg(feature = "otlp")]
mod otlp;

use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

pub use self::catalogue::{CATALOGUE, Kind, Metric};
use crate::config::LogFormat;

/// Target of spans that are made for traces. They are at level `trace`, so log lines do not carry them unless asked
/// for, and what is not built with traces does next to nothing for them.
pub const SPANS: &str = "concord::spans";

/// The database client passes on, at each start, that the table of the migrations is there already. Its warnings stay.
const NOT_OURS: &str = "sqlx=warn";

/// Starts logging to standard error. A filter that cannot be read is an error that says so.
pub fn start_logging(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(format!("{NOT_OURS},{filter}"))
        .map_err(|error| format!("CONCORD_LOG cannot be read: {error}"))?;
    #[cfg(feature = "otlp")]
    if otlp::wanted() {
        return otlp::start(filter, format);
    }
    // One filter for all, and none of a layer's own: with those, an event that one directive refuses can take the next
    // one with it.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_ansi(coloured());
    let started = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| error.to_string())
}

/// Colours are for people at a terminal who want them (<https://no-color.org>): in a file or a pipe they are noise.
fn coloured() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !unwanted
}

/// Sends what is still held of traces. The last thing a process does.
pub fn flush() {
    #[cfg(feature = "otlp")]
    otlp::flush();
}

/// Starts collecting metrics, once for the process, and returns what prints them.
pub fn metrics() -> &'static PrometheusHandle {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = builder().build_recorder();
        let handle = recorder.handle();
        // Only fails when somebody else in the process collects already; then ours prints nothing.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        handle
    })
}

/// Histograms with their buckets. A bound that is refused leaves them as summaries, which a test would see.
fn builder() -> PrometheusBuilder {
    let mut builder = PrometheusBuilder::new();
    for (name, bounds) in catalogue::BUCKETS {
        let matcher = Matcher::Full((*name).to_owned());
        match builder.set_buckets_for_metric(matcher, bounds) {
            Ok(with) => builder = with,
            Err(_) => return PrometheusBuilder::new(),
        }
    }
    builder
}

fn describe() {
    for Metric { name, kind, help } in CATALOGUE {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, *help),
        }
    }
    metrics::gauge!("concord_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}
