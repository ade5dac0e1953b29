use collector_api::history::{Header, Record};
use proptest::prelude::*;

use super::*;
use crate::verify::{OutboxFact, PaymentFact, ProductFact};

fn record(index: u64, kind: Kind, key: &str, product: i64, quantity: i64, order_id: Option<i64>) -> Record {
    Record {
        run_id: "r1".into(),
        index,
        kind,
        op: CREATE.into(),
        key: key.into(),
        args: [
            ("product_id".to_owned(), Value::from(product.to_string())),
            ("quantity".to_owned(), Value::from(quantity)),
        ]
        .into(),
        result: order_id.map(|id| ("order_id".to_owned(), Value::from(id))).into_iter().collect(),
        unix_ns: index,
        trace_id: format!("{index:032x}"),
        reason: String::new(),
    }
}

fn history(records: Vec<Record>) -> History {
    let header =
        Header { schema: 1, run_id: "r1".into(), scenario: "s".into(), data_id: "d".into(), started_unix_ns: 0 };
    History { header, records }
}

/// How a request of the model ended, and whether its order exists.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Acknowledged,
    Refused,
    UnknownStored,
    UnknownLost,
    Torn,
    Closed,
}

/// A shop that did everything right, and what its clients saw.
fn correct(requests: &[(Outcome, i64, i64)]) -> (History, Snapshot) {
    let mut snapshot = Snapshot {
        data_id: "d".into(),
        products: (1..=3).map(|id| ProductFact { id, initial: 100_000, available: 100_000 }).collect(),
        ..Snapshot::default()
    };
    let mut records = Vec::new();
    for (index, &(outcome, product, quantity)) in (0..).zip(requests) {
        let key = format!("k{index}");
        records.push(record(index, Kind::Invoke, &key, product, quantity, None));
        let stored = !matches!(outcome, Outcome::Refused | Outcome::UnknownLost);
        let id = stored.then(|| store(&mut snapshot, &key, product, quantity, matches!(outcome, Outcome::Closed)));
        let end = match outcome {
            Outcome::Acknowledged | Outcome::Closed => Some((Kind::Ok, id)),
            Outcome::Refused => Some((Kind::Fail, None)),
            Outcome::UnknownStored | Outcome::UnknownLost => Some((Kind::Info, None)),
            Outcome::Torn => None,
        };
        records.extend(end.map(|(kind, id)| record(index, kind, &key, product, quantity, id)));
    }
    (history(records), snapshot)
}

fn store(snapshot: &mut Snapshot, key: &str, product: i64, quantity: i64, closed: bool) -> i64 {
    let id = snapshot.orders.len() as i64 + 1;
    let total = quantity * 100;
    if !closed {
        snapshot.products[product as usize - 1].available -= quantity;
    }
    let (order_status, status) = if closed { ("CLOSED", "FAILED") } else { ("PAID", "SUCCESS") };
    snapshot.orders.push(OrderFact {
        id,
        user_id: 1,
        key: key.into(),
        status: order_status.into(),
        total,
        trace_id: format!("{id:032x}"),
        lines: vec![(product, quantity, 100)],
    });
    let entries = if closed { 0 } else { 2 };
    snapshot.payments.push(PaymentFact { id, order_id: id, amount: total, status: status.into(), entries, balance: 0 });
    snapshot.outbox.push(OutboxFact {
        event_id: format!("payment-{id}"),
        order_id: id,
        published: true,
        applied: true,
    });
    id
}

fn some_orders() -> (History, Snapshot) {
    correct(&[
        (Outcome::Acknowledged, 1, 2),
        (Outcome::Refused, 2, 1),
        (Outcome::UnknownStored, 3, 1),
        (Outcome::Acknowledged, 2, 5),
    ])
}

/// The verdict of one invariant and its counterexample's text.
fn verdict_of(id: &str, history: &History, snapshot: &Snapshot) -> (Verdict, String) {
    let report = check(std::slice::from_ref(history), snapshot);
    let invariant = report.invariants.iter().find(|invariant| invariant.id == id).expect("known");
    (invariant.verdict, invariant.counterexample.as_ref().map(|example| example.text.clone()).unwrap_or_default())
}

/// Plants a violation in a correct shop and demands that this invariant, and the whole, say false.
fn planted(id: &str, plant: impl FnOnce(&mut History, &mut Snapshot)) -> String {
    let (mut history, mut snapshot) = some_orders();
    assert_eq!(check(std::slice::from_ref(&history), &snapshot).verdict, Verdict::True);
    plant(&mut history, &mut snapshot);
    let (verdict, text) = verdict_of(id, &history, &snapshot);
    assert_eq!(verdict, Verdict::False, "{id}: {text}");
    assert_eq!(check(&[history], &snapshot).verdict, Verdict::False);
    text
}

#[test]
fn a_lost_order_is_found_with_its_trace() {
    let (history, mut snapshot) = some_orders();
    let lost = snapshot.orders.remove(0);
    let report = check(&[history], &snapshot);
    let (invariant, example) = report.first_counterexample().expect("violated");
    assert_eq!((invariant.id.as_str(), example.order_id), ("I1", Some(lost.id)));
    assert_eq!(example.trace_id.as_deref(), Some(format!("{:032x}", 0).as_str()));
}

#[test]
fn an_order_of_something_else_is_a_lost_order() {
    assert!(planted("I1", |_, snapshot| snapshot.orders[0].lines[0].1 += 1).contains("asked were 2 of product 1"));
    planted("I1", |_, snapshot| snapshot.orders[0].key = "other".into());
    planted("I1", |history, _| history.records[1].result.clear());
}

#[test]
fn a_stored_order_of_a_refused_request_is_a_phantom() {
    planted("I2", |_, snapshot| {
        store(snapshot, "k1", 2, 1, false);
    });
}

#[test]
fn orders_of_unknown_runs_are_no_phantoms() {
    let (history, mut snapshot) = some_orders();
    store(&mut snapshot, "from a terminal", 2, 1, false);
    assert_eq!(check(&[history], &snapshot).verdict, Verdict::True);
}

#[test]
fn two_orders_of_a_key_are_found() {
    planted("I3", |_, snapshot| {
        store(snapshot, "k0", 1, 2, false);
    });
    planted("I3", |history, _| {
        history.records.push(record(90, Kind::Invoke, "k0", 1, 2, None));
        history.records.push(record(90, Kind::Ok, "k0", 1, 2, Some(3)));
    });
}

#[test]
fn lost_and_invented_stock_is_found() {
    planted("I4", |_, snapshot| snapshot.products[0].available -= 1);
    planted("I4", |_, snapshot| snapshot.products[2].available += 1);
    planted("I4", |_, snapshot| snapshot.products.truncate(2));
    planted("I4", |_, snapshot| snapshot.orders[0].status = "CLOSED".into());
}

#[test]
fn negative_stock_is_found() {
    planted("I5", |_, snapshot| snapshot.products[1].available = -1);
}

#[test]
fn wrong_payments_are_found() {
    let again = |snapshot: &mut Snapshot| PaymentFact { id: 99, ..snapshot.payments[0].clone() };
    assert!(
        planted("I6", |_, snapshot| {
            let twice = again(snapshot);
            snapshot.payments.push(twice);
        })
        .contains("paid twice")
    );
    planted("I6", |_, snapshot| snapshot.payments[0].amount -= 1);
    planted("I6", |_, snapshot| snapshot.payments[0].order_id = 77);
    planted("I6", |_, snapshot| snapshot.payments[0].status = "FAILED".into());
    planted("I6", |_, snapshot| snapshot.orders[1].status = "PENDING".into());
}

#[test]
fn an_unbalanced_ledger_is_found() {
    planted("I7", |_, snapshot| snapshot.payments[0].balance = 5);
    planted("I7", |_, snapshot| snapshot.payments[0].entries = 0);
}

#[test]
fn what_may_heal_is_unknown_before_rest() {
    let (history, mut snapshot) = some_orders();
    snapshot.orders[0].status = "PENDING".into();
    snapshot.outbox[0].published = false;
    assert_eq!(verdict_of("I6", &history, &snapshot).0, Verdict::Unknown);
    assert_eq!(verdict_of("I10", &history, &snapshot).0, Verdict::Unknown);
    let report = check(std::slice::from_ref(&history), &snapshot);
    assert_eq!(report.verdict, Verdict::Unknown);
    assert_eq!(report.unrest.as_deref(), Some("1 events not delivered, 0 payments pending"));
    snapshot.products[0].available -= 1;
    assert_eq!(check(&[history], &snapshot).verdict, Verdict::False, "stock never heals");
}

#[test]
fn a_shop_in_use_is_not_accused() {
    let (history, mut snapshot) = some_orders();
    // Placed and paid between the two reads of pay.
    snapshot.moved = true;
    snapshot.payments.remove(0);
    let report = check(&[history], &snapshot);
    assert_eq!(report.verdict, Verdict::Unknown);
    assert_eq!(report.unrest.as_deref(), Some("payments are being made"));
}

#[test]
fn the_report_has_the_stable_shape() {
    let (history, snapshot) = some_orders();
    let json = serde_json::to_value(check(&[history], &snapshot)).expect("serialises");
    assert_eq!((json["schema"].as_i64(), json["verdict"].as_str()), (Some(1), Some("true")));
    let first: Vec<_> = json["invariants"][0].as_object().expect("object").keys().cloned().collect();
    assert_eq!(
        first,
        ["id", "name", "verdict", "checked", "counterexample"]
            .map(String::from)
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Acknowledged),
        Just(Outcome::Refused),
        Just(Outcome::UnknownStored),
        Just(Outcome::UnknownLost),
        Just(Outcome::Torn),
        Just(Outcome::Closed),
    ]
}

proptest! {
    #[test]
    fn a_correct_shop_is_true(requests in proptest::collection::vec((outcome(), 1i64..=3, 1i64..=9), 0..60)) {
        let (history, snapshot) = correct(&requests);
        let report = check(&[history], &snapshot);
        prop_assert_eq!(report.verdict, Verdict::True, "{:?}", report.first_counterexample());
    }

    #[test]
    fn any_missing_acknowledged_order_is_false(
        mut requests in proptest::collection::vec((outcome(), 1i64..=3, 1i64..=9), 0..40),
        which in any::<prop::sample::Index>(),
    ) {
        requests.push((Outcome::Acknowledged, 1, 1));
        let (history, mut snapshot) = correct(&requests);
        let acknowledged: Vec<i64> = history.records.iter().filter_map(|record| integer(record.result.get("order_id")?)).collect();
        let lost = acknowledged[which.index(acknowledged.len())];
        snapshot.orders.retain(|order| order.id != lost);
        let report = check(&[history], &snapshot);
        prop_assert_eq!(report.invariants[0].verdict, Verdict::False);
        prop_assert_eq!(report.first_counterexample().and_then(|(_, example)| example.order_id), Some(lost));
    }
}
