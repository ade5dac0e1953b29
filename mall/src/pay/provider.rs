//! A stand-in for a payment provider: it accepts every transfer and reports a moment later.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Callbacks;
use super::repository::{PayRepository, PaymentRow, Report};

/// Transfers under way in one process at most. One beyond is accepted too, but reported only when it is asked for.
const UNDER_WAY: usize = 4_096;

/// The provider. Its reports are lost when the process dies, as real ones are; the relay asks again.
#[derive(Debug, Clone)]
pub struct Provider<R> {
    callbacks: Callbacks<R>,
    delay: Duration,
    slots: Arc<Semaphore>,
}

impl<R: PayRepository> Provider<R> {
    /// Reports to `callbacks` after `delay`.
    pub fn new(callbacks: Callbacks<R>, delay: Duration) -> Self {
        Self { callbacks, delay, slots: Arc::new(Semaphore::new(UNDER_WAY)) }
    }

    /// Accepts a transfer; the report follows in its own time and its own trace.
    pub fn accept(&self, payment: PaymentRow) {
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            tracing::warn!(
                payment.id = payment.id,
                limit = UNDER_WAY,
                "provider is busy: its report comes when asked for"
            );
            return;
        };
        let provider = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(provider.delay).await;
            provider.report(&payment).await;
            drop(slot);
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
