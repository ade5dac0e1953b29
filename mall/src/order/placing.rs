//! The transaction that reserves stock and writes an order.

use super::repository::{Line, OrderRow, PRODUCT, PlaceError, Placed, Placement, orders_from};
use crate::store::{Database, Dialect, Statement, Transaction, statement, unix_ms};

static BY_KEY: Statement = statement!(
    "SELECT",
    "orders",
    "SELECT o.id, o.user_id, o.status, o.total, o.created_unix_ms, o.request, i.product_id, i.quantity, i.price
     FROM orders o JOIN order_items i ON i.order_id = o.id
     WHERE o.user_id = ? AND o.idempotency_key = ? ORDER BY i.product_id"
);
static RESERVE: Statement = statement!(
    "UPDATE",
    "products",
    sqlite: "UPDATE products SET available = available - ? WHERE id = ? AND available >= ? RETURNING price",
    mysql: "UPDATE products SET available = available - ? WHERE id = ? AND available >= ?",
);
static INSERT_ORDER: Statement = statement!(
    "INSERT",
    "orders",
    "INSERT INTO orders (user_id, idempotency_key, request, status, total, trace_id, created_unix_ms)
     VALUES (?, ?, ?, 'PENDING', ?, ?, ?)"
);
static INSERT_ITEM: Statement = statement!(
    "INSERT",
    "order_items",
    "INSERT INTO order_items (order_id, product_id, quantity, price) VALUES (?, ?, ?, ?)"
);
pub(super) static INSERT_EVENT: Statement = statement!(
    "INSERT",
    "order_events",
    "INSERT INTO order_events (order_id, status, cause, created_unix_ms) VALUES (?, ?, ?, ?)"
);

/// What the transaction runs.
pub(super) static STATEMENTS: [&Statement; 6] =
    [&BY_KEY, &RESERVE, &PRODUCT, &INSERT_ORDER, &INSERT_ITEM, &INSERT_EVENT];

/// Two requests with one key cannot both write. On SQLite the transaction holds the write lock from its first statement;
/// on MySQL both may find nothing, and the unique key refuses the second, which is then run again and finds the first.
///
/// Products are locked in the order of their ids, so that two orders cannot wait for each other.
pub(super) async fn place(db: &Database, placement: &Placement) -> Result<Placed, PlaceError> {
    let request = canonical(&placement.lines);
    let mut tx = db.begin().await?;
    if let Some(order) = earlier(&mut tx, placement, &request).await? {
        return Ok(Placed { order, replayed: true });
    }
    let lines = match reserve(&mut tx, &placement.lines).await {
        // The last pieces may have gone to this very key while its stock was waited for.
        Err(PlaceError::Short(product)) if db.dialect() == Dialect::Mysql => {
            let order = earlier(&mut tx, placement, &request).await?;
            return order.map(|order| Placed { order, replayed: true }).ok_or(PlaceError::Short(product));
        }
        outcome => outcome?,
    };
    let order = write(&mut tx, placement, request, lines).await?;
    tx.commit().await?;
    Ok(Placed { order, replayed: false })
}

async fn earlier(tx: &mut Transaction, placement: &Placement, request: &str) -> Result<Option<OrderRow>, PlaceError> {
    let rows = tx.fetch_all(BY_KEY.query().bind(placement.user_id).bind(placement.idempotency_key.clone())).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let asked_before: String = first.get("request")?;
    if asked_before != request {
        return Err(PlaceError::KeyReused);
    }
    Ok(orders_from(&rows)?.pop())
}

/// Takes the pieces of each line or of none. The condition is in the statement: nobody reads stock and writes it back.
async fn reserve(tx: &mut Transaction, lines: &[Line]) -> Result<Vec<Line>, PlaceError> {
    let mut priced = Vec::with_capacity(lines.len());
    for line in lines {
        let take = RESERVE.query().bind(line.quantity).bind(line.product_id).bind(line.quantity);
        let row = tx.update_returning(take, || PRODUCT.query().bind(line.product_id)).await?;
        let Some(row) = row else {
            let exists = tx.fetch_optional(PRODUCT.query().bind(line.product_id)).await?.is_some();
            let product = line.product_id;
            return Err(if exists { PlaceError::Short(product) } else { PlaceError::NoProduct(product) });
        };
        priced.push(Line { price: row.get("price")?, ..*line });
    }
    Ok(priced)
}

async fn write(
    tx: &mut Transaction,
    placement: &Placement,
    request: String,
    lines: Vec<Line>,
) -> Result<OrderRow, PlaceError> {
    let total = lines.iter().map(|line| line.price.saturating_mul(line.quantity)).fold(0, i64::saturating_add);
    let created_unix_ms = unix_ms();
    let order = INSERT_ORDER
        .query()
        .bind(placement.user_id)
        .bind(placement.idempotency_key.clone())
        .bind(request)
        .bind(total)
        .bind(placement.trace_id.clone())
        .bind(created_unix_ms);
    let id = tx.execute(order).await?.last_id;
    for line in &lines {
        let item = INSERT_ITEM.query().bind(id).bind(line.product_id).bind(line.quantity).bind(line.price);
        tx.execute(item).await?;
    }
    tx.execute(INSERT_EVENT.query().bind(id).bind("PENDING").bind("placed").bind(created_unix_ms)).await?;
    Ok(OrderRow { id, user_id: placement.user_id, status: "PENDING".to_owned(), total, lines, created_unix_ms })
}

/// What was asked, as text that two equal requests share: the key's memory of its request.
fn canonical(lines: &[Line]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("{}x{}", line.product_id, line.quantity)).collect();
    lines.join(",")
}
