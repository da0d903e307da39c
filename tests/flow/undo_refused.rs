//! Undo of what a platform does not take back.

use concord::sandbox::faults::{Aim, Fault};
use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn an_undo_that_one_side_refuses_leaves_no_difference_behind() {
    for online in [true, false] {
        let world = World::with_a_mug().await;
        let id = world.stage.r.items()[0].item_id;
        world.stage.r.rename(id, "Second");
        world.settle().await;
        let write = world.newest("write", "name", "e_series").await;
        let (status, taken) = world.undo(&write).await;
        assert_eq!(status, 202, "{taken}");
        let faults = if online { world.stage.e.faults() } else { world.stage.r.faults() };
        faults.next(Aim::Write, Fault::Status { status: 400, retry_after: None });
        world.settle().await;
        let progress = world.get(&format!("/ledger/undos/{}", taken["id"].as_str().unwrap())).await;
        assert_eq!((&progress["done"], &progress["left"]), (&json!(0), &json!(1)), "{progress}");
        world.sweep().await;
        let (item, product) = world.pair(id);
        // What E-Series has taken already is carried on as any edit of its.
        let name = if online { "Second" } else { "Stoneware mug" };
        assert_eq!((item.description.as_str(), product.name.as_str()), (name, name));
        world.check_quiet().await;
        world.rests().await;
        world.close().await;
    }
}
