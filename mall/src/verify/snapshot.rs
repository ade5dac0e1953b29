//! The shop's data at a moment, read by SQL without changing anything.

use std::collections::BTreeMap;

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Row, SqlSafeStr};

use crate::store::{DataSources, StoreError, read_only};

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
    /// The order service acknowledged it.
    pub published: bool,
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
    /// Reads the databases. There is no moment common to two files, so pay is read before and after order: what did not
    /// change in between belongs together.
    pub async fn read(sources: &DataSources) -> Result<Self, StoreError> {
        let before = read_pay(&sources.pay).await?;
        let mut order = read_only(&sources.order).await?;
        let mut tx = order.begin().await?;
        let data_id = crate::store::identity(&mut tx).await?.unwrap_or_default();
        let products = products(&mut tx).await?;
        let orders = orders(&mut tx).await?;
        tx.commit().await?;
        order.close().await?;
        let after = read_pay(&sources.pay).await?;
        let moved = before != after;
        let (payments, outbox) = after;
        Ok(Self { data_id, products, orders, payments, outbox, moved })
    }

    /// What has not come to rest; `None` when everything has.
    pub fn unrest(&self) -> Option<String> {
        let waiting = self.outbox.iter().filter(|event| !event.published).count();
        let pending = self.payments.iter().filter(|payment| payment.status == "PENDING").count();
        match (waiting, pending) {
            (0, 0) => self.moved.then(|| "payments are being made".to_owned()),
            (waiting, pending) => Some(format!("{waiting} events not delivered, {pending} payments pending")),
        }
    }
}

async fn read_pay(source: &str) -> Result<(Vec<PaymentFact>, Vec<OutboxFact>), StoreError> {
    let mut pay = read_only(source).await?;
    let mut tx = pay.begin().await?;
    let facts = (payments(&mut tx).await?, outbox(&mut tx).await?);
    tx.commit().await?;
    pay.close().await?;
    Ok(facts)
}

async fn rows(connection: &mut SqliteConnection, text: impl SqlSafeStr) -> Result<Vec<SqliteRow>, StoreError> {
    Ok(sqlx::query(text).fetch_all(connection).await?)
}

async fn products(connection: &mut SqliteConnection) -> Result<Vec<ProductFact>, StoreError> {
    let found = rows(connection, "SELECT id, initial, available FROM products ORDER BY id").await?;
    let fact =
        |row: &SqliteRow| Ok(ProductFact { id: row.try_get(0)?, initial: row.try_get(1)?, available: row.try_get(2)? });
    found.iter().map(fact).collect()
}

async fn orders(connection: &mut SqliteConnection) -> Result<Vec<OrderFact>, StoreError> {
    let text = "SELECT id, user_id, idempotency_key, status, total, trace_id FROM orders ORDER BY id";
    let found = rows(connection, text).await?;
    let mut lines = lines(connection).await?;
    let fact = |row: &SqliteRow| {
        let id = row.try_get(0)?;
        Ok(OrderFact {
            id,
            user_id: row.try_get(1)?,
            key: row.try_get(2)?,
            status: row.try_get(3)?,
            total: row.try_get(4)?,
            trace_id: row.try_get(5)?,
            lines: lines.remove(&id).unwrap_or_default(),
        })
    };
    found.iter().map(fact).collect()
}

async fn lines(connection: &mut SqliteConnection) -> Result<BTreeMap<i64, Vec<(i64, i64, i64)>>, StoreError> {
    let text = "SELECT order_id, product_id, quantity, price FROM order_items ORDER BY order_id, product_id";
    let mut lines: BTreeMap<i64, Vec<(i64, i64, i64)>> = BTreeMap::new();
    for row in rows(connection, text).await? {
        lines.entry(row.try_get(0)?).or_default().push((row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
    }
    Ok(lines)
}

async fn payments(connection: &mut SqliteConnection) -> Result<Vec<PaymentFact>, StoreError> {
    let text = "SELECT p.id, p.order_id, p.amount, p.status, count(l.id), coalesce(sum(l.amount), 0)
                FROM payments p LEFT JOIN ledger l ON l.payment_id = p.id GROUP BY p.id ORDER BY p.id";
    let fact = |row: &SqliteRow| {
        Ok(PaymentFact {
            id: row.try_get(0)?,
            order_id: row.try_get(1)?,
            amount: row.try_get(2)?,
            status: row.try_get(3)?,
            entries: row.try_get(4)?,
            balance: row.try_get(5)?,
        })
    };
    rows(connection, text).await?.iter().map(fact).collect()
}

async fn outbox(connection: &mut SqliteConnection) -> Result<Vec<OutboxFact>, StoreError> {
    let text = "SELECT event_id, order_id, published_unix_ms IS NOT NULL FROM outbox ORDER BY id";
    let fact = |row: &SqliteRow| {
        Ok(OutboxFact { event_id: row.try_get(0)?, order_id: row.try_get(1)?, published: row.try_get(2)? })
    };
    rows(connection, text).await?.iter().map(fact).collect()
}
