//! Accounts by OAuth: a merchant's browser goes out and comes back, and tokens are seen by nobody.

use axum::body::Body;
use axum::http::Request;
use secrecy::SecretString;
use serde_json::{Value, json};
use tower::ServiceExt;
use url::Url;
use uuid::Uuid;

use super::{Api, document};

const BASE: &str = "http://concord.test";

/// A page as a browser sees it.
struct Page {
    status: u16,
    text: String,
    policy: String,
}

impl Page {
    #[track_caller]
    fn expect(self, status: u16, words: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(words), "{words:?} is not in {}", self.text);
        self.text
    }
}

impl Api {
    async fn start(&self, side: &str, body: Value) -> Value {
        self.send("POST", &format!("/v1/oauth/{side}/start"), Some(body)).await.expect(200)
    }

    /// The merchant agrees, as the platforms' pages do; gives where the browser is sent, path and query.
    async fn agree(&self, authorize_url: &str) -> String {
        self.world.stage.r.set_redirect_uri(format!("{BASE}/oauth/r-series/callback"));
        let none = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().no_proxy().redirect(none).build().unwrap();
        let sent = client.get(authorize_url).send().await.unwrap();
        assert_eq!(sent.status(), 302, "{authorize_url}");
        let to = sent.headers()["location"].to_str().unwrap();
        to.strip_prefix(BASE).unwrap_or_else(|| panic!("sent to {to}")).to_owned()
    }

    /// The browser arrives here, without any token.
    async fn arrive(&self, path: &str) -> Page {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.world.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let header = |name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let (kind, policy) = (header("content-type"), header("content-security-policy"));
        assert_eq!(header("cache-control"), "no-store");
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        document::check("GET", path, status, &kind, path);
        Page { status, text, policy }
    }

    async fn granted(&self, side: &str) -> String {
        let started = self.start(side, json!({})).await;
        let back = self.agree(started["authorize_url"].as_str().unwrap()).await;
        self.arrive(&back).await.expect(200, "Granted");
        started["grant"].as_str().unwrap().to_owned()
    }

    async fn grant(&self, side: &str, grant: &str) -> Value {
        self.send("GET", &format!("/v1/oauth/{side}/grants/{grant}"), None).await.expect(200)
    }

    async fn tokens_in_the_database(&self) -> Vec<Option<i64>> {
        let count = |column: &str| format!("select count(*) from grants where {column} is not null");
        let mut found = Vec::new();
        for column in ["access", "refresh", "verifier", "state_hash"] {
            found.push(Some(self.world.sql_count(&count(column)).await));
        }
        found
    }
}

fn query_of(address: &str, name: &str) -> Option<String> {
    let url = Url::parse(BASE).unwrap().join(address).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn two_accounts_are_connected_and_nobody_sees_a_token() {
    let mut api = Api::open().await;
    api.world.stage.r.create_item(crate::support::mug());
    let started = api.start("r-series", json!({})).await;
    let (ask, grant) = (started["authorize_url"].as_str().unwrap(), started["grant"].as_str().unwrap());
    assert!(ask.starts_with(&format!("{}/auth/oauth/authorize?", api.world.stage.r_url())), "{ask}");
    assert_eq!(query_of(ask, "code_challenge_method").unwrap(), "S256");
    assert_eq!(query_of(ask, "state").as_deref(), started["state"].as_str());
    assert_eq!(query_of(ask, "redirect_uri"), None, "R-Series knows it from the registration");
    assert_eq!(api.grant("r-series", grant).await["state"], "waiting");
    let early = json!({"name": "x", "r_series": {"grant": grant}, "e_series": {"grant": grant}});
    let early = api.send("POST", "/v1/connections", Some(early)).await.expect(422);
    assert!(early["detail"].as_str().unwrap().contains("authorize_url"), "{early}");
    assert_eq!(early["type"], "/problems/invalid", "no platform was asked: {early}");

    let back = api.agree(ask).await;
    let page = api.arrive(&back).await;
    assert!(page.policy.starts_with("default-src 'none'; style-src 'sha256-"), "{}", page.policy);
    let page = page.expect(200, grant);
    assert!(page.contains("R-Series, account 4711") && !page.contains("<script"), "{page}");
    let r = api.grant("r-series", grant).await;
    assert_eq!(
        (&r["state"], &r["account"], &r["side"]),
        (&json!("granted"), &json!("4711"), &json!("r_series"))
    );
    assert_eq!(r["scopes"], json!(concord::platforms::rseries::oauth::SCOPES));

    let asked = api.start("e-series", json!({})).await;
    let ask = asked["authorize_url"].as_str().unwrap();
    assert_eq!(query_of(ask, "redirect_uri").unwrap(), format!("{BASE}/oauth/e-series/callback"));
    let back = api.agree(ask).await;
    assert_eq!(query_of(&back, "state"), None, "this store does not hand the state back");
    api.arrive(&back).await.expect(200, "name the store_id");
    let e = asked["grant"].as_str().unwrap();

    // Whose code that was is not proved by a state, so the operator has to say whose it should be.
    let body =
        |e_series: Value| json!({"name": "By OAuth", "r_series": {"grant": grant}, "e_series": e_series});
    for (e_series, words) in [
        (json!({"grant": e}), "1003"),
        (json!({"grant": e, "store_id": "1004"}), "1004"),
        (json!({"grant": e, "store_id": "1003", "access_token": "x"}), "not both"),
        (json!({"grant": Uuid::nil(), "store_id": "1003"}), "no such grant"),
        (json!({"grant": grant, "store_id": "1003"}), "no such grant"),
    ] {
        let problem = api.send("POST", "/v1/connections", Some(body(e_series))).await.expect(422);
        assert!(problem["detail"].as_str().unwrap().contains(words), "{words}: {problem}");
        assert_eq!(problem["side"], "e_series", "{problem}");
    }
    assert_eq!(api.tokens_in_the_database().await, [2, 1, 0, 0].map(Some));
    let good = body(json!({"grant": e, "store_id": 1003}));
    let made = api.send("POST", "/v1/connections", Some(good.clone())).await.expect(201);
    api.world.adopt(&made);
    api.world.settle().await;
    api.world.check_laws().await;
    assert_eq!(api.get("/status").await["linked"], 1);

    // The grants are used up, and nothing lies in them.
    assert_eq!(api.grant("e-series", e).await["state"], "done");
    assert_eq!(api.tokens_in_the_database().await, [0; 4].map(Some));
    let again = api.send("POST", "/v1/connections", Some(good)).await.expect(409);
    assert_eq!(again["type"], "/problems/conflict", "{again}");
    assert!(again["detail"].as_str().unwrap().contains("already"), "{again}");

    // Each code was traded once, and what lies in the database is sealed.
    let trades = api.world.stage.e.calls().iter().filter(|call| call.path == "/api/oauth/token").count();
    assert_eq!(trades, 1);
    let secrets = api.world.secrets().await;
    let vault = concord::vault::Vault::new(&SecretString::from(crate::support::KEY)).unwrap();
    assert!(vault.open(api.world.connection, "r_refresh_token", &secrets["r_refresh_token"]).is_ok());
    let dump = api.world.dump().await;
    assert!(!dump.contains(started["state"].as_str().unwrap()), "the state lies in the database");
}

#[tokio::test]
async fn a_state_works_once_and_for_ten_minutes_and_only_where_it_belongs() {
    let api = Api::open().await;
    let started = api.start("r-series", json!({})).await;
    let back = api.agree(started["authorize_url"].as_str().unwrap()).await;
    let state = started["state"].as_str().unwrap();

    // Somebody else's code, under a state that is none of ours.
    let code = query_of(&back, "code").unwrap();
    let mut forged = state.to_owned();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'E' } else { 'A' });
    for address in [
        format!("/oauth/r-series/callback?code={code}"),
        format!("/oauth/r-series/callback?code={code}&state="),
        format!("/oauth/r-series/callback?code={code}&state=nonsense"),
        format!("/oauth/r-series/callback?code={code}&state={forged}"),
        format!("/oauth/e-series/callback?code={code}&state={state}"),
        format!("/oauth/e-series/callback?code={code}"),
        "/oauth/r-series/callback?code=1&code=2".to_owned(),
    ] {
        api.arrive(&address).await.expect(400, "");
    }
    assert_eq!(api.grant("r-series", started["grant"].as_str().unwrap()).await["state"], "waiting");
    api.arrive(&back).await.expect(200, "Granted");
    api.arrive(&back).await.expect(400, "was used already");
    assert_eq!(
        api.grant("r-series", started["grant"].as_str().unwrap()).await["state"],
        "granted",
        "coming twice spoils nothing"
    );

    // Too late.
    let started = api.start("r-series", json!({})).await;
    api.world.clock.advance(std::time::Duration::from_secs(601));
    let back = api.agree(started["authorize_url"].as_str().unwrap()).await;
    api.arrive(&back).await.expect(400, "10 minutes");

    // The state in time, and the code too late: a code of R-Series lives for a minute.
    let started = api.start("r-series", json!({})).await;
    let back = api.agree(started["authorize_url"].as_str().unwrap()).await;
    api.world.clock.advance(std::time::Duration::from_secs(61));
    api.arrive(&back).await.expect(403, "invalid, expired or revoked");
    let grant = api.grant("r-series", started["grant"].as_str().unwrap()).await;
    assert_eq!(grant["state"], "failed");
    assert!(grant["reason"].as_str().unwrap().contains("R-Series"), "{grant}");

    // A grant does not wait for ever.
    let grant = api.granted("e-series").await;
    api.world.clock.advance(std::time::Duration::from_secs(20 * 60));
    let r_series = json!({"account_id": "4711", "access_token": api.world.stage.r.issue_tokens().0});
    let body = json!({"name": "x", "r_series": r_series, "e_series": {"grant": grant, "store_id": "1003"}});
    let problem = api.send("POST", "/v1/connections", Some(body)).await.expect(422);
    assert!(problem["detail"].as_str().unwrap().contains("run out"), "{problem}");
}

#[tokio::test]
async fn a_store_that_hands_the_state_back_need_not_be_named() {
    let mut api = Api::open().await;
    api.world.stage.e.habits(|habits| habits.echo_oauth_state = true);
    // Two at a time, so that nothing but the state tells them apart.
    let (first, second) = (api.start("e-series", json!({})).await, api.start("e-series", json!({})).await);
    for started in [&second, &first] {
        let back = api.agree(started["authorize_url"].as_str().unwrap()).await;
        let page = api.arrive(&back).await.expect(200, started["grant"].as_str().unwrap());
        assert!(!page.contains("name the store_id"), "{page}");
    }
    let r = api.granted("r-series").await;
    let body = json!({"name": "x", "r_series": {"grant": r, "account_id": "4711", "shop_ids": ["1"]},
        "e_series": {"grant": second["grant"]}});
    let made = api.send("POST", "/v1/connections", Some(body)).await.expect(201);
    api.world.adopt(&made);

    // Without a state, and with two that wait, nobody can tell whose an answer is.
    api.world.stage.e.habits(|habits| habits.echo_oauth_state = false);
    let asked = [api.start("e-series", json!({})).await, api.start("e-series", json!({})).await];
    let back = api.agree(asked[0]["authorize_url"].as_str().unwrap()).await;
    api.arrive(&back).await.expect(400, "Start anew");
}

#[tokio::test]
async fn who_refuses_or_grants_too_little_is_told_so() {
    let api = Api::open().await;
    let started = api.start("r-series", json!({})).await;
    let state = started["state"].as_str().unwrap();
    let refused = format!("/oauth/r-series/callback?error=access_denied&state={state}");
    let page = api.arrive(&refused).await.expect(403, "access was refused");
    assert!(page.contains("nothing was connected"), "{page}");
    let grant = api.grant("r-series", started["grant"].as_str().unwrap()).await;
    assert_eq!(grant["state"], "failed");
    let body = json!({"name": "x", "r_series": {"grant": started["grant"]},
        "e_series": {"store_id": "1003", "access_token": "x"}});
    let problem = api.send("POST", "/v1/connections", Some(body)).await.expect(422);
    assert!(problem["detail"].as_str().unwrap().contains("refused"), "{problem}");

    api.world.stage.e.habits(|habits| habits.merchant_refuses = true);
    let started = api.start("e-series", json!({})).await;
    let back = api.agree(started["authorize_url"].as_str().unwrap()).await;
    api.arrive(&back).await.expect(403, "access was refused");
    api.world.stage.e.habits(|habits| habits.merchant_refuses = false);

    // What a platform says stands in the page as text.
    let started = api.start("r-series", json!({})).await;
    let state = started["state"].as_str().unwrap();
    let wicked = format!("/oauth/r-series/callback?error=%3Cscript%3Ealert(1)%3C/script%3E&state={state}");
    let page = api.arrive(&wicked).await.expect(403, "&lt;script&gt;");
    assert!(!page.contains("<script>"), "{page}");

    // Fewer rights than are needed.
    let started = api.start("r-series", json!({})).await;
    let code = api.world.stage.r.authorization_code("employee:register");
    let state = started["state"].as_str().unwrap();
    let back = format!("/oauth/r-series/callback?code={code}&state={state}");
    api.arrive(&back).await.expect(403, "did not grant employee:inventory");
    let started = api.start("e-series", json!({})).await;
    let mut ask = Url::parse(started["authorize_url"].as_str().unwrap()).unwrap();
    let fewer: Vec<(String, String)> = ask
        .query_pairs()
        .map(|(name, value)| match name.as_ref() {
            "scope" => (name.into_owned(), "read_catalog".to_owned()),
            _ => (name.into_owned(), value.into_owned()),
        })
        .collect();
    ask.query_pairs_mut().clear().extend_pairs(fewer);
    let back = api.agree(ask.as_str()).await;
    api.arrive(&back).await.expect(403, "did not grant create_catalog and update_catalog");
    assert_eq!(
        api.tokens_in_the_database().await,
        [0; 4].map(Some),
        "nothing is kept of what came to nothing"
    );
}

#[tokio::test]
async fn a_platform_that_does_not_answer_is_no_refusal() {
    use concord::sandbox::faults::{Aim, Fault};
    let api = Api::open().await;
    let started = api.start("r-series", json!({})).await;
    let back = api.agree(started["authorize_url"].as_str().unwrap()).await;
    api.world.stage.r.faults().next(Aim::Any, Fault::Status { status: 503, retry_after: None });
    api.arrive(&back).await.expect(503, "start anew in a while");
    assert_eq!(api.grant("r-series", started["grant"].as_str().unwrap()).await["state"], "failed");
}

#[tokio::test]
async fn only_who_may_asks_merchants_and_what_makes_no_sense_is_refused() {
    let api = Api::with_a_mug().await;
    let nil = Uuid::nil();
    for side in ["r-series", "e-series"] {
        let path = format!("/v1/oauth/{side}/start");
        api.check_guarded("POST", &path).await;
        api.check_body("POST", &path, &json!({"connection_id": api.world.connection})).await;
        api.send("POST", &path, Some(json!({"connection_id": nil}))).await.expect(404);
        api.send("POST", &path, Some(json!({"connection_id": "x"}))).await.expect(422);
        api.check_guarded("GET", &format!("/v1/oauth/{side}/grants/{nil}")).await;
        for grant in [nil.to_string(), "x".into(), "%00".into()] {
            api.send("GET", &format!("/v1/oauth/{side}/grants/{grant}"), None).await.expect(404);
        }
    }
    api.send("POST", "/v1/oauth/x-series/start", Some(json!({}))).await.expect(404);
    api.send("GET", &format!("/v1/oauth/r_series/grants/{nil}"), None).await.expect(404);
    assert_eq!(api.arrive("/oauth/x-series/callback").await.status, 404);

    let path = api.at("/credentials");
    api.check_guarded("PUT", &path).await;
    let token = |token: &str| json!({"e_series": {"access_token": token}});
    api.check_body("PUT", &path, &token("nonsense")).await;
    for id in [nil.to_string(), "nonsense".into()] {
        let path = format!("/v1/connections/{id}/credentials");
        api.send("PUT", &path, Some(token("x"))).await.expect(404);
    }
    for body in [
        json!({}),
        json!({"r_series": null}),
        json!({"r_series": {}}),
        json!({"e_series": {"access_token": 1}}),
    ] {
        api.send("PUT", &path, Some(body)).await.expect(422);
    }
    let refused = api.send("PUT", &path, Some(token("nonsense"))).await.expect(422);
    assert_eq!(refused["side"], "e_series", "{refused}");
    let body = json!({"r_series": {"access_token": "nonsense"}});
    assert_eq!(api.send("PUT", &path, Some(body)).await.expect(422)["side"], "r_series");
    assert_eq!(api.get("").await["state"], "active");
}

/// Asking and being granted are acts: who asked, and that a merchant's browser brought the answer.
#[tokio::test]
async fn what_was_asked_and_granted_is_in_the_audit_and_keys_need_the_scope() {
    let mut api = Api::open().await;
    let (_, operates) = api.key("operates", &["operate"]).await;
    let (key_id, admin) = api.key("connects", &["admin"]).await;
    let tick = |api: &Api| api.world.clock.advance(std::time::Duration::from_secs(1));
    tick(&api);
    let path = "/v1/oauth/r-series/start";
    api.send_as(&operates, "POST", path, Some(json!({}))).await.expect(403);
    let started = api.send_as(&admin, "POST", path, Some(json!({}))).await.expect(200);
    let grant = started["grant"].as_str().unwrap();
    api.send_as(&operates, "GET", &format!("/v1/oauth/r-series/grants/{grant}"), None).await.expect(403);
    let back = api.agree(started["authorize_url"].as_str().unwrap()).await;
    tick(&api);
    api.arrive("/oauth/r-series/callback?code=1&state=nonsense").await.expect(400, "");
    api.arrive(&back).await.expect(200, "Granted");
    api.arrive(&back).await.expect(400, "was used already");

    let audit = api.send("GET", "/v1/audit?limit=2", None).await;
    for secret in [query_of(&back, "code").unwrap(), started["state"].as_str().unwrap().to_owned()] {
        assert!(!audit.text.contains(&secret), "{}", audit.text);
    }
    let audit = audit.expect(200);
    let (finished, asked) = (&audit["items"][0], &audit["items"][1]);
    for (act, name, value) in [
        (finished, "act", json!("finish_oauth")),
        (finished, "actor", json!("merchant")),
        (finished, "path", json!("/oauth/r-series/callback")),
        (finished, "status", json!(200)),
        (finished, "connection_id", json!(null)),
        (finished, "detail", json!({"side": "r_series", "grant": grant})),
        (asked, "act", json!("start_oauth")),
        (asked, "actor", json!(key_id)),
        (asked, "detail", json!({"side": "r_series", "grant": grant})),
    ] {
        assert_eq!(act[name], value, "{name} in {act}");
    }

    // A connection that is connected anew is named.
    api.connect().await;
    let id = api.world.connection;
    tick(&api);
    let started = api.start("e-series", json!({"connection_id": id})).await;
    let back = api.agree(started["authorize_url"].as_str().unwrap()).await;
    api.arrive(&back).await.expect(200, "Connected anew");
    let token = api.world.stage.e.issue_token();
    let new = json!({"e_series": {"access_token": token}});
    let credentials = format!("/v1/connections/{id}/credentials");
    api.send_as(&operates, "PUT", &credentials, Some(new.clone())).await.expect(403);
    api.send_as(&admin, "PUT", &credentials, Some(new)).await.expect(200);
    let about = api.send("GET", &format!("/v1/audit?connection_id={id}&limit=3"), None).await;
    assert!(!about.text.contains(&token), "{}", about.text);
    let acts: Vec<Value> = about.expect(200)["items"].as_array().unwrap().clone();
    let mut named: Vec<&str> = acts.iter().map(|act| act["act"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ["finish_oauth", "replace_credentials", "start_oauth"], "{acts:?}");
}

/// Another master key does not spoil what a merchant has just granted.
#[tokio::test]
async fn a_grant_is_sealed_anew_with_everything_else() {
    use concord::connections::rotate::{Rotated, seal_anew};
    let mut api = Api::open().await;
    let r = api.granted("r-series").await;
    let waiting = api.start("e-series", json!({})).await;
    let back = api.agree(waiting["authorize_url"].as_str().unwrap()).await;
    let next = SecretString::from("AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=");
    let vault = || concord::vault::Vault::new(&next).unwrap();
    let both = vault().also(&SecretString::from(crate::support::KEY)).unwrap();
    let ids: concord::ids::SharedIds = std::sync::Arc::new(concord::ids::GeneratedIds::seeded(9));
    let rotated = seal_anew(&api.world.store, &both, &ids, api.world.clock_now()).await.unwrap();
    assert_eq!(rotated, Rotated { grants: 2, ..Rotated::default() });
    let parts = concord::cli::service::Parts { vault: vault(), ..api.world.parts(5) };
    api.world.app = concord::http::app(concord::cli::service::assemble(parts, BASE).unwrap().desk);
    api.arrive(&back).await.expect(200, "Granted");
    let e = waiting["grant"].as_str().unwrap();
    let body = json!({"name": "x", "r_series": {"grant": r}, "e_series": {"grant": e, "store_id": "1003"}});
    api.send("POST", "/v1/connections", Some(body)).await.expect(201);

    // One that nobody can open any more is void, and keeps nothing else from being sealed anew.
    let lost = api.granted("r-series").await;
    let old = concord::vault::Vault::new(&SecretString::from(crate::support::KEY)).unwrap();
    let back = old.also(&next).unwrap();
    let rotated = seal_anew(&api.world.store, &back, &ids, api.world.clock_now()).await.unwrap();
    assert_eq!(rotated.grants, 1);
    api.world.sql(&format!("update grants set access = 'x'::bytea where connection_id = '{lost}'")).await;
    let again = seal_anew(&api.world.store, &both, &ids, api.world.clock_now()).await.unwrap();
    assert_eq!((again.grants, again.secrets), (0, 4));
    let shown = api.grant("r-series", &lost).await;
    assert_eq!(shown["state"], "failed");
    assert!(shown["reason"].as_str().unwrap().contains("master key"), "{shown}");
}
