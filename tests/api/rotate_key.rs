//! Another master key: everything is sealed anew, all or nothing.

use std::sync::Arc;

use concord::connections::rotate::{RotateError, Rotated, seal_anew};
use concord::ids::{GeneratedIds, SharedIds};
use concord::vault::Vault;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::Api;
use crate::support::{KEY, TOKEN};

const NEXT: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

fn key(text: &str) -> SecretString {
    SecretString::from(text)
}

#[tokio::test]
async fn everything_is_sealed_anew_and_the_old_key_opens_nothing_any_more() {
    let api = Api::with_a_mug().await;
    let headers = [
        ("authorization", format!("Bearer {TOKEN}")),
        ("idempotency-key", "k".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    let new = json!({"name": "x", "scopes": ["read"]}).to_string();
    let made = api.send_raw("POST", "/v1/api-keys", &headers, new.clone()).await.expect(201);
    let ids: SharedIds = Arc::new(GeneratedIds::seeded(9));
    let (store, now, id) = (&api.world.store, api.world.clock_now(), api.world.connection);
    let (old, next) = (Vault::new(&key(KEY)).unwrap(), Vault::new(&key(NEXT)).unwrap());
    let before = api.world.secrets().await;

    // Without the old key nothing can be opened, and nothing is changed.
    let error = seal_anew(store, &next, &ids, now).await.unwrap_err();
    assert!(matches!(&error, RotateError::UnknownKey { key_id, .. } if key_id == old.key_id()), "{error}");
    assert_eq!(api.world.secrets().await, before);

    let both = Vault::new(&key(NEXT)).unwrap().also(&key(KEY)).unwrap();
    let rotated = seal_anew(store, &both, &ids, now).await.unwrap();
    assert_eq!(rotated, Rotated { secrets: 4, answers: 1, ..Rotated::default() });
    assert_eq!(
        seal_anew(store, &both, &ids, now).await.unwrap(),
        Rotated { already: 5, ..Rotated::default() }
    );
    for (kind, sealed) in api.world.secrets().await {
        let opened = next.open(id, &kind, &sealed).unwrap();
        assert_eq!(
            opened.expose_secret(),
            old.open(id, &kind, &before[&kind]).unwrap().expose_secret(),
            "{kind}"
        );
        assert!(old.open(id, &kind, &sealed).is_err(), "{kind} still opens with the old key");
    }
    // A service with the new key goes on: its tokens open, and so does the kept answer.
    let parts = concord::cli::service::Parts { vault: both, ..api.world.parts(5) };
    let mut api = api;
    api.world.app =
        concord::http::app(concord::cli::service::assemble(parts, "http://concord.test").unwrap().desk);
    let replayed = api.send_raw("POST", "/v1/api-keys", &headers, new).await;
    assert_eq!((replayed.header("idempotent-replayed"), &replayed.json), ("true", &made));
    let settings = json!({"settings": {"web_sales": "count"}});
    api.send("PATCH", &api.at(""), Some(settings)).await.expect(200);
}

/// One secret that is under a key nobody has: the others stay as they were.
#[tokio::test]
async fn a_rotation_is_all_or_nothing() {
    let api = Api::with_a_mug().await;
    let ids: SharedIds = Arc::new(GeneratedIds::seeded(9));
    api.world
        .sql("update secrets set sealed = 'x'::bytea, key_id = 'lost' where kind = 'r_webhook_secret'")
        .await;
    let before = api.world.secrets().await;
    let both = Vault::new(&key(NEXT)).unwrap().also(&key(KEY)).unwrap();
    let error = seal_anew(&api.world.store, &both, &ids, api.world.clock_now()).await.unwrap_err();
    assert!(error.to_string().contains("r_webhook_secret") && error.to_string().contains("lost"), "{error}");
    assert_eq!(api.world.secrets().await, before);
}
