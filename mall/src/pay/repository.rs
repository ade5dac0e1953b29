//! Payments as rows: the trait, and its SQL form.

use std::future::Future;

use super::callback::settle;
use crate::order::EventKind;
use crate::store::{Database, FromStore, Row, Statement, StoreError, statement, unix_ms};

/// A payment as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRow {
    /// Primary key.
    pub id: i64,
    /// What is paid for.
    pub order_id: i64,
    /// Who pays.
    pub user_id: i64,
    /// Minor units.
    pub amount: i64,
    /// `PENDING`, `SUCCESS` or `FAILED`.
    pub status: String,
    /// W3C `traceparent` of the span that asked for it; empty when there was none.
    pub traceparent: String,
}

/// A payment to start.
#[derive(Debug, Clone)]
pub struct NewPayment {
    /// What is paid for.
    pub order_id: i64,
    /// Who pays.
    pub user_id: i64,
    /// Minor units.
    pub amount: i64,
    /// Unique per user.
    pub idempotency_key: String,
    /// W3C `traceparent` of the asking span.
    pub traceparent: String,
}

/// A payment that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiated {
    /// The payment.
    pub payment: PaymentRow,
    /// It existed before.
    pub replayed: bool,
}

/// What a provider reports.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which payment.
    pub payment_id: i64,
    /// The provider's own number of the transfer.
    pub provider_ref: String,
    /// Minor units; must equal the payment's.
    pub amount: i64,
    /// Whether the money moved.
    pub success: bool,
    /// W3C `traceparent` of the span that handles the report; the relay continues it.
    pub traceparent: String,
}

/// The payment after a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The payment.
    pub payment: PaymentRow,
    /// The report changed it; false when an earlier one had.
    pub changed: bool,
}

/// An event that waits for the order service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    /// Primary key.
    pub id: i64,
    /// Unique over all events.
    pub event_id: String,
    /// How the payment ended.
    pub kind: EventKind,
    /// What was paid for.
    pub order_id: i64,
    /// Which payment.
    pub payment_id: i64,
    /// Minor units.
    pub amount: i64,
    /// W3C `traceparent` of the span that wrote it.
    pub traceparent: String,
}

/// Why a payment was not started or settled.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// The key was used for something else.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// There is no such payment.
    #[error("there is no payment {0}")]
    NoPayment(i64),
    /// The report's amount is not the payment's.
    #[error("payment {payment_id} is over {expected}, not {reported}")]
    Amount {
        /// Which payment.
        payment_id: i64,
        /// Its amount.
        expected: i64,
        /// What was reported.
        reported: i64,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FromStore for PayError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// Where payments are kept.
pub trait PayRepository: Clone + Send + Sync + 'static {
    /// Writes a PENDING payment, or replays the one of the same key.
    fn initiate(&self, payment: NewPayment) -> impl Future<Output = Result<Initiated, PayError>> + Send;
    /// The payment with this id.
    fn payment(&self, id: i64) -> impl Future<Output = Result<Option<PaymentRow>, StoreError>> + Send;
    /// The newest payment of an order, a successful one before all others.
    fn payment_of(&self, order_id: i64) -> impl Future<Output = Result<Option<PaymentRow>, StoreError>> + Send;
    /// Ends a payment as reported, with its ledger entries and its event, once.
    fn settle(&self, report: Report) -> impl Future<Output = Result<Settled, PayError>> + Send;
    /// PENDING payments older than a moment (milliseconds since the epoch), oldest first.
    fn overdue(
        &self,
        before_unix_ms: i64,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<PaymentRow>, StoreError>> + Send;
    /// Takes or renews a lease until a moment; false when somebody else holds it.
    fn lease(
        &self,
        name: &'static str,
        holder: &str,
        until_unix_ms: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Events that were not delivered, oldest first.
    fn undelivered(&self, limit: i64) -> impl Future<Output = Result<Vec<OutboxEvent>, StoreError>> + Send;
    /// How many events were not delivered, as far as `limit`.
    fn waiting(&self, limit: i64) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// Remembers that events were delivered.
    fn delivered(&self, ids: &[i64]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

static BY_KEY: Statement = statement!(
    "SELECT",
    "payments",
    "SELECT id, order_id, user_id, amount, status, traceparent FROM payments WHERE user_id = ? AND idempotency_key = ?"
);
pub(super) static BY_ID: Statement = statement!(
    "SELECT",
    "payments",
    "SELECT id, order_id, user_id, amount, status, traceparent FROM payments WHERE id = ?"
);
static BY_ORDER: Statement = statement!(
    "SELECT",
    "payments",
    "SELECT id, order_id, user_id, amount, status, traceparent FROM payments WHERE order_id = ?
     ORDER BY status = 'SUCCESS' DESC, id DESC LIMIT 1"
);
static INSERT: Statement = statement!(
    "INSERT",
    "payments",
    "INSERT INTO payments (order_id, user_id, amount, status, idempotency_key, traceparent, created_unix_ms)
     VALUES (?, ?, ?, 'PENDING', ?, ?, ?)"
);
static OVERDUE: Statement = statement!(
    "SELECT",
    "payments",
    "SELECT id, order_id, user_id, amount, status, traceparent FROM payments
     WHERE status = 'PENDING' AND created_unix_ms < ? ORDER BY created_unix_ms LIMIT ?"
);
static HOLDER: Statement = statement!("SELECT", "leases", "SELECT holder, expires_unix_ms FROM leases WHERE name = ?");
static FIRST_LEASE: Statement =
    statement!("INSERT", "leases", "INSERT INTO leases (name, holder, expires_unix_ms) VALUES (?, ?, ?)");
static TAKE_LEASE: Statement = statement!(
    "UPDATE",
    "leases",
    "UPDATE leases SET holder = ?, expires_unix_ms = ? WHERE name = ? AND (holder = ? OR expires_unix_ms < ?)"
);
static UNDELIVERED: Statement = statement!(
    "SELECT",
    "outbox",
    "SELECT id, event_id, kind, order_id, payment_id, amount, traceparent FROM outbox
     WHERE published_unix_ms IS NULL ORDER BY id LIMIT ?"
);
static WAITING: Statement = statement!(
    "SELECT",
    "outbox",
    "SELECT COUNT(*) FROM (SELECT id FROM outbox WHERE published_unix_ms IS NULL LIMIT ?) AS waiting"
);
static DELIVERED: Statement = statement!(
    "UPDATE",
    "outbox",
    sqlite: "WITH ids AS (SELECT value FROM json_each(?))
     UPDATE outbox SET published_unix_ms = ? WHERE id IN (SELECT value FROM ids)",
    mysql: "UPDATE json_table(?, '$[*]' COLUMNS (id BIGINT PATH '$')) j STRAIGHT_JOIN outbox o ON o.id = j.id
     SET o.published_unix_ms = ?",
);

/// Payments in an SQL database.
#[derive(Clone)]
pub struct SqlPayments {
    db: Database,
}

impl SqlPayments {
    /// Over an open database.
    pub fn new(db: Database) -> Self {
        Self { db }
    }

    /// Makes the first call as fast as any other.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let reads = || {
            vec![
                BY_ID.query().bind(1_i64),
                BY_ORDER.query().bind(1_i64),
                OVERDUE.query().bind(0_i64).bind(1_i64),
                HOLDER.query().bind(""),
                UNDELIVERED.query().bind(1_i64),
                WAITING.query().bind(1_i64),
            ]
        };
        let writes =
            [&[&BY_KEY, &INSERT, &FIRST_LEASE, &TAKE_LEASE, &DELIVERED][..], &super::callback::STATEMENTS].concat();
        self.db.warm(reads, &writes).await
    }

    async fn start(&self, payment: &NewPayment) -> Result<Initiated, PayError> {
        let mut tx = self.db.begin().await?;
        let by_key = BY_KEY.query().bind(payment.user_id).bind(payment.idempotency_key.clone());
        if let Some(row) = tx.fetch_optional(by_key).await? {
            let earlier = payment_from(&row)?;
            let same = earlier.order_id == payment.order_id && earlier.amount == payment.amount;
            return if same { Ok(Initiated { payment: earlier, replayed: true }) } else { Err(PayError::KeyReused) };
        }
        let NewPayment { order_id, user_id, amount, idempotency_key, traceparent } = payment.clone();
        let insert = INSERT
            .query()
            .bind(order_id)
            .bind(user_id)
            .bind(amount)
            .bind(idempotency_key)
            .bind(traceparent.clone())
            .bind(unix_ms());
        let id = tx.execute(insert).await?.last_id;
        tx.commit().await?;
        let payment = PaymentRow { id, order_id, user_id, amount, status: "PENDING".to_owned(), traceparent };
        Ok(Initiated { payment, replayed: false })
    }
}

impl PayRepository for SqlPayments {
    async fn initiate(&self, payment: NewPayment) -> Result<Initiated, PayError> {
        self.db.transaction("TRANSACTION initiate payment", || self.start(&payment)).await
    }

    async fn payment(&self, id: i64) -> Result<Option<PaymentRow>, StoreError> {
        let row = self.db.fetch_optional(BY_ID.query().bind(id)).await?;
        row.as_ref().map(payment_from).transpose()
    }

    async fn payment_of(&self, order_id: i64) -> Result<Option<PaymentRow>, StoreError> {
        let row = self.db.fetch_optional(BY_ORDER.query().bind(order_id)).await?;
        row.as_ref().map(payment_from).transpose()
    }

    async fn settle(&self, report: Report) -> Result<Settled, PayError> {
        self.db.transaction("TRANSACTION settle payment", || settle(&self.db, &report)).await
    }

    async fn overdue(&self, before_unix_ms: i64, limit: i64) -> Result<Vec<PaymentRow>, StoreError> {
        let rows = self.db.peek(OVERDUE.query().bind(before_unix_ms).bind(limit)).await?;
        rows.iter().map(payment_from).collect()
    }

    async fn lease(&self, name: &'static str, holder: &str, until_unix_ms: i64) -> Result<bool, StoreError> {
        let now = unix_ms();
        // Looked at first: asking in vain must not take the write lock from those who pay.
        let rows = self.db.peek(HOLDER.query().bind(name)).await?;
        let Some(row) = rows.first() else {
            let first = FIRST_LEASE.query().bind(name).bind(holder.to_owned()).bind(until_unix_ms);
            return match self.db.settle(first).await {
                Err(StoreError::Unique(_)) => Ok(false),
                outcome => outcome.map(|_| true),
            };
        };
        let (other, expires): (String, i64) = (row.get("holder")?, row.get("expires_unix_ms")?);
        if other != holder && expires >= now {
            return Ok(false);
        }
        let take = TAKE_LEASE.query().bind(holder.to_owned()).bind(until_unix_ms).bind(name);
        Ok(self.db.settle(take.bind(holder.to_owned()).bind(now)).await?.rows_affected == 1)
    }

    async fn undelivered(&self, limit: i64) -> Result<Vec<OutboxEvent>, StoreError> {
        let rows = self.db.peek(UNDELIVERED.query().bind(limit)).await?;
        rows.iter().map(event_from).collect()
    }

    async fn waiting(&self, limit: i64) -> Result<u64, StoreError> {
        let rows = self.db.peek(WAITING.query().bind(limit)).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.at(0))?;
        Ok(count.unsigned_abs())
    }

    async fn delivered(&self, ids: &[i64]) -> Result<(), StoreError> {
        let ids = crate::seed::as_json(ids);
        self.db.settle(DELIVERED.query().bind(ids).bind(unix_ms())).await?;
        Ok(())
    }
}

pub(super) fn payment_from(row: &Row) -> Result<PaymentRow, StoreError> {
    Ok(PaymentRow {
        id: row.get("id")?,
        order_id: row.get("order_id")?,
        user_id: row.get("user_id")?,
        amount: row.get("amount")?,
        status: row.get("status")?,
        traceparent: row.get("traceparent")?,
    })
}

fn event_from(row: &Row) -> Result<OutboxEvent, StoreError> {
    let kind: String = row.get("kind")?;
    Ok(OutboxEvent {
        id: row.get("id")?,
        event_id: row.get("event_id")?,
        kind: if kind == "SUCCEEDED" { EventKind::Succeeded } else { EventKind::Failed },
        order_id: row.get("order_id")?,
        payment_id: row.get("payment_id")?,
        amount: row.get("amount")?,
        traceparent: row.get("traceparent")?,
    })
}
