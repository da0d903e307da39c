//! What orchestrators ask.

use std::time::Duration;

use super::Api;

#[tokio::test]
async fn it_lives_and_is_ready_and_needs_no_token_to_say_so() {
    let api = Api::open().await;
    for path in ["/health/live", "/health/ready"] {
        let answer = api.send_raw("GET", path, &[], String::new()).await;
        assert_eq!((answer.status, &answer.json["status"]), (200, &"ok".into()), "{path}: {}", answer.text);
    }
    // The loop of the worker does not turn in tests.
    api.world.clock.advance(Duration::from_secs(121));
    let answer = api.send_raw("GET", "/health/ready", &[], String::new()).await;
    assert_eq!((answer.status, &answer.json["status"]), (503, &"unready".into()), "{}", answer.text);
    assert!(answer.json["reason"].as_str().unwrap().contains("loop"), "{}", answer.text);
    assert_eq!(
        api.send_raw("GET", "/health/live", &[], String::new()).await.status,
        200,
        "it lives all the same"
    );
}

#[tokio::test]
async fn it_is_not_ready_without_its_database_or_with_migrations_pending() {
    let api = Api::open().await;
    let before = api.world.sql_count("select count(*) from _sqlx_migrations").await;
    assert!(before > 0);
    api.world.sql("delete from _sqlx_migrations").await;
    let answer = api.send_raw("GET", "/health/ready", &[], String::new()).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.json["reason"].as_str().unwrap().contains("migrations"), "{}", answer.text);
    api.world.store.close().await;
    let answer = api.send_raw("GET", "/health/ready", &[], String::new()).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.json["reason"].as_str().unwrap().contains("database"), "{}", answer.text);
    assert_eq!(api.send_raw("GET", "/health/live", &[], String::new()).await.status, 200);
}

#[tokio::test]
async fn metrics_count_and_the_document_is_served() {
    let api = Api::with_a_mug().await;
    let answer = api.send_raw("GET", "/metrics", &[], String::new()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("concord_notices_total"), "{}", answer.text);
}
