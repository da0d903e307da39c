//! Platforms that lie: whatever they send, the client comes to a sane decision and keeps little of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use concord::clock::{ManualClock, SharedClock, SystemClock};
use concord::platforms::rseries::client::{TokenFuture, Tokens};
use concord::platforms::transport::{self, Limits, Transport};
use concord::platforms::{CallError, Gate, eseries, rseries};
use concord::turnstile::Turnstile;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[derive(Debug)]
struct Fixed;

impl Tokens for Fixed {
    fn access(&self) -> TokenFuture<'_> {
        Box::pin(async { Ok("token".to_owned().into()) })
    }
    fn renew<'a>(&'a self, _stale: &'a SecretString) -> TokenFuture<'a> {
        Box::pin(async { Ok("fresh".to_owned().into()) })
    }
}

/// What the platform sends.
#[derive(Debug, Clone)]
struct Lie {
    /// Sent at once. `{base}` is the platform's own address, `{n}` counts the calls.
    first: Vec<u8>,
    /// Then this, over and over, until nobody listens.
    endless: Option<Vec<u8>>,
    /// Keeps the connection open at the end.
    hangs: bool,
}

async fn platform(lie: Lie) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let (counted, address) = (calls.clone(), base.clone());
    tokio::spawn(async move {
        loop {
            let (mut line, _) = listener.accept().await.unwrap();
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let (lie, base) = (lie.clone(), address.clone());
            tokio::spawn(async move {
                let _ = line.read(&mut vec![0; 1 << 16]).await;
                let first = match String::from_utf8(lie.first.clone()) {
                    Ok(text) => {
                        text.replace("{base}", &base).replace("{n}", &number.to_string()).into_bytes()
                    }
                    Err(_) => lie.first.clone(),
                };
                let _ = line.write_all(&first).await;
                if let Some(piece) = &lie.endless {
                    while line.write_all(piece).await.is_ok() {}
                }
                if lie.hangs {
                    let _ = line.read(&mut [0; 1]).await;
                }
                let _ = line.shutdown().await;
            });
        }
    });
    (base, calls)
}

fn clients(base: &str) -> (rseries::Client, eseries::Client) {
    let clock: SharedClock = Arc::new(ManualClock::starting_at(crate::support::start_of_time()));
    let limits = Limits { connect: Duration::from_secs(1), total: Duration::from_secs(4) };
    // The liars run on real time, so the limit of a call does too.
    let http = transport::client(limits, Arc::new(SystemClock), Turnstile::default()).unwrap();
    let transport = || Transport::new(http.clone(), base.parse().unwrap());
    let (r_gate, e_gate) = (Arc::new(Gate::r_series()), Arc::new(Gate::e_series()));
    (
        rseries::Client::new(transport(), 1, r_gate, Arc::new(Fixed), clock.clone()),
        eseries::Client::new(transport(), 1, e_gate, "token".to_owned().into(), clock),
    )
}

fn whole(body: &str) -> Vec<u8> {
    with("200 OK", "", body)
}

fn with(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// 64 MiB of spaces in 64 KiB.
fn bomb() -> Vec<u8> {
    // Deflate: a stored block would not shrink, so the bomb is one that was packed before, repeated as members.
    let member = packed();
    let mut body = Vec::new();
    for _ in 0..64 {
        body.extend_from_slice(&member);
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// One mebibyte of spaces as a gzip member.
fn packed() -> Vec<u8> {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&vec![b' '; 1 << 20]).unwrap();
    packer.finish().unwrap()
}

fn lies() -> Vec<(&'static str, Lie)> {
    let once = |first: Vec<u8>| Lie { first, endless: None, hangs: false };
    let headers: String = "x-1: 1\r\n".repeat(300);
    let head = "HTTP/1.1 200 OK\r\n";
    let endless = |head: String, piece: &str| Lie {
        first: head.into_bytes(),
        endless: Some(piece.as_bytes().to_vec()),
        hangs: false,
    };
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    vec![
        ("an endless body", endless(format!("{head}\r\n"), &" ".repeat(1 << 16))),
        ("an endless head", endless(head.to_owned(), "x-a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n")),
        ("endless chunks", endless(format!("{head}transfer-encoding: chunked\r\n\r\n"), "4\r\n    \r\n")),
        ("17 MiB", once(whole(&" ".repeat(17 << 20)))),
        ("a length that is too long", once([head.as_bytes(), b"content-length: 999\r\n\r\n{}"].concat())),
        ("a length that is no number", once([head.as_bytes(), b"content-length: x\r\n\r\n{}"].concat())),
        ("nothing at all", once(Vec::new())),
        ("a hang", Lie { first: head.as_bytes().to_vec(), endless: None, hangs: true }),
        ("a bomb", once(bomb())),
        ("no gzip", once(with("200 OK", "content-encoding: gzip\r\n", "{}"))),
        ("300 headers", once(with("200 OK", &headers, "{}"))),
        ("a page for people", once(whole("<html><body>Please wait</body></html>"))),
        ("deep JSON", once(whole(&deep))),
        ("a number for an answer", once(whole("17"))),
        ("null", once(whole("null"))),
        ("a redirect", once(with("302 Found", "location: http://127.0.0.1:1/\r\n", ""))),
        ("a permanent one", once(with("308 Permanent Redirect", "location: http://127.0.0.1:1/\r\n", ""))),
        ("another status", once(with("777 What", "", "{}"))),
        (
            "mad limits",
            once(with(
                "429 Slow",
                "retry-after: 99999999999999999999\r\nx-ls-api-bucket-level: 1e308/1e-308\r\nx-ls-api-drip-rate: 1e-300\r\n",
                "",
            )),
        ),
        (
            "mad headers",
            once(with(
                "200 OK",
                "x-ls-api-bucket-level: NaN/inf\r\nx-ls-api-burst-level: -1/1e99\r\nx-ls-api-drip-rate: inf\r\n",
                "{}",
            )),
        ),
    ]
}

fn sane(case: &str, write: bool, error: &CallError) {
    let fits = match error {
        CallError::Later { until, .. } => (*until - crate::support::start_of_time()).num_seconds() <= 3_600,
        CallError::Unclear { .. } => write,
        CallError::Refused { .. } => {
            case.contains("redirect") || case.contains("permanent") || case.contains("another")
        }
        _ => false,
    };
    assert!(fits, "{case}: {error:?}");
    assert!(error.to_string().len() < 1_000, "{case}: an error of {} bytes", error.to_string().len());
}

#[tokio::test]
async fn whatever_a_platform_answers_the_decision_is_sane() {
    let cases = lies().into_iter().map(|(case, lie)| async move {
        let (base, _) = platform(lie).await;
        let (r, e) = clients(&base);
        if let Err(error) = r.item(5).await {
            sane(case, false, &error);
        } else {
            panic!("{case} was believed");
        }
        if let Err(error) = e.product(5).await {
            sane(case, false, &error);
        } else {
            panic!("{case} was believed");
        }
        // With gates of their own: a write must not be taken for done or for not done.
        let (r, e) = clients(&base);
        let write = rseries::wire::ItemWrite { description: Some("x".into()), ..Default::default() };
        sane(case, true, &r.update_item(5, &write, crate::support::start_of_time()).await.unwrap_err());
        let created =
            e.create_product(&eseries::wire::ProductWrite::default(), crate::support::start_of_time()).await;
        sane(case, true, &created.unwrap_err());
    });
    futures::future::join_all(cases).await;
}

#[tokio::test]
async fn pages_elsewhere_and_pages_without_end_are_not_followed() {
    let next = |next: &str| {
        let body = format!(r#"{{"@attributes":{{"next":"{next}"}},"Shop":[{{"shopID":"1"}}]}}"#);
        // Without a length: it is not known before the address is filled in.
        Lie {
            first: format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}").into_bytes(),
            endless: None,
            hangs: false,
        }
    };
    let (elsewhere, told) = platform(next("")).await;
    for address in [
        format!("{elsewhere}/x"),
        "file:///etc/passwd".into(),
        "//x/".into(),
        "javascript:1".into(),
        "\\u0000".into(),
    ] {
        let (base, calls) = platform(next(&address)).await;
        let error = clients(&base).0.shops().await.unwrap_err();
        assert!(matches!(error, CallError::Refused { .. }), "{address}: {error:?}");
        assert_eq!(calls.load(Ordering::SeqCst), 1, "{address}");
    }
    assert_eq!(told.load(Ordering::SeqCst), 0, "a token went to another host");
    for address in ["{base}/same", "{base}/page/{n}"] {
        let (base, calls) = platform(next(address)).await;
        let error = clients(&base).0.shops().await.unwrap_err();
        assert!(matches!(error, CallError::Later { .. }), "{address}: {error:?}");
        assert!(calls.load(Ordering::SeqCst) <= 100, "{address}: {}", calls.load(Ordering::SeqCst));
    }
}

#[tokio::test]
async fn an_empty_page_in_the_middle_of_a_list_is_not_its_end() {
    let list = |body: &str| Lie { first: whole(body), endless: None, hangs: false };
    for body in [
        r#"{"total":350,"count":0,"offset":100,"items":[]}"#,
        r#"{"total":1,"count":0,"offset":0,"items":[]}"#,
    ] {
        let (base, _) = platform(list(body)).await;
        let error = clients(&base).1.products(100).await.unwrap_err();
        assert!(matches!(error, CallError::Later { .. }), "{body}: {error:?}");
    }
    let (base, _) = platform(list(r#"{"total":0,"count":0,"offset":0,"items":[]}"#)).await;
    assert!(clients(&base).1.products(0).await.unwrap().rows.is_empty());
    let strange = r#"{"total":1,"count":1,"offset":0,"items":[{"id":7,"sku":{}}]}"#;
    let (base, _) = platform(list(strange)).await;
    let error = clients(&base).1.products_with_sku("A").await.unwrap_err();
    assert_eq!(error.code(), Some("unreadable"), "it may be the one that is sought: {error:?}");
}
