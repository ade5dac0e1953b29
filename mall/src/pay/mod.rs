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
    Initiated, NewPayment, OutboxEvent, PayError, PayRepository, PaymentRow, Report, Settled, SqlPayments,
};
pub use self::service::PayService;

use std::time::Duration;

use mall_api::shop::pay_server::PayServer;
use tonic::service::Routes;

use crate::context::ServiceContext;
use crate::store::{Database, StoreError};

/// How long the provider takes to report.
const PROVIDER_DELAY: Duration = Duration::from_millis(5);

/// Opens the database, starts the relay (until the service stops) and makes what `pay-rpc` serves.
pub async fn routes(context: &ServiceContext) -> Result<Routes, StoreError> {
    let config = context.config();
    let db = Database::of(config, "pay", context.meters().clone()).await?;
    let payments = SqlPayments::new(db);
    payments.warm().await?;
    let callbacks = Callbacks::new(payments.clone());
    let provider = Provider::new(callbacks.clone(), PROVIDER_DELAY);
    let delivery = RpcDelivery::new(context.client("order-rpc"));
    let relay = Relay::new(payments.clone(), delivery, provider.clone(), config.instance());
    tokio::spawn(relay.run(context.stop().clone()));
    Ok(Routes::new(PayServer::new(PayService::new(payments, callbacks, provider))))
}
