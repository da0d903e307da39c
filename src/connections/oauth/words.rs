//! What stands in addresses and on pages when a merchant is asked: pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::OauthError;
use crate::catalog::Side;
use crate::ids::ConnectionId;
use crate::platforms::{CallError, eseries, rseries};

/// `state` is the grant's id and 32 random bytes: found by the one, proved by the other.
pub(super) fn state_of(grant: ConnectionId, random: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode([grant.0.as_bytes().as_slice(), random].concat())
}

/// The grant that a state belongs to, if it has the form of one.
pub(super) fn grant_of(state: &str) -> Option<ConnectionId> {
    let bytes = URL_SAFE_NO_PAD.decode(state).ok()?;
    let (grant, random) = bytes.split_first_chunk::<16>()?;
    (random.len() == 32).then(|| ConnectionId(uuid::Uuid::from_bytes(*grant)))
}

/// What is kept of a state.
pub(super) fn hash(state: &str) -> String {
    hex::encode(Sha256::digest(state.as_bytes()))
}

/// `r-series` or `e-series`, as in addresses.
#[must_use]
pub fn side_in_address(text: &str) -> Option<Side> {
    match text {
        "r-series" => Some(Side::RSeries),
        "e-series" => Some(Side::ESeries),
        _ => None,
    }
}

/// Where a platform sends the browser back to; registered with the vendor exactly like this.
#[must_use]
pub fn redirect_uri(public_base: &str, side: Side) -> String {
    let side = if side == Side::RSeries { "r-series" } else { "e-series" };
    format!("{public_base}/oauth/{side}/callback")
}

/// The kind of secret that a granted access token is.
pub(in crate::connections) fn access_kind(side: Side) -> &'static str {
    if side == Side::RSeries { "r_granted_access_token" } else { "e_granted_access_token" }
}

/// What is missing of what is needed.
pub(super) fn missing(side: Side, scopes: &[String]) -> Vec<&'static str> {
    let has = |scope: &str| scopes.iter().any(|it| it == scope);
    match side {
        Side::RSeries if has(rseries::oauth::EVERYTHING) => Vec::new(),
        Side::RSeries => rseries::oauth::NEEDED.into_iter().filter(|scope| !has(scope)).collect(),
        Side::ESeries => eseries::oauth::NEEDED.into_iter().filter(|scope| !has(scope)).collect(),
    }
}

/// A platform's error code in words.
pub(super) fn in_words(side: Side, error: &str) -> String {
    if error == "access_denied" {
        return format!(
            "{side} says that access was refused: nothing was connected. To try again, start anew."
        );
    }
    let error: String = error.chars().filter(|letter| !letter.is_control()).take(100).collect();
    format!("{side} did not let Concord in ({error}): nothing was connected. Start anew.")
}

/// A platform that cannot be asked now, in the same words.
pub(super) fn not_now(why: &str) -> OauthError {
    OauthError::NotNow(format!("{why}. Nothing was connected; start anew in a while."))
}

/// A call that failed, in words for the person at the browser.
pub(super) fn call(error: CallError) -> OauthError {
    match error {
        CallError::Later { why, .. } | CallError::Busy { why } | CallError::Unclear { why } => not_now(&why),
        CallError::Account { why } | CallError::Refused { why, .. } | CallError::Gone { why } => {
            OauthError::Refused(format!("{why}. Nothing was connected; start anew."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_leads_to_its_grant_and_nothing_else_does() {
        let grant = ConnectionId(uuid::Uuid::from_u128(7));
        let state = state_of(grant, &[9; 32]);
        assert_eq!(grant_of(&state), Some(grant));
        let (shorter, longer) = (state.replacen('A', "", 1), format!("{state}AAAA"));
        for other in ["", "x", "AAAA", &shorter, &longer] {
            assert_eq!(grant_of(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let scopes = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(missing(Side::RSeries, &scopes("employee:all")).is_empty());
        assert!(missing(Side::RSeries, &scopes("employee:inventory employee:inventory_log")).is_empty());
        let lacks = missing(Side::RSeries, &scopes("employee:register employee:inventory"));
        assert_eq!(lacks, ["employee:inventory_log"]);
        let lacks = missing(Side::ESeries, &scopes("read_store_profile read_catalog"));
        assert_eq!(lacks, ["create_catalog", "update_catalog"]);
    }
}
