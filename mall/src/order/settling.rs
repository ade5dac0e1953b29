//! The transaction that applies what pay reports.

use super::placing::INSERT_EVENT;
use super::repository::{Event, EventKind};
use crate::store::{Database, Statement, StoreError, statement, unix_ms};

static INBOX: Statement = statement!(
    "INSERT",
    "inbox",
    sqlite: "INSERT INTO inbox (event_id, created_unix_ms) VALUES (?, ?) ON CONFLICT DO NOTHING",
    mysql: "INSERT IGNORE INTO inbox (event_id, created_unix_ms) VALUES (?, ?)",
);
static LEAVE_PENDING: Statement =
    statement!("UPDATE", "orders", "UPDATE orders SET status = ? WHERE id = ? AND status = 'PENDING'");
static RELEASE: Statement = statement!(
    "UPDATE",
    "products",
    sqlite: "UPDATE products SET available = available + i.quantity FROM order_items i
     WHERE i.order_id = ? AND i.product_id = products.id",
    // Joined as written, so that products are locked in the order of their ids.
    mysql: "UPDATE order_items i STRAIGHT_JOIN products p ON p.id = i.product_id
     SET p.available = p.available + i.quantity WHERE i.order_id = ?",
);

/// What the transaction runs.
pub(super) static STATEMENTS: [&Statement; 4] = [&INBOX, &LEAVE_PENDING, &RELEASE, &INSERT_EVENT];

/// PENDING → PAID or PENDING → CLOSED, once. An event that finds its order elsewhere changes nothing but is remembered:
/// delivered again, it must still change nothing.
pub(super) async fn apply(db: &Database, event: &Event) -> Result<bool, StoreError> {
    let now = unix_ms();
    let mut tx = db.begin().await?;
    let new = tx.execute(INBOX.query().bind(event.id.clone()).bind(now)).await?.rows_affected == 1;
    if !new {
        return Ok(false);
    }
    let (status, cause) = match event.kind {
        EventKind::Succeeded => ("PAID", "payment succeeded"),
        EventKind::Failed => ("CLOSED", "payment failed"),
    };
    let moved = tx.execute(LEAVE_PENDING.query().bind(status).bind(event.order_id)).await?.rows_affected == 1;
    if moved {
        if event.kind == EventKind::Failed {
            tx.execute(RELEASE.query().bind(event.order_id)).await?;
        }
        tx.execute(INSERT_EVENT.query().bind(event.order_id).bind(status).bind(cause).bind(now)).await?;
    } else {
        tracing::warn!(
            order.id = event.order_id,
            event = %event.id,
            "event found its order not pending: nothing changed"
        );
    }
    tx.commit().await?;
    Ok(true)
}
