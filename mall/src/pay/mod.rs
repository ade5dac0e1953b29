//! The pay service: payments, the ledger, a stand-in for a payment provider, and the relay of what happened.
//!
//! It owns the pay database. A payment begins PENDING and ends SUCCESS or FAILED in one transaction with its ledger
//! entries and an outbox row; the [`Relay`] delivers the rows to the order service until it says that it has them. A
//! provider's callback that was lost is found by age and asked for again.

mod callback;
mod provider;
mod relay;
mod repository;
mod service;

pub use self::callback::Callbacks;
pub use self::provider::Provider;
pub use self::relay::{Deliver, Relay, RpcDelivery, Turn};
pub use self::repository::{
    Initiated, NewPayment, OutboxEvent, PayError, PayRepository, PaymentRow, Report, Settled, SqlitePayments,
};
pub use self::service::PayService;
