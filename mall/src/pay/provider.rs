//! A stand-in for a payment provider: it accepts every transfer and reports a moment later.

use std::time::Duration;

use super::Callbacks;
use super::repository::{PayRepository, PaymentRow, Report};

/// The provider. Its reports are lost when the process dies, as real ones are; the relay asks again.
#[derive(Debug, Clone)]
pub struct Provider<R> {
    callbacks: Callbacks<R>,
    delay: Duration,
}

impl<R: PayRepository> Provider<R> {
    /// Reports to `callbacks` after `delay`.
    pub fn new(callbacks: Callbacks<R>, delay: Duration) -> Self {
        Self { callbacks, delay }
    }

    /// Accepts a transfer; the report follows in its own time and its own trace.
    pub fn accept(&self, payment: PaymentRow) {
        let provider = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(provider.delay).await;
            provider.report(&payment).await;
        });
    }

    /// Reports a transfer, or says again how it went.
    pub async fn report(&self, payment: &PaymentRow) {
        let report = Report {
            payment_id: payment.id,
            provider_ref: format!("stub-{}", payment.id),
            amount: payment.amount,
            success: true,
            traceparent: String::new(),
        };
        // Failures are logged where they happen; the payment stays PENDING and is asked for again.
        let _logged = self.callbacks.handle_detached(payment, report).await;
    }
}
