//! The invariants, each a function of histories and snapshot.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use collector_api::history::Kind;
use serde_json::Value;

use super::history::{History, Operation};
use super::report::{Counterexample, Invariant, Report, SCHEMA, Verdict};
use super::snapshot::{OrderFact, Snapshot};

const CREATE: &str = "order.create";

/// What the invariants look at, indexed once.
struct Evidence<'a> {
    snapshot: &'a Snapshot,
    creates: Vec<Operation<'a>>,
    orders: HashMap<i64, &'a OrderFact>,
    by_key: HashMap<&'a str, Vec<&'a OrderFact>>,
    unrest: Option<String>,
}

/// What one invariant found.
struct Finding {
    checked: u64,
    violation: Option<Counterexample>,
    /// Whether a violation could heal by itself, so that it proves nothing before the shop is at rest.
    settles: bool,
}

struct Rule {
    id: &'static str,
    name: &'static str,
    check: fn(&Evidence<'_>) -> Finding,
}

const RULES: [Rule; 8] = [
    Rule { id: "I1", name: "no acknowledged order lost", check: no_order_lost },
    Rule { id: "I2", name: "no order that nobody placed", check: no_phantom },
    Rule { id: "I3", name: "one order per idempotency key", check: one_order_per_key },
    Rule { id: "I4", name: "stock conserved", check: stock_conserved },
    Rule { id: "I5", name: "stock never negative", check: stock_never_negative },
    Rule { id: "I6", name: "paid at most once, with equal amount", check: paid_once },
    Rule { id: "I7", name: "ledger sums to zero", check: ledger_balanced },
    Rule { id: "I10", name: "outbox drained", check: outbox_drained },
];

/// Judges every invariant. Pure: the same histories and snapshot give the same report.
pub fn check(histories: &[History], snapshot: &Snapshot) -> Report {
    let evidence = Evidence::new(histories, snapshot);
    let invariants: Vec<Invariant> = RULES.iter().map(|rule| judge(rule, &evidence)).collect();
    Report {
        schema: SCHEMA,
        verdict: invariants.iter().map(|invariant| invariant.verdict).fold(Verdict::True, Verdict::and),
        data_id: snapshot.data_id.clone(),
        runs: histories.len() as u64,
        acknowledged: evidence.creates.iter().filter(|operation| operation.kind == Kind::Ok).count() as u64,
        unrest: evidence.unrest,
        invariants,
    }
}

fn judge(rule: &Rule, evidence: &Evidence<'_>) -> Invariant {
    let finding = (rule.check)(evidence);
    let verdict = match (&finding.violation, finding.settles && evidence.unrest.is_some()) {
        (None, _) => Verdict::True,
        (Some(_), true) => Verdict::Unknown,
        (Some(_), false) => Verdict::False,
    };
    Invariant {
        id: rule.id.to_owned(),
        name: rule.name.to_owned(),
        verdict,
        checked: finding.checked,
        counterexample: finding.violation,
    }
}

impl<'a> Evidence<'a> {
    fn new(histories: &'a [History], snapshot: &'a Snapshot) -> Self {
        let operations = histories.iter().flat_map(History::operations);
        let mut by_key: HashMap<&str, Vec<&OrderFact>> = HashMap::new();
        for order in &snapshot.orders {
            by_key.entry(&order.key).or_default().push(order);
        }
        Self {
            snapshot,
            creates: operations.filter(|operation| operation.asked.op == CREATE).collect(),
            orders: snapshot.orders.iter().map(|order| (order.id, order)).collect(),
            by_key,
            unrest: snapshot.unrest(),
        }
    }

    fn acknowledged(&self) -> impl Iterator<Item = &Operation<'a>> {
        self.creates.iter().filter(|operation| operation.kind == Kind::Ok)
    }
}

impl Finding {
    fn of(checked: usize, violation: Option<Counterexample>) -> Self {
        Self { checked: checked as u64, violation, settles: false }
    }

    fn settling(checked: usize, violation: Option<Counterexample>) -> Self {
        Self { settles: true, ..Self::of(checked, violation) }
    }
}

fn no_order_lost(evidence: &Evidence<'_>) -> Finding {
    let checked = evidence.acknowledged().count();
    Finding::of(checked, evidence.acknowledged().find_map(|operation| lost(evidence, operation)))
}

/// An acknowledged order that is not there, or is not what was asked for.
fn lost(evidence: &Evidence<'_>, operation: &Operation<'_>) -> Option<Counterexample> {
    let trace = operation.end.trace_id.as_str();
    let key = operation.asked.key.as_str();
    let Some(id) = operation.end.result.get("order_id").and_then(integer) else {
        return Some(Counterexample {
            trace_id: Some(trace.to_owned()),
            ..Counterexample::text(format!("the answer to key {key} was acknowledged without an order id"))
        });
    };
    let Some(order) = evidence.orders.get(&id) else {
        return Some(Counterexample::order(format!("order {id} was acknowledged and is not there"), id, trace));
    };
    if !key.is_empty() && order.key != key {
        return Some(Counterexample::order(
            format!("order {id} was acknowledged for key {key} but is stored under {}", order.key),
            id,
            trace,
        ));
    }
    differs(operation, order).map(|what| Counterexample::order(format!("order {id} {what}"), id, trace))
}

/// How a stored order differs from what the operation asked for, as far as the history says what that was.
fn differs(operation: &Operation<'_>, order: &OrderFact) -> Option<String> {
    let asked = |name: &str| operation.asked.args.get(name).and_then(integer);
    if let Some(user) = asked("user_id").filter(|user| *user != order.user_id) {
        return Some(format!("belongs to user {}, user {user} placed it", order.user_id));
    }
    let product = asked("product_id")?;
    let quantity = asked("quantity").unwrap_or(1);
    let stored: Vec<_> = order.lines.iter().map(|(product, quantity, _)| (*product, *quantity)).collect();
    (stored != [(product, quantity)]).then(|| format!("holds {stored:?}, asked were {quantity} of product {product}"))
}

/// Judged only for keys of known runs: an order under a key that was refused is one too many.
fn no_phantom(evidence: &Evidence<'_>) -> Finding {
    let possible: HashSet<&str> = evidence
        .creates
        .iter()
        .filter(|operation| operation.kind != Kind::Fail)
        .map(|operation| operation.asked.key.as_str())
        .collect();
    let refused =
        || evidence.creates.iter().filter(|operation| operation.kind == Kind::Fail && !operation.asked.key.is_empty());
    let phantom = |operation: &Operation<'_>| {
        let key = operation.asked.key.as_str();
        let order = evidence.by_key.get(key)?.first()?;
        let text = || {
            format!(
                "order {} is stored although its request (key {key}) was refused: {}",
                order.id, operation.end.reason
            )
        };
        (!possible.contains(key)).then(|| Counterexample::order(text(), order.id, &operation.end.trace_id))
    };
    Finding::of(refused().count(), refused().find_map(phantom))
}

fn one_order_per_key(evidence: &Evidence<'_>) -> Finding {
    let mut stored: HashMap<(i64, &str), i64> = HashMap::new();
    for order in &evidence.snapshot.orders {
        if let Some(first) = stored.insert((order.user_id, &order.key), order.id) {
            let text = format!("orders {first} and {} share the key {} of user {}", order.id, order.key, order.user_id);
            return Finding::of(stored.len(), Some(Counterexample::order(text, order.id, &order.trace_id)));
        }
    }
    let mut answered: HashMap<&str, i64> = HashMap::new();
    for operation in evidence.acknowledged().filter(|operation| !operation.asked.key.is_empty()) {
        let Some(id) = operation.end.result.get("order_id").and_then(integer) else { continue };
        let first = *answered.entry(&operation.asked.key).or_insert(id);
        if first != id {
            let text = format!("key {} was answered with order {first} and with order {id}", operation.asked.key);
            return Finding::of(stored.len(), Some(Counterexample::order(text, id, &operation.end.trace_id)));
        }
    }
    Finding::of(stored.len(), None)
}

fn stock_conserved(evidence: &Evidence<'_>) -> Finding {
    let mut taken: BTreeMap<i64, i64> = BTreeMap::new();
    for order in evidence.snapshot.orders.iter().filter(|order| order.status != "CLOSED") {
        for (product, quantity, _) in &order.lines {
            let sum = taken.entry(*product).or_default();
            *sum = sum.saturating_add(*quantity);
        }
    }
    let known: BTreeSet<i64> = evidence.snapshot.products.iter().map(|product| product.id).collect();
    if let Some((product, quantity)) = taken.iter().find(|(product, _)| !known.contains(product)) {
        let text = format!("{quantity} pieces of product {product} are ordered, and there is no such product");
        return Finding::of(known.len(), Some(Counterexample::text(text)));
    }
    let violation = evidence.snapshot.products.iter().find_map(|product| {
        let ordered = taken.get(&product.id).copied().unwrap_or(0);
        let text = || {
            format!(
                "product {}: {} given, but {} left and {ordered} ordered make {}",
                product.id,
                product.initial,
                product.available,
                product.available.saturating_add(ordered)
            )
        };
        (product.available.saturating_add(ordered) != product.initial).then(|| Counterexample::text(text()))
    });
    Finding::of(known.len(), violation)
}

fn stock_never_negative(evidence: &Evidence<'_>) -> Finding {
    let products = &evidence.snapshot.products;
    let negative = products.iter().find(|product| product.available < 0);
    let text = negative.map(|product| format!("product {} has {} pieces", product.id, product.available));
    Finding::of(products.len(), text.map(Counterexample::text))
}

/// Two successes or a wrong amount never heal. An order that is not PAID yet may become so; and while the shop is in
/// use, an order of this moment may be missing beside its payment.
fn paid_once(evidence: &Evidence<'_>) -> Finding {
    let checked = evidence.snapshot.orders.len();
    let violation = paid_wrongly(evidence);
    if violation.is_some() {
        return Finding::of(checked, violation);
    }
    let payments = evidence.snapshot.payments.iter().filter(|payment| payment.status == "SUCCESS");
    let paid: HashMap<i64, i64> = payments.map(|payment| (payment.order_id, payment.id)).collect();
    let text = |order: &OrderFact| match (order.status == "PAID", paid.get(&order.id)) {
        (true, None) => Some(format!("order {} is PAID without a successful payment", order.id)),
        (false, Some(_)) => Some(format!("order {} has a successful payment and is {}", order.id, order.status)),
        _ => None,
    };
    let mut orders = evidence.snapshot.orders.iter();
    let apart = orders.find_map(|order| Some(Counterexample::order(text(order)?, order.id, &order.trace_id)));
    let orphan = || {
        let (order, payment) = paid.iter().find(|(order, _)| !evidence.orders.contains_key(order))?;
        Some(Counterexample::order(format!("payment {payment} is for order {order}, which is not there"), *order, ""))
    };
    Finding::settling(checked, apart.or_else(orphan))
}

fn paid_wrongly(evidence: &Evidence<'_>) -> Option<Counterexample> {
    let mut paid: HashMap<i64, i64> = HashMap::new();
    evidence.snapshot.payments.iter().filter(|payment| payment.status == "SUCCESS").find_map(|payment| {
        let order = evidence.orders.get(&payment.order_id);
        let wrong = |text| Counterexample::order(text, payment.order_id, order.map_or("", |order| &order.trace_id));
        if let Some(first) = paid.insert(payment.order_id, payment.id) {
            let text = format!("order {} is paid twice, by payments {first} and {}", payment.order_id, payment.id);
            return Some(wrong(text));
        }
        let total = order.map(|order| order.total).filter(|total| *total != payment.amount)?;
        Some(wrong(format!(
            "order {} costs {total}, payment {} is over {}",
            payment.order_id, payment.id, payment.amount
        )))
    })
}

fn ledger_balanced(evidence: &Evidence<'_>) -> Finding {
    let payments = &evidence.snapshot.payments;
    let violation = payments.iter().find_map(|payment| {
        let expected = if payment.status == "SUCCESS" { 2 } else { 0 };
        let text = if payment.balance != 0 {
            format!("entries of payment {} sum to {}", payment.id, payment.balance)
        } else if payment.entries != expected {
            format!(
                "payment {} is {} with {} ledger entries, not {expected}",
                payment.id, payment.status, payment.entries
            )
        } else {
            return None;
        };
        Some(Counterexample::order(
            text,
            payment.order_id,
            evidence.orders.get(&payment.order_id).map_or("", |order| &order.trace_id),
        ))
    });
    Finding::of(payments.len(), violation)
}

fn outbox_drained(evidence: &Evidence<'_>) -> Finding {
    let outbox = &evidence.snapshot.outbox;
    let waiting = outbox.iter().find(|event| !event.published).map(|event| {
        let trace = evidence.orders.get(&event.order_id).map_or("", |order| &order.trace_id);
        Counterexample::order(format!("event {} is not delivered", event.event_id), event.order_id, trace)
    });
    let pending = || {
        let payment = evidence.snapshot.payments.iter().find(|payment| payment.status == "PENDING")?;
        let trace = evidence.orders.get(&payment.order_id).map_or("", |order| &order.trace_id);
        Some(Counterexample::order(format!("payment {} is pending", payment.id), payment.order_id, trace))
    };
    Finding::settling(outbox.len(), waiting.or_else(pending))
}

/// Templates render numbers as text; both are numbers here.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests;
