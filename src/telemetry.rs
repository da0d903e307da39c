//! Log lines and metrics.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging to standard error. A filter that cannot be read is an error that says so.
pub fn start_logging(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(filter).map_err(|error| format!("CONCORD_LOG cannot be read: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| error.to_string())
}

/// Starts collecting metrics, once for the process, and returns what prints them.
pub fn metrics() -> &'static PrometheusHandle {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Only fails when somebody else in the process collects already; then ours prints nothing.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        handle
    })
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("concord_notices_total", "Notices by platform and answer");
    describe_counter!("concord_visits_total", "Visits that ended with the product released");
    describe_counter!("concord_writes_total", "Writes that landed, by side and kind");
    describe_counter!("concord_echoes_total", "Notices that were recognised as our own write coming back");
    describe_counter!("concord_found_by_sweep_total", "Changes that the sweep found and no notice had told");
    describe_counter!("concord_sweeps_total", "Complete change polls");
    describe_counter!("concord_unclear_total", "Writes whose answer was lost");
    describe_counter!("concord_conflicts_total", "Fields that both sides had changed");
    describe_counter!("concord_parked_total", "Products parked, by reason");
    describe_counter!(
        "concord_trampled_repairs_total",
        "Stock counts that had to be put right after an absolute write"
    );
    describe_gauge!("concord_waiting", "Products that wait for a visit");
    describe_histogram!("concord_notice_seconds", "Time to acknowledge a notice");
}
