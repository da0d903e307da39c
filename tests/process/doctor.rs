//! `concord doctor` and `concord health` name what is wrong, and migrations are refused where they shall be.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rustix::process::Signal;
use serde_json::Value;

use crate::house::{Folder, Postgres, Recipe, free_port, open_stage};
use crate::merchants::Merchants;
use crate::storm::{connect, in_step};

const LIMIT: Duration = Duration::from_secs(60);

/// Exit code and report.
async fn examined(recipe: &Recipe) -> (Option<i32>, Value) {
    let said = recipe.command(&["doctor", "--json"]).output().await.unwrap();
    let report = serde_json::from_slice(&said.stdout);
    let report: Value =
        report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said.stderr)));
    let faults = report["findings"].as_array().unwrap().iter().filter(|it| it["level"] == "fault");
    let faults: Vec<&Value> = faults.collect();
    assert_eq!(report["faults"], faults.len());
    for fault in faults {
        assert!(fault["remedy"].as_str().is_some_and(|remedy| remedy.len() > 5), "no remedy: {fault}");
    }
    (said.status.code(), report)
}

/// Is there a finding of this level that speaks of this?
fn finds(report: &Value, level: &str, word: &str) -> bool {
    let mut findings = report["findings"].as_array().unwrap().iter();
    findings.any(|it| it["level"] == level && it["what"].as_str().unwrap().contains(word))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_each_fault_and_what_to_do() {
    let seed = 31;
    let mut dice = ChaCha12Rng::seed_from_u64(seed);
    let folder = Folder::new("doctor");
    let postgres = Postgres::start(&folder.0, &mut dice).await;
    let stage = open_stage(seed, &mut dice).await;
    let mut merchants = Merchants::new(seed);
    for _ in 0..3 {
        merchants.create_item(&stage);
    }
    let recipe = || Recipe::new(&folder.0, &postgres, &stage);

    // An empty database: migrations are named, and refused to be applied in passing.
    let (code, report) = examined(&recipe()).await;
    assert!(code == Some(1) && finds(&report, "fault", "migrations are pending"), "{report:#}");
    let said = recipe().command(&["serve", "--no-migrate"]).output().await.unwrap();
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.status.success() && words.contains("concord migrate"), "{words}");
    let said = recipe().command(&["migrate"]).output().await.unwrap();
    assert!(said.status.success(), "{said:?}");

    let port = free_port(&mut dice);
    let listen = format!("127.0.0.1:{port}");
    let said = recipe().with("CONCORD_LISTEN", &listen).command(&["health"]).output().await.unwrap();
    assert_eq!(said.status.code(), Some(1), "nobody is there: {said:?}");
    let mut service = recipe().start(port);
    service.ready().await.expect("it starts");
    let id = connect(&service, &stage, &mut Vec::new()).await;
    in_step(&service, &id, Duration::ZERO, LIMIT).await;
    for arguments in [&["health"][..], &["health", "--live"]] {
        let said = recipe().with("CONCORD_LISTEN", &listen).command(arguments).output().await.unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.status.success() && text.contains("ok"), "{text}");
    }

    // All is well; what is not for everybody is a note.
    let (code, report) = examined(&recipe()).await;
    assert_eq!(code, Some(0), "{report:#}");
    for word in
        ["Postgres", "same time", "R-Series accepts the token", "E-Series accepts the token", "migrations"]
    {
        assert!(finds(&report, "ok", word), "{word}: {report:#}");
    }
    assert!(finds(&report, "note", "CONCORD_PUBLIC_URL"), "{report:#}");

    // Settings, one fault each.
    let with = |name: &'static str, value: &str| recipe().with(name, value);
    for (recipe, word) in [
        (with("CONCORD_PUBLIC_URL", "http://shop.example.com"), "HTTPS only"),
        (with("CONCORD_PUBLIC_URL", "https://shop.example.com:444"), "port 444"),
        (with("CONCORD_E_SERIES_API_URL", "http://127.0.0.1:1"), "cannot be reached"),
        (with("CONCORD_MASTER_KEY", "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="), "CONCORD_MASTER_KEY"),
        (with("CONCORD_MASTER_KEY", "short"), "CONCORD_MASTER_KEY"),
        (with("CONCORD_DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"), "database"),
    ] {
        let (code, report) = examined(&recipe).await;
        assert!(code == Some(1) && finds(&report, "fault", word), "{word}: {report:#}");
    }

    // The database's own settings, and a newer release's traces in it.
    let mut db = postgres.connect().await;
    for statement in [
        "alter database concord set synchronous_commit = off",
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (999999, 'later', true, '\\x00', 0)",
    ] {
        sqlx::query(statement).execute(&mut db).await.unwrap();
    }
    let (code, report) = examined(&recipe()).await;
    assert!(code == Some(1) && finds(&report, "fault", "synchronous_commit"), "{report:#}");
    assert!(finds(&report, "note", "newer Concord"), "{report:#}");
    sqlx::query("alter database concord reset synchronous_commit").execute(&mut db).await.unwrap();

    // A store that has thrown the application out.
    stage.e.uninstall();
    let (code, report) = examined(&recipe()).await;
    assert!(code == Some(1) && finds(&report, "fault", "E-Series"), "{report:#}");
    service.signal(Signal::TERM);
    service.end(LIMIT).await.expect("it ends");
    postgres.stop().await;
}
