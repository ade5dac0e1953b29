//! Products and orders as rows: the trait, and its SQL form.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::store::{Database, FromStore, Row, Statement, StoreError, statement};

/// A product as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductRow {
    /// Primary key.
    pub id: i64,
    /// Display name.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Minor units.
    pub price: i64,
    /// Pieces that can be ordered.
    pub available: i64,
}

/// One line of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Which product.
    pub product_id: i64,
    /// Pieces, at least 1.
    pub quantity: i64,
    /// Of one piece when it was ordered; 0 in a [`Placement`].
    pub price: i64,
}

/// An order as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// Primary key.
    pub id: i64,
    /// Who ordered.
    pub user_id: i64,
    /// `PENDING`, `PAID` or `CLOSED`.
    pub status: String,
    /// Minor units.
    pub total: i64,
    /// Its lines, by product.
    pub lines: Vec<Line>,
    /// Milliseconds since the epoch.
    pub created_unix_ms: i64,
}

/// What shall be ordered.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Who orders.
    pub user_id: i64,
    /// Unique per user.
    pub idempotency_key: String,
    /// By product, each product once.
    pub lines: Vec<Line>,
    /// Trace of the request, for whoever must explain the order later.
    pub trace_id: String,
}

/// An order that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The order.
    pub order: OrderRow,
    /// It existed before.
    pub replayed: bool,
}

/// Why nothing was ordered.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// There is no such product.
    #[error("there is no product {0}")]
    NoProduct(i64),
    /// Fewer pieces are available than asked for.
    #[error("product {0} has not enough pieces")]
    Short(i64),
    /// The key was used for something else.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FromStore for PlaceError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// How a payment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The order is paid.
    Succeeded,
    /// It never will be.
    Failed,
}

/// What pay reports.
#[derive(Debug, Clone)]
pub struct Event {
    /// Unique over all events.
    pub id: String,
    /// How the payment ended.
    pub kind: EventKind,
    /// Which order it was for.
    pub order_id: i64,
}

/// Where products and orders are kept.
pub trait OrderRepository: Send + Sync + 'static {
    /// Products above an id, in order.
    fn products(&self, after_id: i64, limit: i64) -> impl Future<Output = Result<Vec<ProductRow>, StoreError>> + Send;
    /// One product.
    fn product(&self, id: i64) -> impl Future<Output = Result<Option<ProductRow>, StoreError>> + Send;
    /// Reserves stock and writes the order, or replays the one of the same key. All or nothing.
    fn place(&self, placement: Placement) -> impl Future<Output = Result<Placed, PlaceError>> + Send;
    /// One order.
    fn order(&self, id: i64) -> impl Future<Output = Result<Option<OrderRow>, StoreError>> + Send;
    /// A user's orders below an id (0: from the newest), newest first.
    fn orders(
        &self,
        user_id: i64,
        before_id: i64,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<OrderRow>, StoreError>> + Send;
    /// Applies an event unless it was applied before; says whether it was new.
    fn apply(&self, event: Event) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

pub(super) static PRODUCTS: Statement = statement!(
    "SELECT",
    "products",
    "SELECT id, name, description, price, available FROM products WHERE id > ? ORDER BY id LIMIT ?"
);
pub(super) static PRODUCT: Statement =
    statement!("SELECT", "products", "SELECT id, name, description, price, available FROM products WHERE id = ?");
static ORDER: Statement = statement!(
    "SELECT",
    "orders",
    "SELECT o.id, o.user_id, o.status, o.total, o.created_unix_ms, i.product_id, i.quantity, i.price
     FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.id = ? ORDER BY i.product_id"
);
static ORDERS: Statement = statement!(
    "SELECT",
    "orders",
    "SELECT o.id, o.user_id, o.status, o.total, o.created_unix_ms, i.product_id, i.quantity, i.price
     FROM (SELECT * FROM orders WHERE user_id = ? AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?) o
     JOIN order_items i ON i.order_id = o.id ORDER BY o.id DESC, i.product_id"
);

/// Products and orders in an SQL database.
#[derive(Clone)]
pub struct SqlOrders {
    pub(super) db: Database,
}

impl SqlOrders {
    /// Over an open database.
    pub fn new(db: Database) -> Self {
        Self { db }
    }

    /// Makes the first call as fast as any other.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let reads = || {
            vec![
                PRODUCTS.query().bind(0_i64).bind(1_i64),
                PRODUCT.query().bind(1_i64),
                ORDER.query().bind(1_i64),
                ORDERS.query().bind(1_i64).bind(0_i64).bind(0_i64).bind(1_i64),
            ]
        };
        let writes = [&super::placing::STATEMENTS[..], &super::settling::STATEMENTS].concat();
        self.db.warm(reads, &writes).await
    }
}

impl OrderRepository for SqlOrders {
    async fn products(&self, after_id: i64, limit: i64) -> Result<Vec<ProductRow>, StoreError> {
        let rows = self.db.fetch_all(PRODUCTS.query().bind(after_id).bind(limit)).await?;
        rows.iter().map(product_from).collect()
    }

    async fn product(&self, id: i64) -> Result<Option<ProductRow>, StoreError> {
        let row = self.db.fetch_optional(PRODUCT.query().bind(id)).await?;
        row.as_ref().map(product_from).transpose()
    }

    async fn place(&self, placement: Placement) -> Result<Placed, PlaceError> {
        self.db.transaction("TRANSACTION place order", || super::placing::place(&self.db, &placement)).await
    }

    async fn order(&self, id: i64) -> Result<Option<OrderRow>, StoreError> {
        let rows = self.db.fetch_all(ORDER.query().bind(id)).await?;
        Ok(orders_from(&rows)?.pop())
    }

    async fn orders(&self, user_id: i64, before_id: i64, limit: i64) -> Result<Vec<OrderRow>, StoreError> {
        let rows = self.db.fetch_all(ORDERS.query().bind(user_id).bind(before_id).bind(before_id).bind(limit)).await?;
        orders_from(&rows)
    }

    async fn apply(&self, event: Event) -> Result<bool, StoreError> {
        self.db.transaction("TRANSACTION apply event", || super::settling::apply(&self.db, &event)).await
    }
}

fn product_from(row: &Row) -> Result<ProductRow, StoreError> {
    Ok(ProductRow {
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        price: row.get("price")?,
        available: row.get("available")?,
    })
}

/// Rows of orders joined with their lines, a line each, lines of an order together.
pub(super) fn orders_from(rows: &[Row]) -> Result<Vec<OrderRow>, StoreError> {
    let mut orders: Vec<OrderRow> = Vec::new();
    for row in rows {
        let id: i64 = row.get("id")?;
        let line =
            Line { product_id: row.get("product_id")?, quantity: row.get("quantity")?, price: row.get("price")? };
        match orders.last_mut().filter(|order| order.id == id) {
            Some(order) => order.lines.push(line),
            None => orders.push(OrderRow {
                id,
                user_id: row.get("user_id")?,
                status: row.get("status")?,
                total: row.get("total")?,
                lines: vec![line],
                created_unix_ms: row.get("created_unix_ms")?,
            }),
        }
    }
    Ok(orders)
}
