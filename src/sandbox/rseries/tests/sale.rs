//! Sales: rung up, completed, thrown away, found again.

use super::*;

fn order(item: i64, more: &Value) -> Value {
    let mut body = json!({ "shopID": 1, "registerID": 11, "employeeID": 1, "referenceNumber": "ours-1",
        "SaleLines": { "SaleLine": { "itemID": item, "unitQuantity": 2, "unitPrice": "10" } } });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn paid(amount: &str) -> Value {
    json!({ "completed": true, "SalePayments": { "SalePayment": { "amount": amount, "paymentTypeID": "6" } } })
}

#[tokio::test]
async fn an_open_sale_moves_nothing_until_it_is_paid_and_completed() {
    let bench = Bench::new();
    let id = bench.item("a");
    let reply = bench.call("POST", "Sale.json", order(id, &json!({}))).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert_eq!(reply.header("x-ls-api-request-cost"), "2.5", "base 2 and a nested line");
    let sale = &reply.json["Sale"];
    assert_eq!((&sale["completed"], &sale["calcTotal"]), (&json!("false"), &json!("23.8")), "{sale}");
    assert_eq!(sale["SaleLines"]["SaleLine"]["unitQuantity"], "2", "a list of one is an object: {sale}");
    assert_eq!(sale["SalePayments"], "");
    assert!(sale.get("completeTime").is_none());
    assert_eq!(bench.sandbox.item(id).expect("an item").stock[&1], 10);

    let reply = bench.put("Sale/1.json", paid("20")).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.text);
    let reply = bench.put("Sale/1.json", paid("23.8")).await;
    assert_eq!(reply.header("x-ls-api-request-cost"), "5.5", "base 2, completed 3, a nested payment");
    assert_eq!(reply.json["Sale"]["completed"], "true", "{}", reply.text);
    assert_eq!(bench.sandbox.item(id).expect("an item").stock[&1], 8);
    let row = bench.sandbox.inventory_log().pop().expect("a row");
    assert_eq!((row.change, row.reason.as_str(), row.sale_id), (-2, "Sale", 1));
    assert_eq!(bench.call("DELETE", "Sale/1.json", Value::Null).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_completed_sale_takes_no_second_completion_unless_that_is_the_habit() {
    for takes in [false, true] {
        let bench = Bench::with_habits(|habits| habits.completed_sales_take_writes = takes);
        let id = bench.item("a");
        let body = order(id, &paid("23.8"));
        let reply = bench.call("POST", "Sale.json", body).await;
        assert_eq!(reply.header("x-ls-api-request-cost"), "6");
        let again = bench.put("Sale/1.json", paid("23.8")).await.status;
        assert_eq!(again, if takes { StatusCode::OK } else { StatusCode::BAD_REQUEST });
        assert_eq!(bench.sandbox.item(id).expect("an item").stock[&1], 8, "sold once");
    }
}

#[tokio::test]
async fn what_is_not_paid_is_refused_or_stays_open_or_is_completed_by_habit() {
    for (unpaid, open) in [(false, false), (false, true), (true, false)] {
        let bench = Bench::with_habits(|habits| {
            habits.unpaid_sales_complete = unpaid;
            habits.refused_completion_leaves_open = open;
        });
        let id = bench.item("a");
        let reply = bench.call("POST", "Sale.json", order(id, &json!({ "completed": true }))).await;
        let wanted = if unpaid || open { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        assert_eq!(reply.status, wanted, "{}", reply.text);
        assert_eq!(bench.sandbox.item(id).expect("an item").stock[&1], if unpaid { 8 } else { 10 });
    }
}

#[tokio::test]
async fn a_closed_register_takes_no_sale_unless_that_is_the_habit() {
    for takes in [false, true] {
        let bench = Bench::with_habits(|habits| habits.closed_registers_take_sales = takes);
        bench.sandbox.set_registers_open(1, false);
        let id = bench.item("a");
        let reply = bench.call("POST", "Sale.json", order(id, &paid("23.8"))).await;
        assert_eq!(reply.status.is_success(), takes, "{}", reply.text);
    }
}

#[tokio::test]
async fn the_filter_on_the_reference_number_may_have_no_effect() {
    for honoured in [false, true] {
        let bench = Bench::with_habits(|habits| habits.sale_reference_filter = honoured);
        let id = bench.item("a");
        bench.sandbox.sell(id, 1, 1);
        bench.call("POST", "Sale.json", order(id, &json!({}))).await;
        let found = bench.get("Sale.json?referenceNumber=ours-1").await;
        let expected: &[i64] = if honoured { &[2] } else { &[1, 2] };
        assert_eq!(ids(&found.json, "Sale", "saleID"), expected);
        bench.call("DELETE", "Sale/2.json", Value::Null).await;
        assert_eq!(
            ids(&bench.get("Sale.json").await.json, "Sale", "saleID"),
            [1],
            "archived ones are left out"
        );
        assert_eq!(ids(&bench.get("Sale.json?archived=only").await.json, "Sale", "saleID"), [2]);
    }
}

#[tokio::test]
async fn sales_need_the_scope_of_the_register() {
    let mut bench = Bench::new();
    bench.token = bench.sandbox.issue_scoped_tokens("employee:inventory").0;
    assert_eq!(bench.get("Sale.json").await.status, StatusCode::FORBIDDEN);
    bench.token = bench.sandbox.issue_scoped_tokens("employee:inventory employee:register").0;
    assert_eq!(bench.get("Sale.json").await.status, StatusCode::OK);
    assert_eq!(ids(&bench.get("Register.json").await.json, "Register", "registerID"), [11, 12]);
    assert_eq!(bench.get("PaymentType.json").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_log_may_lag_and_a_glitch_leaves_no_row() {
    let bench = Bench::with_habits(|habits| habits.log_lag_seconds = 30);
    let id = bench.item("a");
    bench.wait(60);
    let rows = |json: &Value| ids(json, "InventoryLog", "inventoryLogID").len();
    let before = rows(&bench.get("InventoryLog.json").await.json);
    bench.sandbox.sell(id, 1, 1);
    bench.sandbox.glitch(id, 2, 0);
    assert_eq!(rows(&bench.get("InventoryLog.json").await.json), before);
    bench.wait(31);
    assert_eq!(rows(&bench.get("InventoryLog.json").await.json), before + 1);
    assert_eq!(bench.sandbox.item(id).expect("an item").stock[&2], 0);
}
