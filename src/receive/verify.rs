//! Is a notice genuine? Pure, and in constant time as far as the secret is concerned.

use std::time::Duration;

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::clock::{Instant, after, before};

/// Oldest event that is taken: the platform repeats for 24 hours (e-series-api.md, section 12.6).
pub const OLDEST: Duration = Duration::from_secs(25 * 60 * 60);
/// How far ahead of ours the sender's clock may be.
pub const AHEAD: Duration = Duration::from_secs(5 * 60);

/// Why a notice is not taken. Deliberately says nothing about how near it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    /// No signature, or none that can be read.
    #[error("the signature is missing or malformed")]
    NoSignature,
    /// A signature that does not fit.
    #[error("the signature does not fit")]
    Wrong,
    /// Outside the replay window.
    #[error("the event is too old or lies in the future")]
    OutsideWindow,
}

/// E-Series: base64 of HMAC-SHA256 over `{eventCreated}.{eventId}`, keyed with the application's secret
/// (e-series-api.md, section 12.5). The body is not signed, so nothing in it is ever data.
pub fn e_series(
    secret: &SecretString,
    signature: Option<&str>,
    event_created: &str,
    event_id: &str,
    now: Instant,
) -> Result<(), NotGenuine> {
    let signature = signature.ok_or(NotGenuine::NoSignature)?;
    let signature = base64::engine::general_purpose::STANDARD.decode(signature.trim());
    let signature = signature.map_err(|_| NotGenuine::NoSignature)?;
    let message = format!("{event_created}.{event_id}");
    check(secret, message.as_bytes(), &signature)?;
    let created = event_created.parse().ok().and_then(|seconds| Instant::from_timestamp(seconds, 0));
    let created = created.ok_or(NotGenuine::OutsideWindow)?;
    if created < before(now, OLDEST) || created > after(now, AHEAD) {
        return Err(NotGenuine::OutsideWindow);
    }
    Ok(())
}

/// The R-Series door: `signature=<lower-case hex>,algorithm=HMAC-SHA256` over the raw body, keyed with the
/// connection's own secret.
pub fn r_series(secret: &SecretString, header: Option<&str>, body: &[u8]) -> Result<(), NotGenuine> {
    let header = header.ok_or(NotGenuine::NoSignature)?;
    let (mut signature, mut algorithm) = (None, None);
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("signature", value)) if signature.is_none() => signature = Some(value),
            Some(("algorithm", value)) if algorithm.is_none() => algorithm = Some(value),
            _ => return Err(NotGenuine::NoSignature),
        }
    }
    let (Some(signature), Some("HMAC-SHA256")) = (signature, algorithm) else {
        return Err(NotGenuine::NoSignature);
    };
    if signature.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(NotGenuine::NoSignature);
    }
    let signature = hex::decode(signature).map_err(|_| NotGenuine::NoSignature)?;
    check(secret, body, &signature)
}

fn check(secret: &SecretString, message: &[u8], signature: &[u8]) -> Result<(), NotGenuine> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    let mut mac = mac.map_err(|_| NotGenuine::Wrong)?;
    mac.update(message);
    mac.verify_slice(signature).map_err(|_| NotGenuine::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2a9c1e-7b64-4d0f-9a55-0c8e6f1d2b34";
    /// The worked example of e-series-api.md, section 12.5.
    const HEADER: &str = "2A6v/n4Q7QRzHZkcQf5qScAUnG6vZpTUoFQR9Q9y4Do=";

    fn judge(header: Option<&str>, created: &str, id: &str, late: i64) -> Result<(), NotGenuine> {
        let secret = SecretString::from("whsec_made_up_4f9c2b7d1e");
        e_series(&secret, header, created, id, Instant::from_timestamp(1_767_225_600 + late, 0).unwrap())
    }

    #[test]
    fn the_worked_example_is_genuine_within_its_window_only() {
        assert_eq!(judge(Some(HEADER), "1767225600", ID, 0), Ok(()));
        assert_eq!(judge(Some(HEADER), "1767225600", ID, 25 * 3600), Ok(()));
        assert_eq!(judge(Some(HEADER), "1767225600", ID, 25 * 3600 + 1), Err(NotGenuine::OutsideWindow));
        assert_eq!(judge(Some(HEADER), "1767225600", ID, -300), Ok(()));
        assert_eq!(judge(Some(HEADER), "1767225600", ID, -301), Err(NotGenuine::OutsideWindow));
    }

    #[test]
    fn anything_else_is_not() {
        assert_eq!(judge(None, "1767225600", ID, 0), Err(NotGenuine::NoSignature));
        assert_eq!(judge(Some(""), "1767225600", ID, 0), Err(NotGenuine::Wrong));
        assert_eq!(judge(Some("***"), "1767225600", ID, 0), Err(NotGenuine::NoSignature));
        assert_eq!(judge(Some(HEADER), "1767225601", ID, 0), Err(NotGenuine::Wrong));
        assert_eq!(judge(Some(HEADER), "1767225600", "other", 0), Err(NotGenuine::Wrong));
        let other_key = "pVKwOlXADr9gYbZsF/y6kPz0iWFJvuMbmD7M5nEkU80=";
        assert_eq!(judge(Some(other_key), "1767225600", ID, 0), Err(NotGenuine::Wrong));
    }

    #[test]
    fn the_r_series_door_signs_the_raw_body() {
        let secret = SecretString::from("key");
        let mut mac = Hmac::<Sha256>::new_from_slice(b"key").unwrap();
        mac.update(b"type=item.update");
        let hex = hex::encode(mac.finalize().into_bytes());
        let judge = |header: &str, body: &[u8]| r_series(&secret, Some(header), body);
        let good = format!("signature={hex},algorithm=HMAC-SHA256");
        assert_eq!(judge(&good, b"type=item.update"), Ok(()));
        assert_eq!(judge(&good, b"type=item.delete"), Err(NotGenuine::Wrong));
        assert_eq!(judge(&good.to_uppercase(), b"type=item.update"), Err(NotGenuine::NoSignature));
        let upper = format!("signature={},algorithm=HMAC-SHA256", hex.to_uppercase());
        assert_eq!(judge(&upper, b"type=item.update"), Err(NotGenuine::NoSignature));
        assert_eq!(judge(&format!("signature={hex}"), b"type=item.update"), Err(NotGenuine::NoSignature));
        assert_eq!(judge(&format!("{good},signature=00"), b"type=item.update"), Err(NotGenuine::NoSignature));
        assert_eq!(r_series(&secret, None, b""), Err(NotGenuine::NoSignature));
    }
}
