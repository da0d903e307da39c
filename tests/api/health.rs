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

/// Metrics belong to the process, and other worlds of this one count as well: what is asked for here is what only
/// this test asks the database for.
#[tokio::test]
async fn metrics_tell_of_notices_of_the_database_and_of_the_platforms() {
    let api = Api::with_a_mug().await;
    let item = api.world.stage.r.items()[0].item_id;
    api.world.stage.r.sell(item, 1, 1);
    api.world.settle().await;
    api.world.clock.advance(Duration::from_secs(11));
    let answer = api.send_raw("GET", "/metrics", &[], String::new()).await;
    assert_eq!(answer.status, 200);
    for line in [
        "concord_notices_total{door=\"r_series\",status=\"200\"} ",
        "concord_database_up 1",
        "concord_proven_share 1",
        "concord_linked 1",
        "concord_waiting 0",
        "concord_writes_open 0",
        "concord_connections{state=\"active\"} 1",
        "concord_connections{state=\"needs_attention\"} 0",
        "concord_brake_held{act=\"removal\"} 0",
        "concord_quota_left_ratio{side=\"r_series\"} ",
        "concord_token_age_seconds{kind=\"r_access_token\"} ",
        "concord_calls_total{side=\"e_series\",outcome=\"ok\"} ",
        "concord_call_seconds_bucket{side=\"r_series\",le=\"0.05\"} ",
        "concord_notice_seconds_bucket{door=\"e_series\",le=\"0.001\"} ",
        "concord_notice_to_written_seconds_bucket{side=\"r_series\",le=\"90\"} ",
        "concord_drips_tenths_total ",
        "concord_build_info{version=",
        "# HELP concord_proven_share Share of linked products",
        "# TYPE concord_notice_to_written_seconds histogram",
    ] {
        assert!(answer.text.contains(line), "{line}: {}", answer.text);
    }

    // A product that waits for too long, and one that is parked.
    let now = "now() + interval '100 years'";
    api.world
        .sql(&format!(
            "insert into dirty (connection_id, product_id, due_at, marked_at, parked_at, park_code) \
        select connection_id, product_id, {now}, '2026-01-01', {now}, 'tried' from links"
        ))
        .await;
    let again = api.send_raw("GET", "/metrics", &[], String::new()).await;
    assert!(again.text.contains("concord_proven_share 1"), "counted anew after ten seconds at the earliest");
    api.world.clock.advance(Duration::from_secs(11));
    let answer = api.send_raw("GET", "/metrics", &[], String::new()).await;
    for line in ["concord_proven_share 0", "concord_parked{code=\"tried\"} 1", "concord_waiting 0"] {
        assert!(answer.text.contains(line), "{line}: {}", answer.text);
    }
    api.world.sql("update dirty set parked_at = null, park_code = null").await;
    api.world.clock.advance(Duration::from_secs(11));
    let answer = api.send_raw("GET", "/metrics", &[], String::new()).await;
    for line in ["concord_parked{code=\"tried\"} 0", "concord_waiting 1"] {
        assert!(answer.text.contains(line), "{line}: {}", answer.text);
    }
    assert!(!answer.text.contains("concord_oldest_unproven_seconds 0\n"), "{}", answer.text);

    api.world.store.close().await;
    api.world.clock.advance(Duration::from_secs(11));
    let answer = api.send_raw("GET", "/metrics", &[], String::new()).await;
    assert!(answer.status == 200 && answer.text.contains("concord_database_up 0"), "{}", answer.text);
    assert!(answer.text.contains("concord_waiting 1"), "what was counted last stays: {}", answer.text);
}
