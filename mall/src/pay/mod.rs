//! The pay service: payments, the ledger, a stand-in for a payment provider, and the relay of what happened.
//!
//! It owns the pay database. A payment begins PENDING and ends SUCCESS or FAILED in one transaction with its ledger
//! entries and an outbox row; the [`Relay`] delivers the rows to the order service, by its calls or over Redis Streams, until
//! it says that it has them. A provider's callback that was lost is found by age and asked for again.

mod callback;
mod delivery;
mod outstanding;
mod provider;
mod publisher;
mod relay;
mod repository;
mod service;

pub use self::callback::Callbacks;
pub use self::delivery::{Deliver, Delivery, RpcDelivery};
pub use self::provider::Provider;
pub use self::publisher::StreamDelivery;
pub use self::relay::{Relay, Turn};
pub use self::repository::{
    Initiated, NewPayment, OutboxEvent, PayError, PayRepository, PaymentRow, Report, Settled, SqlPayments,
};
pub use self::service::PayService;

use std::time::Duration;

use mall_api::shop::pay_server::PayServer;
use tonic::service::Routes;

use crate::context::ServiceContext;
use crate::events::{self, Line, PublisherMeters, Streams};
use crate::store::{Database, StoreError};

/// How long the provider takes to report.
const PROVIDER_DELAY: Duration = Duration::from_millis(5);

/// Opens the database, starts the relay (until the service stops) and makes what `pay-rpc` serves.
pub async fn routes(context: &ServiceContext) -> Result<Routes, StoreError> {
    let config = context.config();
    let db = Database::of(config, "pay", context.meters().clone()).await?;
    let stream = events::open(config, &db).await?;
    let payments = SqlPayments::new(db);
    payments.warm().await?;
    let callbacks = Callbacks::new(payments.clone());
    let provider = Provider::new(callbacks.clone(), PROVIDER_DELAY);
    relay(context, stream, payments.clone(), provider.clone());
    Ok(Routes::new(PayServer::new(PayService::new(payments, callbacks, provider))))
}

/// Starts the relay: over Redis Streams where there is a Redis, else by calls of the order service.
fn relay<R: PayRepository>(
    context: &ServiceContext,
    stream: Option<(Line, Streams)>,
    payments: R,
    provider: Provider<R>,
) {
    let meters = PublisherMeters::new(context.meters());
    let (instance, stop) = (context.config().instance(), context.stop().clone());
    if let Some((line, streams)) = stream {
        let delivery = StreamDelivery::new(line, streams, meters.clone());
        context.background().spawn(Relay::new(payments, delivery, provider, instance).counted_by(meters).run(stop));
    } else {
        let delivery = RpcDelivery::new(context.client("order-rpc"));
        context.background().spawn(Relay::new(payments, delivery, provider, instance).counted_by(meters).run(stop));
    }
}
