//! Consent, grants, rotation, expiry, revocation.

use super::*;

const TOKEN: &str = "/auth/oauth/token";

fn refresh(token: &str) -> Value {
    json!({
        "grant_type": "refresh_token", "refresh_token": token,
        "client_id": "sandbox-client", "client_secret": "sandbox-secret",
    })
}

fn text(reply: &Reply, key: &str) -> String {
    reply.json[key].as_str().expect("a string").to_owned()
}

impl Bench {
    async fn token(&self, body: Value) -> Reply {
        self.send("POST", TOKEN, &[], &body).await
    }

    async fn status_with(&self, access: &str) -> u16 {
        let bearer = format!("Bearer {access}");
        let path = "/API/V3/Account/4711/Item.json";
        self.send("GET", path, &[("authorization", &bearer)], &Value::Null).await.status.as_u16()
    }
}

#[tokio::test]
async fn the_old_refresh_token_dies_when_the_new_access_token_is_first_used() {
    let bench = Bench::new();
    let (first, old) = bench.sandbox.issue_tokens();
    let one = bench.token(refresh(&old)).await;
    assert_eq!((one.status, &one.json["expires_in"]), (StatusCode::OK, &json!(3600)));
    assert!(text(&one, "access_token").len() > 255);
    // The answer was lost: the old one still works.
    let two = bench.token(refresh(&old)).await;
    assert_eq!(two.status, StatusCode::OK);
    assert_eq!(bench.status_with(&first).await, 200);
    assert_eq!(bench.status_with(&text(&two, "access_token")).await, 200);
    let late = bench.token(refresh(&old)).await;
    assert_eq!((late.status, text(&late, "error").as_str()), (StatusCode::BAD_REQUEST, "invalid_grant"));
    // The twin that was never used is gone with it.
    assert_eq!(bench.status_with(&text(&one, "access_token")).await, 401);
    assert_eq!(bench.token(refresh(&text(&one, "refresh_token"))).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.token(refresh(&text(&two, "refresh_token"))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn before_2026_the_old_refresh_token_died_at_once() {
    let bench = Bench::with_habits(|habits| habits.refresh_token_dies_at_once = true);
    let (_, old) = bench.sandbox.issue_tokens();
    assert_eq!(bench.token(refresh(&old)).await.status, StatusCode::OK);
    assert_eq!(bench.token(refresh(&old)).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_code_is_good_once_and_for_a_minute() {
    let bench = Bench::new();
    let grant = |code: &str| {
        json!({
            "grant_type": "authorization_code", "code": code,
            "client_id": "sandbox-client", "client_secret": "sandbox-secret",
        })
    };
    let code = bench.sandbox.authorization_code("employee:all");
    let pair = bench.token(grant(&code)).await;
    assert_eq!(bench.status_with(&text(&pair, "access_token")).await, 200);
    assert_eq!(text(&bench.token(grant(&code)).await, "error"), "invalid_grant");
    let late = bench.sandbox.authorization_code("employee:all");
    bench.wait(60);
    assert_eq!(text(&bench.token(grant(&late)).await, "error"), "invalid_grant");
}

#[tokio::test]
async fn consent_sends_the_browser_back_and_pkce_is_checked() {
    let bench = Bench::new();
    bench.sandbox.set_redirect_uri("https://app.example/callback".to_owned());
    let ask = "/auth/oauth/authorize?response_type=code&client_id=sandbox-client\
               &scope=employee:inventory+employee:categories&state=s%26t\
               &code_challenge=abcdef&code_challenge_method=plain";
    let back = bench.send("GET", ask, &[], &Value::Null).await;
    assert_eq!(back.status, StatusCode::FOUND);
    let location = back.header("location").to_owned();
    let rest = location.strip_prefix("https://app.example/callback?code=").expect("a code");
    let (code, state) = rest.split_once('&').expect("a state");
    assert_eq!(state, "state=s%26t");
    let form = |verifier: &str| {
        format!(
            "grant_type=authorization_code&client_id=sandbox-client&client_secret=sandbox-secret\
             &code={code}&code_verifier={verifier}"
        )
    };
    for (verifier, status) in [("wrong", 400), ("abcdef", 200)] {
        let request = Request::post(TOKEN).body(Body::from(form(verifier))).expect("a request");
        let response = bench.router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status().as_u16(), status);
    }
    let refused = bench.send("GET", "/auth/oauth/authorize?client_id=x", &[], &Value::Null).await;
    assert_eq!(text(&refused, "error"), "invalid_client");
}

#[tokio::test]
async fn wrong_requests_have_their_errors() {
    let bench = Bench::new();
    let (_, token) = bench.sandbox.issue_tokens();
    let with = |name: &str, value: Value| {
        let mut body = refresh(&token);
        body[name] = value;
        body
    };
    for (body, status, error) in [
        (with("client_secret", json!("guess")), 401, "invalid_client"),
        (with("client_id", json!("someone")), 401, "invalid_client"),
        (with("grant_type", json!("password")), 400, "invalid_request"),
        (with("refresh_token", json!("nonsense")), 400, "invalid_grant"),
        (with("scope", json!("employee:all")), 400, "invalid_scope"),
        (json!({}), 400, "invalid_request"),
    ] {
        let reply = bench.token(body).await;
        assert_eq!((reply.status.as_u16(), text(&reply, "error").as_str()), (status, error));
    }
    let get = bench.send("GET", TOKEN, &[], &Value::Null).await;
    assert_eq!(
        (get.status, text(&get, "error").as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, "invalid_request")
    );
    assert!(bench.sandbox.calls().iter().all(|call| call.body.is_null()), "secrets are not kept");
    assert_eq!(bench.sandbox.write_calls(), 0);
}

#[tokio::test]
async fn tokens_end_by_time_by_force_and_by_revocation() {
    let bench = Bench::new();
    let (access, refresh_token) = bench.sandbox.issue_tokens();
    bench.wait(3599);
    assert_eq!(bench.status_with(&access).await, 200);
    bench.wait(1);
    assert_eq!(bench.status_with(&access).await, 401);
    let pair = bench.token(refresh(&refresh_token)).await;
    let (access, newest) = (text(&pair, "access_token"), text(&pair, "refresh_token"));
    assert_eq!(bench.status_with(&access).await, 200);
    bench.sandbox.expire_access_tokens();
    assert_eq!(bench.status_with(&access).await, 401);
    let pair = bench.token(refresh(&newest)).await;
    let (access, newest) = (text(&pair, "access_token"), text(&pair, "refresh_token"));
    assert_eq!(bench.send("POST", "/auth/oauth/revoke", &[], &refresh(&newest)).await.status, StatusCode::OK);
    assert_eq!(bench.status_with(&access).await, 401);
    assert_eq!(text(&bench.token(refresh(&newest)).await, "error"), "invalid_grant");

    let (_, unused) = bench.sandbox.issue_tokens();
    bench.wait(30 * 24 * 3600);
    assert_eq!(text(&bench.token(refresh(&unused)).await, "error"), "invalid_grant");
    let (access, unused) = bench.sandbox.issue_tokens();
    bench.sandbox.revoke_all();
    assert_eq!(bench.status_with(&access).await, 401);
    assert_eq!(bench.token(refresh(&unused)).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn refreshing_without_end_is_held_up() {
    let bench = Bench::new();
    let (_, mut token) = bench.sandbox.issue_tokens();
    for _ in 0..5 {
        let pair = bench.token(refresh(&token)).await;
        assert_eq!(pair.status, StatusCode::OK);
        token = text(&pair, "refresh_token");
    }
    assert_eq!(bench.token(refresh(&token)).await.status, StatusCode::TOO_MANY_REQUESTS);
    bench.wait(60);
    assert_eq!(bench.token(refresh(&token)).await.status, StatusCode::OK);
}
