//! A database that was used is dumped, searched for secrets, and restored; the log and every answer are searched too.

use std::path::Path;
use std::time::Duration;

use concord::sandbox::stage::Stage;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rustix::process::Signal;
use serde_json::Value;
use tokio::process::Command;

use crate::house::{Folder, Postgres, Recipe, Service, free_port, open_stage};
use crate::merchants::Merchants;
use crate::storm::{connect, in_step};

const LIMIT: Duration = Duration::from_secs(60);

/// A script of `deploy/` against this database; what it said.
async fn script(name: &str, database: &str, file: &Path) -> (bool, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let done = Command::new("bash")
        .arg(path)
        .arg(file)
        .env("CONCORD_DATABASE_URL", database)
        .output()
        .await
        .unwrap();
    let said = [done.stdout, done.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    (done.status.success(), said)
}

/// The whole of a backup as SQL, as anybody who finds it could read it.
async fn readable(file: &Path, folder: &Path) -> String {
    let sql = folder.join("dump.sql");
    let bins = "PATH=\"$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1):$PATH\"";
    let line = format!("{bins} pg_restore --file={} {}", sql.display(), file.display());
    let done = Command::new("bash").arg("-c").arg(line).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read_to_string(sql).unwrap()
}

/// Every answer that the interface gives about this connection, and those without a token.
async fn answers(service: &Service, id: &str) -> Vec<(String, String)> {
    let visitor = service.visitor();
    let mut answers = Vec::new();
    let at = |path: &str| format!("/v1/connections/{id}{path}");
    let products = visitor.get(&at("/products")).await.unwrap();
    let product = products["items"][0]["id"].as_str().unwrap().to_owned();
    let mut paths = vec!["/v1/connections".to_owned(), "/openapi.json".into(), "/health/ready".into()];
    paths.extend(["", "/status", "/products", "/ledger", "/conflicts", "/parked"].map(at));
    paths.extend([at(&format!("/products/{product}")), at(&format!("/products/{product}/plan"))]);
    for path in paths {
        // Not all of them are there in every release: what is refused is searched as well.
        let answer = match visitor.get(&path).await {
            Ok(answer) => answer.to_string(),
            Err(refused) => refused.to_string(),
        };
        answers.push((path, answer));
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["/metrics", "/", "/v1/connections", "/nowhere"] {
        let answer = client.get(format!("{}{path}", service.base)).send().await.unwrap();
        answers.push((path.into(), answer.text().await.unwrap()));
    }
    answers
}

/// The stock of every item on both sides, which has to be the same.
fn stock(stage: &Stage) -> Vec<(i64, i64)> {
    let products = stage.e.products();
    let mut stock = Vec::new();
    for item in stage.r.items() {
        let marker = Some(format!("concord-r-{}", item.item_id));
        let product = products.iter().find(|product| product.external_reference_id == marker);
        stock.push((
            item.stock.values().sum(),
            product.and_then(|product| product.quantity).unwrap_or(i64::MIN),
        ));
    }
    stock
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_holds_no_secret_and_is_worked_with_after_a_restore() {
    let seed = 21;
    let mut dice = ChaCha12Rng::seed_from_u64(seed);
    let folder = Folder::new("backup");
    let postgres = Postgres::start(&folder.0, &mut dice).await;
    let stage = open_stage(seed, &mut dice).await;
    let mut merchants = Merchants::new(seed);
    for _ in 0..5 {
        merchants.create_item(&stage);
    }
    let recipe = Recipe::new(&folder.0, &postgres, &stage)
        .with("CONCORD_LOG", "info,concord=debug,hyper=debug,reqwest=debug,sqlx=debug")
        .with("CONCORD_LOG_FORMAT", "json");
    let port = free_port(&mut dice);
    let mut service = recipe.start(port);
    service.ready().await.expect("it starts");
    let mut secrets = Vec::new();
    let id = connect(&service, &stage, &mut secrets).await;
    in_step(&service, &id, Duration::ZERO, LIMIT).await;
    // Tokens are renewed, so that there are new ones as well; and something is refused.
    stage.r.expire_access_tokens();
    stage.r.sell(stage.r.items()[0].item_id, 1, 2);
    assert!(stage.e.sell(stage.e.products()[1].id, 3));
    stage.r.rename(stage.r.items()[2].item_id, "Renamed thing");
    in_step(&service, &id, Duration::from_secs(5), LIMIT).await;
    secrets.extend(stage.r.issued_tokens());
    for (path, answer) in answers(&service, &id).await {
        for secret in &secrets {
            assert!(!answer.contains(secret.as_str()), "{path}: a secret stands in the answer");
        }
    }

    let backup = folder.0.join("concord.dump");
    let (done, said) = script("backup.sh", &postgres.url, &backup).await;
    assert!(done, "{said}");
    let sql = readable(&backup, &folder.0).await;
    assert!(
        sql.contains("Renamed thing") && sql.contains("COPY public.secrets"),
        "the dump is not what it should be"
    );
    let log = std::fs::read_to_string(&recipe.log).unwrap();
    assert!(log.contains("concord"), "the log is not what it should be");
    for secret in &secrets {
        assert!(secret.len() > 8, "too short to be searched for: {secret}");
        let as_bytes = hex::encode(secret);
        assert!(!sql.contains(secret.as_str()) && !sql.contains(&as_bytes), "a secret stands in the dump");
        assert!(!log.contains(secret.as_str()), "a secret stands in the log");
        assert!(!said.contains(secret.as_str()), "a secret was said");
    }

    // Every line of the log is a JSON object with what the contract names.
    let mut messages = std::collections::BTreeSet::new();
    for line in log.lines() {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        // Libraries may say something without a message.
        let ours = json["target"].as_str().is_some_and(|target| target.starts_with("concord"));
        for name in ["timestamp", "level", "message", "target"] {
            assert!(json[name].is_string() || (name == "message" && !ours), "{name} is missing: {line}");
        }
        assert!(chrono::DateTime::parse_from_rfc3339(json["timestamp"].as_str().unwrap()).is_ok(), "{line}");
        messages.extend(json["message"].as_str().map(str::to_owned));
    }
    for message in ["listening", "created on E-Series"] {
        assert!(messages.contains(message), "{message} is not among {messages:?}");
    }

    // What is sold after the backup is carried; then the database is lost.
    for item in stage.r.items() {
        stage.r.sell(item.item_id, 1, 3);
    }
    in_step(&service, &id, Duration::from_secs(5), LIMIT).await;
    let carried = stock(&stage);
    assert!(carried.iter().all(|(r, e)| r == e), "{carried:?}");
    service.signal(Signal::TERM);
    service.end(LIMIT).await.expect("it ends");

    let restored = postgres.another("restored").await;
    let (done, said) = script("restore.sh", &restored, &backup).await;
    assert!(done, "{said}");
    let (done, said) = script("restore.sh", &restored, &backup).await;
    assert!(!done && said.contains("not empty"), "a database in use is not filled: {said}");

    let recipe = recipe.with("CONCORD_DATABASE_URL", &restored).logging_to("restored.log");
    let said = recipe.command(&["after-restore"]).output().await.unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(String::from_utf8_lossy(&said.stdout).starts_with("5 products"), "{said:?}");
    let said = recipe.command(&["doctor", "--json"]).output().await.unwrap();
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((report["faults"].as_i64(), said.status.code()), (Some(0), Some(0)), "{report:#}");

    let mut service = recipe.start(port);
    service.ready().await.expect("it starts");
    in_step(&service, &id, Duration::from_secs(5), LIMIT).await;
    assert_eq!(stock(&stage), carried, "what was carried before is not carried again");
    stage.r.sell(stage.r.items()[0].item_id, 1, 1);
    in_step(&service, &id, Duration::from_secs(5), LIMIT).await;
    assert_eq!(stock(&stage)[0], (carried[0].0 - 1, carried[0].1 - 1), "a change crosses");
    service.signal(Signal::TERM);
    service.end(LIMIT).await.expect("it ends");

    // Without the key, the tokens cannot be opened, and that is said.
    let other = recipe.with("CONCORD_MASTER_KEY", "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=");
    let said = other.command(&["doctor"]).output().await.unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.code() == Some(1) && text.contains("CONCORD_MASTER_KEY"), "{text}");
    postgres.stop().await;
}
