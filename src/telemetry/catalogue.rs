//! Every metric, with its labels and what it means. `deploy/METRICS.md` is the same for people, and a test holds
//! both together with what the code emits.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// As it is now.
    Gauge,
    /// A distribution, in seconds.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it means, in one sentence.
    pub help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, help }
}

/// All of them. No label names a connection or a product: however many there are, the number of series stays the
/// same.
pub const CATALOGUE: &[Metric] = &[
    // Freshness.
    gauge(
        "concord_oldest_unproven_seconds",
        "Since when the product that waits longest is not known to be in step",
    ),
    gauge(
        "concord_proven_share",
        "Share of linked products that are in step, or not known to be for 90 s at most",
    ),
    gauge("concord_linked", "Products and variants with both halves"),
    histogram(
        "concord_notice_to_written_seconds",
        "From a notice of a change to the end of the visit that carried it",
    ),
    // What comes in.
    counter("concord_notices_total", "Notices by door and answer"),
    histogram("concord_notice_seconds", "Time to answer a notice"),
    counter("concord_echoes_total", "Notices that were recognised as our own write coming back"),
    counter("concord_found_by_sweep_total", "Changes that the sweep found and no notice had told"),
    counter("concord_sweeps_total", "Complete change polls"),
    gauge(
        "concord_sweep_age_seconds",
        "Time since the last complete change poll of the connection that is worst off",
    ),
    counter("concord_tree_looks_total", "Complete comparisons of the trees of categories"),
    counter("concord_full_looks_total", "Complete full looks"),
    counter("concord_full_look_marks_total", "Products that a full look marked, by what it saw"),
    counter("concord_turned_away_total", "Callers that were refused because something was full"),
    counter("concord_limited_total", "Requests that were refused because a budget was used up, by whose"),
    // What is worked on.
    gauge("concord_waiting", "Products that wait for a visit"),
    gauge("concord_running", "Products that are being visited"),
    counter("concord_visits_total", "Visits that ended with the product released"),
    counter("concord_writes_total", "Writes that landed, by side and kind"),
    counter("concord_unclear_total", "Writes whose answer was lost"),
    gauge("concord_writes_open", "Writes whose outcome is not known yet"),
    gauge("concord_oldest_open_write_seconds", "Age of the oldest of these"),
    counter(
        "concord_trampled_repairs_total",
        "Stock counts that had to be put right after an absolute write",
    ),
    gauge("concord_worker_idle_seconds", "Time since the worker's loop last turned"),
    // What waits for a person.
    counter("concord_parked_total", "Products that were parked, by reason"),
    counter("concord_pictures_parked_total", "Pictures that were parked"),
    gauge("concord_parked", "Products that are parked, by reason"),
    counter("concord_conflicts_total", "Fields that both sides had changed"),
    gauge("concord_conflicts_open", "Conflicts that wait for a choice"),
    counter("concord_frozen_total", "Fields that were frozen because they swung between two values"),
    counter("concord_braked_total", "What the sweep was kept from taking away"),
    gauge("concord_brake_held", "Products that the brake holds"),
    gauge("concord_connections", "Connections by state"),
    // The platforms.
    counter("concord_calls_total", "Calls to the platforms, by what came of them"),
    histogram("concord_call_seconds", "Time until a platform had answered"),
    counter("concord_drips_tenths_total", "Tenths of drips that calls to R-Series were booked with"),
    gauge(
        "concord_quota_left_ratio",
        "Share of the call quota that is left to the connection that is worst off",
    ),
    gauge(
        "concord_token_age_seconds",
        "Time since the stored token of the connection that is worst off was replaced",
    ),
    // The process.
    gauge("concord_database_up", "1 while the database answers, else 0"),
    gauge("concord_build_info", "1, labelled with the version"),
];

/// Upper bounds of the histograms' buckets, in seconds.
pub(super) const BUCKETS: &[(&str, &[f64])] = &[
    (
        "concord_notice_seconds",
        &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
    ),
    ("concord_call_seconds", &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0]),
    (
        "concord_notice_to_written_seconds",
        &[0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 180.0, 300.0, 900.0, 3_600.0],
    ),
];
