//! Connections: made, shown, changed, paused, forgotten; credentials proved first, secrets kept.

use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Api, tokens_of};

#[tokio::test]
async fn a_connection_is_made_shown_changed_and_forgotten() {
    let mut api = Api::open().await;
    assert_eq!(
        api.send("GET", "/v1/connections", None).await.expect(200),
        json!({"items": [], "next": null})
    );
    let body = api.world.credentials();
    let made = api.send("POST", "/v1/connections", Some(body.clone())).await.expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let (hooks, base) = (&made["webhooks"], "http://concord.test/webhooks");
    assert_eq!(hooks["e_series_url"], format!("{base}/e-series"));
    assert_eq!(hooks["r_series_url"], format!("{base}/r-series/{id}"));
    assert!(hooks["r_series_secret"].as_str().unwrap().len() >= 32, "{hooks}");
    // From now on none of them may be seen again.
    api.world.adopt(&made);
    api.secrets.extend(tokens_of(&body));
    api.secrets.push(api.world.r_secret.clone());

    let shown = api.get("").await;
    assert_eq!(
        (&shown["id"], &shown["name"], &shown["state"]),
        (&json!(id), &json!("Test shop"), &json!("active"))
    );
    assert_eq!(
        (&shown["r_series"]["account_id"], &shown["e_series"]["store_id"]),
        (&json!("4711"), &json!("1003"))
    );
    assert_eq!((&shown["r_series"]["shop_ids"], &shown["plan"]), (&json!(["1"]), &json!("unlimited")));
    let list = api.send("GET", "/v1/connections", None).await.expect(200);
    assert_eq!(list, json!({"items": [shown], "next": null}));

    let settings = json!({"fields": {"price": {"way": "r_to_e", "rule": "e_wins"}}});
    let change = json!({"name": "New", "plan": "business", "settings": settings});
    let changed = api.send("PATCH", &api.at(""), Some(change)).await.expect(200);
    assert_eq!((&changed["name"], &changed["plan"]), (&json!("New"), &json!("business")));
    assert_eq!(changed["settings"]["fields"], settings["fields"]);
    assert_eq!(api.get("").await, changed, "what was answered is what is kept");
    let same = api.send("PATCH", &api.at(""), Some(json!({}))).await.expect(200);
    assert_eq!(same, changed, "an empty change changes nothing");

    for (verb, state) in
        [("pause", "paused"), ("pause", "paused"), ("resume", "active"), ("resume", "active")]
    {
        let answer = api.send("POST", &api.at(&format!("/{verb}")), None).await.expect(200);
        assert_eq!(answer["state"], state, "{verb}");
        assert_eq!(api.get("/status").await["state"], state, "{verb}");
    }
    assert_eq!(api.send("DELETE", &api.at(""), None).await.status, 204);
    api.send("GET", &api.at(""), None).await.expect(404);
    api.send("DELETE", &api.at(""), None).await.expect(404);
    assert_eq!(api.world.sql_count("select count(*) from secrets").await, 0, "its secrets are gone with it");
    // And it can be made again.
    let again = api.world.credentials();
    api.send("POST", "/v1/connections", Some(again)).await.expect(201);
}

#[tokio::test]
async fn status_tells_how_it_is_doing() {
    let api = Api::with_a_mug().await;
    api.world.sweep().await;
    api.world.sweep().await;
    let status = api.get("/status").await;
    for (name, value) in [
        ("state", json!("active")),
        ("in_step", json!(true)),
        ("waiting", json!(0)),
        ("running", json!(0)),
        ("parked", json!(0)),
        ("linked", json!(1)),
        ("conflicts_open", json!(0)),
        ("oldest_unproven_seconds", json!(0)),
        ("open_writes", json!(0)),
    ] {
        assert_eq!(status[name], value, "{name} in {status}");
    }
    assert_eq!(
        status["plan"],
        json!({"name": "unlimited", "limit": 2500, "used": 1, "pieces_limit": 70_000, "pieces_used": 1,
            "store_limit": 2500, "store_used": 1, "excess": 0, "waiting": 0, "waiting_for": 0}),
        "the store's own limit counts"
    );
    // What nobody watches may have changed unseen: neither a pause nor a token that does not work is in step.
    api.send("POST", &api.at("/pause"), None).await.expect(200);
    let paused = api.get("/status").await;
    assert_eq!((&paused["state"], &paused["in_step"]), (&json!("paused"), &json!(false)), "{paused}");
    api.send("POST", &api.at("/resume"), None).await.expect(200);
    api.world.sweep().await;
    assert_eq!(api.get("/status").await["in_step"], true, "watched again");
    api.world.stage.r.rename(1, "Not looked at yet");
    api.world.stage.deliver_due().await;
    let status = api.get("/status").await;
    assert_eq!((&status["in_step"], &status["waiting"]), (&json!(false), &json!(1)), "{status}");
}

#[tokio::test]
async fn credentials_are_proved_and_a_refusal_names_the_side_and_the_reason() {
    let api = Api::open().await;
    let with = |at: &str, value: Value| {
        let mut body = api.world.credentials();
        *body.pointer_mut(at).unwrap() = value;
        body
    };
    let scoped = api.world.stage.r.issue_scoped_tokens("employee:register").0;
    let cases = [
        ("an unknown R token", with("/r_series/access_token", json!("nonsense")), "r_series", "R-Series"),
        ("a token with a line break", with("/r_series/access_token", json!("a\nb")), "r_series", "R-Series"),
        ("too few rights", with("/r_series/access_token", json!(scoped)), "r_series", "R-Series"),
        ("another account", with("/r_series/account_id", json!("4712")), "r_series", "4711"),
        ("no such shop", with("/r_series/shop_ids", json!(["1", "9"])), "r_series", "9"),
        ("an unknown E token", with("/e_series/access_token", json!("nonsense")), "e_series", "E-Series"),
        ("another store", with("/e_series/store_id", json!("1004")), "e_series", "Invalid API token"),
    ];
    for (case, mut body, side, reason) in cases {
        if case != "another account" {
            body["r_series"].as_object_mut().unwrap().remove("refresh_token");
        }
        let answer = api.send("POST", "/v1/connections", Some(body)).await;
        assert_eq!(answer.status, 422, "{case}: {}", answer.text);
        let answer = answer.json;
        assert_eq!(answer["side"], side, "{case}: {answer}");
        assert!(answer["detail"].as_str().unwrap().contains(reason), "{case}: {answer}");
        assert!(!answer["detail"].as_str().unwrap().contains("nonsense"), "{case}: {answer}");
    }
    // What contradicts itself is seen without asking anybody.
    api.world.stage.r.clear_calls();
    let body = with("/r_series/primary_shop_id", json!("9"));
    let answer = api.send("POST", "/v1/connections", Some(body)).await.expect(422);
    assert_eq!(answer["type"], "/problems/invalid", "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("primary_shop_id"), "{answer}");
    assert_eq!(api.world.stage.r.calls().len(), 0, "a platform was asked");
    // Which shops there are, only the platform knows.
    let mut body = with("/r_series/primary_shop_id", json!("9"));
    body["r_series"].as_object_mut().unwrap().remove("shop_ids");
    let answer = api.send("POST", "/v1/connections", Some(body)).await.expect(422);
    assert_eq!(answer["type"], "/problems/not-proved", "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("no open shop 9"), "{answer}");
    assert_eq!(api.world.sql_count("select count(*) from connections").await, 0, "nothing is stored");
    assert_eq!(api.world.sql_count("select count(*) from secrets").await, 0);
}

/// A platform that cannot be asked has not said no: good credentials may be sent again as they are.
#[tokio::test]
async fn a_platform_that_cannot_be_asked_now_is_no_refusal_of_the_credentials() {
    use concord::sandbox::faults::{Aim, Fault};
    let mut api = Api::open().await;
    let away = |answer: super::Answer, side: &str, case: &str| {
        assert_eq!((answer.status, &answer.json["side"]), (503, &json!(side)), "{case}: {}", answer.text);
        assert_eq!(answer.json["type"], "/problems/platform", "{case}: {}", answer.text);
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(!detail.contains("our share") && !detail.contains("Check the"), "{case}: {detail}");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!(detail.contains(&format!("come again in {wait} s")), "{case}: {detail}");
        wait
    };
    let faults = |api: &Api, side: &str| match side {
        "r_series" => api.world.stage.r.faults().clone(),
        _ => api.world.stage.e.faults().clone(),
    };
    let limited = Fault::Status { status: 429, retry_after: Some(40) };
    let down = Fault::Status { status: 503, retry_after: None };
    for side in ["r_series", "e_series"] {
        for fault in [limited, down, Fault::ResetBefore, Fault::GarbageAfter] {
            faults(&api, side).next(Aim::Any, fault);
            let body = api.world.credentials();
            let answer = api.send("POST", "/v1/connections", Some(body)).await;
            let wait = away(answer, side, &format!("{side} {fault:?}"));
            assert!(fault != limited || (39..=40).contains(&wait), "{wait} s");
        }
    }
    assert_eq!(api.world.sql_count("select count(*) from connections").await, 0);

    api.connect().await;
    let tokens = api.world.credentials();
    for side in ["r_series", "e_series"] {
        for fault in [limited, Fault::ResetBefore] {
            faults(&api, side).next(Aim::Any, fault);
            let body = json!({side: {"access_token": tokens[side]["access_token"]}});
            let answer = api.send("PUT", &api.at("/credentials"), Some(body)).await;
            away(answer, side, &format!("PUT {side} {fault:?}"));
        }
    }
    faults(&api, "r_series").next(Aim::Any, limited);
    let sale = json!({"settings": {"web_sales": "sale"}});
    away(api.send("PATCH", &api.at(""), Some(sale)).await, "r_series", "PATCH");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let mut api = Api::open().await;
    let good = api.world.credentials();
    api.check_body("POST", "/v1/connections", &good).await;
    let mut bodies = Vec::new();
    for (at, value) in [
        ("/name", json!("")),
        ("/name", json!("  ")),
        ("/name", json!(7)),
        ("/name", json!(null)),
        ("/r_series/account_id", json!("x")),
        ("/r_series/account_id", json!(-1)),
        ("/r_series/account_id", json!(0)),
        ("/r_series/shop_ids", json!("1")),
        ("/r_series/shop_ids", json!(["x"])),
        ("/e_series/store_id", json!(1.5)),
        ("/e_series/store_id", json!("99999999999999999999")),
        ("/e_series", json!(null)),
    ] {
        let mut body = good.clone();
        *body.pointer_mut(at).unwrap() = value;
        bodies.push(body);
    }
    for (name, value) in [
        ("plan", json!("huge")),
        ("settings", json!({"surprise": 1})),
        ("settings", json!({"fields": {"color": {}}})),
        ("settings", json!({"fields": {"price": {"way": "up"}}})),
        ("settings", json!({"sku_source": "x"})),
    ] {
        let mut body = good.clone();
        body[name] = value;
        bodies.push(body);
    }
    for body in bodies {
        api.send("POST", "/v1/connections", Some(body)).await.expect(422);
    }
    // Both accounts can be connected only once, numbers and texts alike.
    let mut numbers = good.clone();
    (numbers["r_series"]["account_id"], numbers["e_series"]["store_id"]) = (json!(4711), json!(1003));
    let made = api.send("POST", "/v1/connections", Some(numbers)).await.expect(201);
    api.world.adopt(&made);
    let twice = api.send("POST", "/v1/connections", Some(api.world.credentials())).await.expect(409);
    assert_eq!(twice["side"], "r_series", "{twice}");

    let path = api.at("");
    api.check_body("PATCH", &path, &json!({"name": "x"})).await;
    for change in [
        json!({"name": " "}),
        json!({"plan": "huge"}),
        json!({"settings": {"surprise": 1}}),
        json!({"state": "paused"}),
    ] {
        api.send("PATCH", &path, Some(change)).await.expect(422);
    }
    assert_eq!(api.get("").await["name"], "Test shop");
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_and_unknown_ids_are_not_found() {
    let api = Api::with_a_mug().await;
    let (known, nil) = (api.world.connection.to_string(), Uuid::nil().to_string());
    for (method, path) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("GET", "/status"),
    ] {
        api.check_guarded(method, &format!("/v1/connections/{known}{path}")).await;
        api.check_guarded(method, &format!("/v1/connections/{nil}{path}")).await;
        for id in [nil.as_str(), "nonsense", "%00"] {
            let body = (method == "PATCH").then(|| json!({}));
            api.send(method, &format!("/v1/connections/{id}{path}"), body).await.expect(404);
        }
    }
    api.check_guarded("GET", "/v1/connections").await;
    api.check_guarded("POST", "/v1/connections").await;
    assert_eq!(api.get("").await["state"], "active", "a refused call did something");
}

#[tokio::test]
async fn secrets_lie_sealed_in_the_database_and_stand_nowhere_else() {
    let api = Api::with_a_mug().await;
    let secrets = api.world.secrets().await;
    let kinds: Vec<&str> = secrets.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["e_access_token", "r_access_token", "r_refresh_token", "r_webhook_secret"]);
    let everything = api.world.dump().await;
    assert!(
        everything.contains("Stoneware mug") && everything.contains("r_webhook_secret"),
        "the dump is no dump"
    );
    for secret in &api.secrets {
        let hex_of = hex::encode(secret);
        for (form, text) in [("plain", secret), ("hex", &hex_of)] {
            assert!(!everything.contains(text.as_str()), "a secret lies in the database, {form}");
        }
        for (kind, sealed) in &secrets {
            let found = sealed.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{kind} is not sealed");
        }
    }
    // One seal does not open under another name or for another connection.
    let vault = concord::vault::Vault::new(&SecretString::from(crate::support::KEY)).unwrap();
    let id = api.world.connection;
    assert!(vault.open(id, "r_access_token", &secrets["r_access_token"]).is_ok());
    assert!(vault.open(id, "r_refresh_token", &secrets["r_access_token"]).is_err());
    let other = concord::ids::ConnectionId(Uuid::nil());
    assert!(vault.open(other, "r_access_token", &secrets["r_access_token"]).is_err());
}
