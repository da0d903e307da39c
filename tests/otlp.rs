//! Traces reach a collector over OTLP, and hold no secret. Only in a build with `--features otlp`.

#![cfg(feature = "otlp")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets something unforeseen fails, and that is what it is for"
)]

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::IntoResponse;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::process::Command;

/// Path and body of what came.
type Came = Arc<Mutex<Vec<(String, Bytes)>>>;

/// A collector that keeps whatever it is sent.
async fn take(State(came): State<Came>, uri: Uri, body: Bytes) -> impl IntoResponse {
    came.lock().unwrap().push((uri.path().to_owned(), body));
    [("content-type", "application/grpc"), ("grpc-status", "0")]
}

async fn collector(came: Came) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(take).with_state(came);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(app.clone());
            tokio::spawn(async move {
                let _ =
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    format!("http://{address}")
}

fn holds(body: &[u8], word: &str) -> bool {
    body.windows(word.len()).any(|window| window == word.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visits_and_calls_are_traced_without_secrets() {
    let came = Came::default();
    let endpoint = collector(came.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/walkthrough.sh");
    let mut command = Command::new("bash");
    command.arg(script).env("CONCORD", env!("CARGO_BIN_EXE_concord")).env("WALKTHROUGH_DIR", folder.path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONCORD_")) {
        command.env_remove(name);
    }
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).stdin(Stdio::null()).kill_on_drop(true);
    let done = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));

    let came = came.lock().unwrap();
    assert!(!came.is_empty(), "nothing reached the collector");
    for (path, body) in came.iter() {
        assert_eq!(path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
        for secret in
            ["sandbox-admin", "sandbox-secret", "sandbox_client_secret", "secret_", "eyJ", "def50200"]
        {
            assert!(!holds(body, secret), "a secret stands in a trace: {secret}");
        }
    }
    for word in ["concord", "visit", "call", "round", "r_series", "e_series", "outcome"] {
        assert!(came.iter().any(|(_, body)| holds(body, word)), "no trace speaks of {word}");
    }
}
