//! The shop's data at a moment, read by SQL without changing anything.

use std::collections::{BTreeMap, HashSet};

use crate::store::{Connection, DataSources, Row, Statement, StoreError, statement};

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductFact {
    /// Primary key.
    pub id: i64,
    /// Pieces that it was given.
    pub initial: i64,
    /// Pieces that are left.
    pub available: i64,
}

/// An order with its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFact {
    /// Primary key.
    pub id: i64,
    /// Who ordered.
    pub user_id: i64,
    /// The key under which it was ordered.
    pub key: String,
    /// `PENDING`, `PAID` or `CLOSED`.
    pub status: String,
    /// Minor units.
    pub total: i64,
    /// Trace of the request that placed it.
    pub trace_id: String,
    /// Product, pieces and price of each line.
    pub lines: Vec<(i64, i64, i64)>,
}

/// A payment with the sum of its ledger entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentFact {
    /// Primary key.
    pub id: i64,
    /// What it is for.
    pub order_id: i64,
    /// Minor units.
    pub amount: i64,
    /// `PENDING`, `SUCCESS` or `FAILED`.
    pub status: String,
    /// Ledger entries.
    pub entries: i64,
    /// Their sum.
    pub balance: i64,
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxFact {
    /// Unique over all events.
    pub event_id: String,
    /// What it is about.
    pub order_id: i64,
    /// It was handed over: to the order service, or to the stream that the service reads.
    pub published: bool,
    /// The order service applied it.
    pub applied: bool,
}

/// Everything that the invariants look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Identity of the data.
    pub data_id: String,
    /// By id.
    pub products: Vec<ProductFact>,
    /// By id.
    pub orders: Vec<OrderFact>,
    /// By id.
    pub payments: Vec<PaymentFact>,
    /// By id.
    pub outbox: Vec<OutboxFact>,
    /// Payments changed while the rest was read: the two databases are not of one moment.
    pub moved: bool,
}

impl Snapshot {
    /// Reads the databases. There is no moment common to two of them, so pay is read before and after order: what did not
    /// change in between belongs together.
    pub async fn read(sources: &DataSources) -> Result<Self, StoreError> {
        let before = read_pay(&sources.pay).await?;
        let mut order = Connection::snapshot(&sources.order).await?;
        let data_id = order.identity().await?.unwrap_or_default();
        let products = products(&mut order).await?;
        let orders = orders(&mut order).await?;
        let inbox = inbox(&mut order).await?;
        order.close().await?;
        let after = read_pay(&sources.pay).await?;
        let moved = before != after;
        let (payments, mut outbox) = after;
        for event in &mut outbox {
            event.applied = inbox.contains(&event.event_id);
        }
        Ok(Self { data_id, products, orders, payments, outbox, moved })
    }

    /// What has not come to rest; `None` when everything has.
    pub fn unrest(&self) -> Option<String> {
        let waiting = self.outbox.iter().filter(|event| !event.published).count();
        let underway = self.outbox.iter().filter(|event| event.published && !event.applied).count();
        let pending = self.payments.iter().filter(|payment| payment.status == "PENDING").count();
        match (waiting, underway, pending) {
            (0, 0, 0) => self.moved.then(|| "payments are being made".to_owned()),
            (waiting, 0, pending) => Some(format!("{waiting} events not delivered, {pending} payments pending")),
            (waiting, underway, pending) => Some(format!(
                "{waiting} events not delivered, {underway} delivered but not applied, {pending} payments pending"
            )),
        }
    }
}

static PRODUCTS: Statement =
    statement!("SELECT", "products", "SELECT id, initial, available FROM products ORDER BY id");
static ORDERS: Statement = statement!(
    "SELECT",
    "orders",
    "SELECT id, user_id, idempotency_key, status, total, trace_id FROM orders ORDER BY id"
);
static LINES: Statement = statement!(
    "SELECT",
    "order_items",
    "SELECT order_id, product_id, quantity, price FROM order_items ORDER BY order_id, product_id"
);
static INBOX: Statement = statement!("SELECT", "inbox", "SELECT event_id FROM inbox");
// The sum is a decimal to MySQL; SQLite takes the type's unknown name for any number.
static PAYMENTS: Statement = statement!(
    "SELECT",
    "payments",
    "SELECT p.id, p.order_id, p.amount, p.status, count(l.id), CAST(coalesce(sum(l.amount), 0) AS SIGNED)
     FROM payments p LEFT JOIN ledger l ON l.payment_id = p.id GROUP BY p.id ORDER BY p.id"
);
static OUTBOX: Statement =
    statement!("SELECT", "outbox", "SELECT event_id, order_id, coalesce(published_unix_ms, 0) FROM outbox ORDER BY id");

async fn read_pay(source: &str) -> Result<(Vec<PaymentFact>, Vec<OutboxFact>), StoreError> {
    let mut pay = Connection::snapshot(source).await?;
    let facts = (payments(&mut pay).await?, outbox(&mut pay).await?);
    pay.close().await?;
    Ok(facts)
}

async fn products(connection: &mut Connection) -> Result<Vec<ProductFact>, StoreError> {
    let found = connection.fetch_all(PRODUCTS.query()).await?;
    let fact = |row: &Row| Ok(ProductFact { id: row.at(0)?, initial: row.at(1)?, available: row.at(2)? });
    found.iter().map(fact).collect()
}

async fn orders(connection: &mut Connection) -> Result<Vec<OrderFact>, StoreError> {
    let found = connection.fetch_all(ORDERS.query()).await?;
    let mut lines = lines(connection).await?;
    let fact = |row: &Row| {
        let id = row.at(0)?;
        Ok(OrderFact {
            id,
            user_id: row.at(1)?,
            key: row.at(2)?,
            status: row.at(3)?,
            total: row.at(4)?,
            trace_id: row.at(5)?,
            lines: lines.remove(&id).unwrap_or_default(),
        })
    };
    found.iter().map(fact).collect()
}

async fn lines(connection: &mut Connection) -> Result<BTreeMap<i64, Vec<(i64, i64, i64)>>, StoreError> {
    let mut lines: BTreeMap<i64, Vec<(i64, i64, i64)>> = BTreeMap::new();
    for row in connection.fetch_all(LINES.query()).await? {
        lines.entry(row.at(0)?).or_default().push((row.at(1)?, row.at(2)?, row.at(3)?));
    }
    Ok(lines)
}

async fn inbox(connection: &mut Connection) -> Result<HashSet<String>, StoreError> {
    connection.fetch_all(INBOX.query()).await?.iter().map(|row| row.at(0)).collect()
}

async fn payments(connection: &mut Connection) -> Result<Vec<PaymentFact>, StoreError> {
    let fact = |row: &Row| {
        Ok(PaymentFact {
            id: row.at(0)?,
            order_id: row.at(1)?,
            amount: row.at(2)?,
            status: row.at(3)?,
            entries: row.at(4)?,
            balance: row.at(5)?,
        })
    };
    connection.fetch_all(PAYMENTS.query()).await?.iter().map(fact).collect()
}

/// Whether an event was applied is for the order database to say.
async fn outbox(connection: &mut Connection) -> Result<Vec<OutboxFact>, StoreError> {
    let fact = |row: &Row| {
        let published = row.at::<i64>(2)? != 0;
        Ok(OutboxFact { event_id: row.at(0)?, order_id: row.at(1)?, published, applied: false })
    };
    connection.fetch_all(OUTBOX.query()).await?.iter().map(fact).collect()
}
