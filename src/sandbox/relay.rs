//! The R-Series *relay*: an invented extension, because R-Series itself has no webhooks.
//!
//! It stands for the relay or POS extension a merchant may run beside R-Series: told of every change in the
//! shop, it posts a signed notice. The form is the closest convention of the vendor's other product
//! (r-series-api.md, section 5.3): a form with `type` and `payload`, signed over the raw bytes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use hmac::{Hmac, KeyInit, Mac};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::outbox::{DeliveryFaults, Forgery, Notice, Outbox, RetryPolicy};
use super::rseries::{Change, RSeriesSandbox};
use crate::clock::SharedClock;

/// Where the relay posts its notices.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RelayTarget {
    /// The whole address.
    pub url: String,
    /// The key of the signature.
    pub secret: String,
}

#[derive(Debug)]
struct Inner {
    target: Option<RelayTarget>,
    generator: ChaCha12Rng,
}

/// The relay. Clones share the same target and the same outbox.
#[derive(Debug, Clone)]
pub struct Relay {
    outbox: Outbox,
    inner: Arc<Mutex<Inner>>,
}

impl Relay {
    /// A relay without a target, which posts nothing. Delivery ids and faults are drawn from `seed`.
    #[must_use]
    pub fn new(clock: SharedClock, seed: u64) -> Self {
        let generator = ChaCha12Rng::seed_from_u64(seed);
        Self {
            outbox: Outbox::new(clock, seed.wrapping_add(1), retry_policy()),
            inner: Arc::new(Mutex::new(Inner { target: None, generator })),
        }
    }

    /// Has the relay told of every change of this platform from now on.
    pub fn attach(&self, r: &RSeriesSandbox) {
        let relay = self.clone();
        r.on_change(move |change| relay.tell(change));
    }

    /// Where notices go from now on; `None` sends none.
    pub fn set_target(&self, target: Option<RelayTarget>) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).target = target;
    }

    /// The notices that wait for delivery.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The relay's settings as plain JSON, not authenticated, to be mounted by the caller.
    ///
    /// | call | body |
    /// |---|---|
    /// | `POST /target` | `{"url": "…", "secret": "…"}` or `null` |
    /// | `GET /deliveries` | |
    /// | `POST /deliveries` | the delivery faults; what is not named is off |
    pub fn control_router(&self) -> Router {
        Router::new()
            .route("/target", post(set_target))
            .route("/deliveries", get(deliveries).post(set_deliveries))
            .with_state(self.clone())
    }

    fn tell(&self, change: &Change) {
        let (target, id) = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            // Drawn even without a target, so that setting one does not shift the ids of what follows.
            let id = uuid::Builder::from_random_bytes(inner.generator.random()).into_uuid();
            (inner.target.clone(), id)
        };
        if let Some(target) = target {
            self.outbox.push(notice(&target, change, id));
        }
    }
}

/// The policy of section 5.3: 5 seconds for the answer, any 2xx is accepted, 20 retries within 48 hours with
/// growing pauses.
#[must_use]
pub fn retry_policy() -> RetryPolicy {
    // Each pause is half as long again as the one before; from 25 seconds on, the twentieth ends in hour 46.
    let pauses = std::iter::successors(Some(25_u64), |pause| Some(pause + pause / 2));
    let since_event = pauses.scan(0, |sum, pause| {
        *sum += pause;
        Some(Duration::from_secs(*sum))
    });
    RetryPolicy {
        delays: since_event.take(20).collect(),
        accepted: (200..300).collect(),
        connect_timeout: Duration::from_secs(5),
        answer_timeout: Duration::from_secs(5),
    }
}

/// The value of `X-Signature` for these bytes: lower-case hex of HMAC-SHA256.
#[must_use]
pub fn signature(secret: &str, body: &[u8]) -> String {
    // A key of any length is taken, so there is no error to tell of.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body);
    format!("signature={},algorithm=HMAC-SHA256", hex::encode(mac.finalize().into_bytes()))
}

fn notice(target: &RelayTarget, change: &Change, id: Uuid) -> Notice {
    let true_body = body(change.kind, &change.payload);
    let headers = |signature: String| {
        vec![
            ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
            ("X-Signature".to_owned(), signature),
            // The forgeries bear it too: a refused forgery must not make the true notice "seen before".
            ("X-Delivery-Id".to_owned(), id.to_string()),
        ]
    };
    let good = signature(&target.secret, &true_body);
    let wrong = signature(&format!("not {}", target.secret), &true_body);
    let other_record = body(change.kind, &of_another_item(&change.payload));
    Notice {
        url: target.url.clone(),
        headers: headers(good.clone()),
        forgeries: vec![
            // Signed by somebody who does not know the secret.
            Forgery { headers: headers(wrong), body: true_body.clone() },
            // Another record under the true signature.
            Forgery { headers: headers(good), body: other_record },
        ],
        body: true_body,
    }
}

fn body(kind: &str, payload: &Value) -> Vec<u8> {
    // Two pairs of texts can always be written as a form.
    serde_urlencoded::to_string([("type", kind), ("payload", &payload.to_string())])
        .unwrap_or_default()
        .into_bytes()
}

fn of_another_item(payload: &Value) -> Value {
    let mut payload = payload.clone();
    if let Some(fields) = payload.as_object_mut() {
        let id = fields.get("itemID").and_then(Value::as_str).unwrap_or_default();
        let other = format!("1{id}");
        fields.insert("itemID".to_owned(), Value::String(other));
    }
    payload
}

async fn set_target(State(relay): State<Relay>, Json(target): Json<Option<RelayTarget>>) -> StatusCode {
    relay.set_target(target);
    StatusCode::NO_CONTENT
}

async fn deliveries(State(relay): State<Relay>) -> Json<Value> {
    let outbox = relay.outbox();
    Json(json!({
        "faults": outbox.faults(), "pending": outbox.pending(), "lost": outbox.lost(),
        "given_up": outbox.given_up(), "next_due": outbox.next_due(),
    }))
}

async fn set_deliveries(State(relay): State<Relay>, Json(faults): Json<DeliveryFaults>) -> StatusCode {
    relay.outbox().set(faults);
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Instant, ManualClock};
    use crate::sandbox::rseries::{Config, NewItem};

    fn target() -> RelayTarget {
        RelayTarget { url: "http://127.0.0.1:1/hook".into(), secret: "made up".into() }
    }

    fn change(kind: &'static str) -> Change {
        Change { kind, payload: json!({"itemID": "7", "description": "Cup & saucer, \"Größe M\""}) }
    }

    #[test]
    fn the_form_holds_type_and_payload_and_only_the_secret_makes_its_signature() {
        let id = Uuid::from_u128(5);
        let notice = notice(&target(), &change("item.update"), id);
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&notice.body).unwrap();
        assert_eq!(fields[0], ("type".to_owned(), "item.update".to_owned()));
        assert_eq!(fields[1].0, "payload");
        assert_eq!(
            serde_json::from_str::<Value>(&fields[1].1).unwrap(),
            change("item.update").payload,
            "the record survives the form"
        );
        let header = |headers: &[(String, String)], name: &str| {
            headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone()).unwrap()
        };
        let good = signature("made up", &notice.body);
        assert_eq!(header(&notice.headers, "X-Signature"), good);
        assert_eq!(header(&notice.headers, "X-Delivery-Id"), id.to_string());
        assert_eq!(notice.forgeries.len(), 2);
        for forgery in &notice.forgeries {
            let claimed = header(&forgery.headers, "X-Signature");
            assert_ne!(claimed, signature("made up", &forgery.body), "a forgery never proves true");
        }
    }

    #[test]
    fn the_signature_is_the_well_known_one() {
        // RFC 4231, test case 2.
        let hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(
            signature("Jefe", b"what do ya want for nothing?"),
            format!("signature={hex},algorithm=HMAC-SHA256")
        );
    }

    #[test]
    fn twenty_retries_with_growing_pauses_fit_into_two_days() {
        let delays = retry_policy().delays;
        assert_eq!(delays.len(), 20);
        let pauses: Vec<u64> = delays.windows(2).map(|pair| pair[1].as_secs() - pair[0].as_secs()).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]));
        let last = delays[19];
        assert!(last > Duration::from_hours(40) && last <= Duration::from_hours(48), "{last:?}");
    }

    #[test]
    fn without_a_target_nothing_is_sent_and_the_ids_come_from_the_seed() {
        let ids = |early: bool| {
            let clock: SharedClock = Arc::new(ManualClock::starting_at(Instant::UNIX_EPOCH));
            let r = RSeriesSandbox::new(Config::default(), clock.clone(), 1);
            let relay = Relay::new(clock, 9);
            relay.attach(&r);
            if early {
                relay.set_target(Some(target()));
            }
            let item = r.create_item(NewItem::default());
            let before = relay.outbox().pending();
            relay.set_target(Some(target()));
            r.rename(item, "Cup");
            (before, relay.outbox().pending() - before)
        };
        assert_eq!(ids(false), (0, 1));
        assert_eq!(ids(true), (1, 1));
    }
}
