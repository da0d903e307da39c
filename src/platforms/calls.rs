//! Counts the calls to the platforms, and what came of them.

use tracing::Instrument;

use super::transport::{Answer, TransportError};
use crate::catalog::Side;
use crate::clock::SharedClock;
use crate::telemetry::SPANS;

/// Makes a call and counts it.
pub(super) async fn counted(
    side: Side,
    clock: &SharedClock,
    sending: impl Future<Output = Result<Answer, TransportError>>,
) -> Result<Answer, TransportError> {
    let from = clock.now();
    let span =
        tracing::trace_span!(target: SPANS, "call", side = side.as_str(), outcome = tracing::field::Empty);
    let sent = sending.instrument(span.clone()).await;
    let outcome = outcome(&sent);
    span.record("outcome", outcome);
    metrics::counter!("concord_calls_total", "side" => side.as_str(), "outcome" => outcome).increment(1);
    let took = (clock.now() - from).to_std().unwrap_or_default();
    metrics::histogram!("concord_call_seconds", "side" => side.as_str()).record(took.as_secs_f64());
    sent
}

/// Drips that a call to R-Series was booked with (r-series-api.md, section 3.3). Counters are whole, drips are not.
pub(super) fn count_drips(cost: f64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small range")]
    let tenths = (cost * 10.0).round().clamp(0.0, 1e6) as u64;
    metrics::counter!("concord_drips_tenths_total").increment(tenths);
}

/// The word for what came of a call.
fn outcome(sent: &Result<Answer, TransportError>) -> &'static str {
    match sent {
        Ok(answer) => match answer.status.as_u16() {
            200..=299 => "ok",
            429 => "limited",
            400..=499 => "refused",
            500..=599 => "server_error",
            _ => "other",
        },
        Err(
            TransportError::NotSent(_)
            | TransportError::NoToken
            | TransportError::TooLate
            | TransportError::ForeignHost(_),
        ) => "not_sent",
        Err(TransportError::Lost(_)) => "lost",
    }
}
