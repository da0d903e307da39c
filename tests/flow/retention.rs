//! The ledger and the inbox do not grow for ever, and nothing goes that is still needed.

use std::time::Duration;

use concord::sandbox::rseries::NewItem;
use concord::sweep::upkeep::days;
use serde_json::json;

use crate::support::{Plan, World, item, mug};

impl World {
    /// Lets so much time pass, with what a service does meanwhile.
    async fn live(&self, span: Duration) {
        // Never so long that a token runs out.
        let mut left = span;
        while !left.is_zero() {
            let step = left.min(days(15));
            self.clock.advance(step);
            left -= step;
            for _ in 0..2 {
                self.sweep().await;
            }
        }
        self.sweep().await;
    }

    /// A shop with these items, and no partition for the month in which it begins.
    async fn unforeseen(items: Vec<NewItem>) -> Self {
        let mut world = Self::open(Plan::default()).await;
        world.sql("drop table if exists ledger_202603, ledger_202604, ledger_202605, ledger_202606").await;
        for item in items {
            world.stage.r.create_item(item);
        }
        world.connect().await;
        world.settle().await;
        world
    }

    async fn months(&self) -> i64 {
        self.sql_count("select count(*) from pg_inherits where inhparent = 'ledger'::regclass").await
    }
}

#[tokio::test]
async fn months_are_made_ahead_and_old_ones_go_but_for_what_is_needed() {
    let world = World::unforeseen(vec![mug(), item("Archived one", "OLD-1", "5", 2)]).await;
    let mug = world.stage.r.items()[0].item_id;
    let archived = world.stage.r.items()[1].item_id;
    let web = world.product_of(archived).unwrap().id;
    world.stage.e.try_edit_product(web, json!({"description": "<p>Remember me</p>"})).unwrap();
    for name in ["First", "Second"] {
        world.stage.r.rename(mug, name);
        world.settle().await;
    }
    world.stage.r.archive(archived);
    world.sweep().await;
    // A write whose outcome nobody knows yet, of a product that is not known any more.
    world
        .sql(
            "insert into ledger (connection_id, entry_id, at, kind, origin)
             select connection_id, ledger_floor(min(at)), min(at), 'write', 'sweep' from ledger group by 1",
        )
        .await;
    let all = world.ledger().await.len();
    let rest = "select count(*) from ledger_rest";
    assert!(world.sql_count(rest).await > 0, "the months of the past were not foreseen");

    world.live(Duration::from_secs(7 * 3_600)).await;
    assert_eq!(world.sql_count(rest).await, 0, "this month has its partition");
    assert_eq!(
        world.sql_count("select count(*) from ledger_202603").await,
        i64::try_from(world.ledger().await.len()).unwrap()
    );
    assert!(world.ledger().await.len() >= all);
    for month in ["ledger_202604", "ledger_202605", "ledger_202606"] {
        assert_eq!(world.sql_count(&format!("select count(*) from {month}")).await, 0);
    }
    let months = world.months().await;

    // Within its time nothing goes.
    world.live(days(390)).await;
    assert_eq!(
        world
            .sql_count("select count(*) from ledger_202603 where kind in ('write', 'create', 'remove')")
            .await,
        6
    );
    assert!(world.months().await > months);

    world.live(days(60)).await;
    assert_eq!(
        world.sql_count("select count(*) from pg_class where relname = 'ledger_202603'").await,
        0,
        "it is gone"
    );
    let old = |what: &str| format!("select count(*) from ledger_rest where at < '2026-04-01' and {what}");
    assert_eq!(world.sql_count(&old("result is null")).await, 1, "an open write stays");
    assert_eq!(world.sql_count(&old("kind = 'write' and result is not null")).await, 1, "the newest name");
    assert_eq!(world.sql_count(&old("kind = 'write' and after = '\"Second\"'")).await, 1);
    assert_eq!(
        world.sql_count(&old("kind = 'create'")).await,
        1,
        "that of the mug; the other one was removed since"
    );
    assert_eq!(world.sql_count(&old("kind = 'remove'")).await, 1, "the snapshot");
    assert_eq!(world.sql_count(&old("kind = 'echo'")).await, 0);
    assert_eq!(world.sql_count("select count(*) from inbox where received_at < '2026-05-01'").await, 0);

    // What stands is explained as before.
    let product = world.get("/products?sku=MUG-1").await["items"][0]["id"].as_str().unwrap().to_owned();
    let shown = world.get(&format!("/products/{product}")).await;
    let field = |name: &str| {
        shown["fields"].as_array().unwrap().iter().find(|it| it["field"] == name).unwrap().clone()
    };
    assert_eq!(
        (&field("name")["origin"], &field("name")["r_series"]),
        (&json!("r_series"), &json!("Second"))
    );
    assert!(field("name")["since"].as_str().unwrap().starts_with("2026-03-02"), "{shown}");
    assert_eq!(field("sku")["origin"], "r_series", "by the creation");

    // And what was removed comes back with what it had.
    world.stage.r.unarchive(archived);
    world.stage.r.restock(archived, 1, 2);
    world.sweep().await;
    let back = world.product_of(archived).expect("it is back");
    assert_eq!(world.record(back.id)["description"], "<p>Remember me</p>");

    // What has been replaced since goes with the next round.
    world.stage.r.rename(mug, "Third");
    world.settle().await;
    world.live(Duration::from_secs(7 * 3_600)).await;
    assert_eq!(world.sql_count(&old("kind in ('write', 'remove') and result is not null")).await, 0);
    world.sql("delete from ledger where result is null").await;
    world.check_equal();
}

#[tokio::test]
async fn upkeep_waits_for_nobody() {
    let world = World::unforeseen(vec![mug()]).await;
    let mut held = world.store.begin().await.unwrap();
    concord::store::ledger::count_open(&mut held, world.connection).await.unwrap();
    world.live(Duration::from_secs(7 * 3_600)).await;
    assert_eq!(world.sql_count("select count(*) from pg_class where relname = 'ledger_202603'").await, 0);
    drop(held);
    world.rolled_back().await;
    world.live(Duration::from_secs(600)).await;
    assert_eq!(world.sql_count("select count(*) from pg_class where relname = 'ledger_202603'").await, 1);
    world.check_laws().await;
}
