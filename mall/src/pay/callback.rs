//! What happens when a provider reports: payment, ledger and event change together, once.

use opentelemetry::trace::{SpanContext, SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use super::repository::{BY_ID, PayError, PayRepository, PaymentRow, Report, Settled, payment_from};
use crate::store::{Database, Statement, StoreError, Transaction, statement, unix_ms};
use crate::telemetry::span;

static LEAVE_PENDING: Statement = statement!(
    "UPDATE",
    "payments",
    sqlite: "UPDATE payments SET status = ?, provider_ref = ? WHERE id = ? AND amount = ? AND status = 'PENDING'
     RETURNING id, order_id, user_id, amount, status, traceparent",
    mysql: "UPDATE payments SET status = ?, provider_ref = ? WHERE id = ? AND amount = ? AND status = 'PENDING'",
);
static PAID_ELSEWHERE: Statement = statement!(
    "SELECT",
    "payments",
    "SELECT 1 FROM payments p JOIN payments o ON o.order_id = p.order_id
     WHERE p.id = ? AND o.id <> p.id AND o.status = 'SUCCESS' LIMIT 1"
);
static INSERT_ENTRIES: Statement = statement!(
    "INSERT",
    "ledger",
    "INSERT INTO ledger (payment_id, account, amount, created_unix_ms) VALUES (?, ?, ?, ?), (?, 'shop', ?, ?)"
);
static INSERT_EVENT: Statement = statement!(
    "INSERT",
    "outbox",
    "INSERT INTO outbox (event_id, kind, order_id, payment_id, amount, traceparent, created_unix_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?)"
);

/// What the transaction runs.
pub(super) static STATEMENTS: [&Statement; 5] =
    [&PAID_ELSEWHERE, &LEAVE_PENDING, &BY_ID, &INSERT_ENTRIES, &INSERT_EVENT];

/// The transaction. A payment that is not PENDING stays as it is: reports may come twice. Of two payments of one order that
/// are settled at once on MySQL, the unique key refuses the second, which is then run again and finds the order paid.
pub(super) async fn settle(db: &Database, report: &Report) -> Result<Settled, PayError> {
    let mut tx = db.begin().await?;
    // Money for an order that is already paid is refused, so the order can never be paid twice.
    let success = report.success && tx.fetch_optional(PAID_ELSEWHERE.query().bind(report.payment_id)).await?.is_none();
    let status = if success { "SUCCESS" } else { "FAILED" };
    let update = LEAVE_PENDING
        .query()
        .bind(status)
        .bind(report.provider_ref.clone())
        .bind(report.payment_id)
        .bind(report.amount);
    let Some(row) = tx.update_returning(update, || BY_ID.query().bind(report.payment_id)).await? else {
        return unchanged(&mut tx, report).await;
    };
    let payment = payment_from(&row)?;
    record(&mut tx, &payment, report, success).await?;
    tx.commit().await?;
    Ok(Settled { payment, changed: true })
}

async fn unchanged(tx: &mut Transaction, report: &Report) -> Result<Settled, PayError> {
    let row = tx.fetch_optional(BY_ID.query().bind(report.payment_id)).await?;
    let row = row.ok_or(PayError::NoPayment(report.payment_id))?;
    let payment = payment_from(&row)?;
    if payment.amount == report.amount {
        return Ok(Settled { payment, changed: false });
    }
    Err(PayError::Amount { payment_id: payment.id, expected: payment.amount, reported: report.amount })
}

async fn record(tx: &mut Transaction, payment: &PaymentRow, report: &Report, success: bool) -> Result<(), StoreError> {
    let now = unix_ms();
    if success {
        let account = format!("user:{}", payment.user_id);
        let debit = INSERT_ENTRIES.query().bind(payment.id).bind(account).bind(-payment.amount).bind(now);
        tx.execute(debit.bind(payment.id).bind(payment.amount).bind(now)).await?;
    } else if report.success {
        // The order is paid by another payment; closing it because of this one would be wrong.
        return Ok(());
    }
    let event = INSERT_EVENT
        .query()
        .bind(format!("payment-{}", payment.id))
        .bind(if success { "SUCCEEDED" } else { "FAILED" })
        .bind(payment.order_id)
        .bind(payment.id)
        .bind(payment.amount)
        .bind(report.traceparent.clone())
        .bind(now);
    tx.execute(event).await?;
    Ok(())
}

/// Handles reports, wherever they come from.
#[derive(Debug, Clone)]
pub struct Callbacks<R> {
    payments: R,
}

impl<R: PayRepository> Callbacks<R> {
    /// Over a repository.
    pub fn new(payments: R) -> Self {
        Self { payments }
    }

    /// Applies a report within the current trace.
    pub async fn handle(&self, report: Report) -> Result<PaymentRow, PayError> {
        Ok(self.payments.settle(report).await?.payment)
    }

    /// Applies a report in a trace of its own, linked to the span that asked for the payment.
    pub async fn handle_detached(&self, payment: &PaymentRow, mut report: Report) -> Result<PaymentRow, PayError> {
        let attributes = || vec![KeyValue::new(collector_api::vocabulary::PAYMENT_ID, report.payment_id)];
        let root = span::start(&Context::new(), "provider callback", SpanKind::Consumer, attributes);
        link(&root, &payment.traceparent);
        report.traceparent = traceparent(&root);
        let handled = async {
            let outcome = self.handle(report).await;
            if let Err(error) = &outcome {
                span::fail(error.to_string());
                tracing::warn!(%error, payment.id = payment.id, "provider's report was not applied");
            }
            outcome
        };
        let outcome = opentelemetry::context::FutureExt::with_context(handled, root.clone()).await;
        span::end(&root);
        outcome
    }
}

fn link(context: &Context, traceparent: &str) {
    let Some(asked) = parse(traceparent) else { return };
    context.span().add_link(asked, vec![]);
}

/// The W3C form of a context's span; empty when it has none.
pub(super) fn traceparent(context: &Context) -> String {
    let span = context.span();
    let id = span.span_context();
    if !id.is_valid() {
        return String::new();
    }
    format!("00-{}-{}-{:02x}", id.trace_id(), id.span_id(), id.trace_flags().to_u8())
}

/// The span that a `traceparent` names.
pub(super) fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut headers = http::HeaderMap::new();
    headers.insert("traceparent", traceparent.parse().ok()?);
    let context = crate::telemetry::extract(&headers);
    let span = context.span();
    let id = span.span_context();
    id.is_valid().then(|| id.clone())
}
