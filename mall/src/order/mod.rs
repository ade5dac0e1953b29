//! The order service: products, stock and orders.
//!
//! It owns the order database. Stock is reserved in the transaction that writes the order, so neither exists without the
//! other. An order goes PENDING → PAID or PENDING → CLOSED, decided by a conditional update; what pay reports arrives as
//! events, each applied at most once.

mod bounds;
mod cached;
mod consumer;
mod placing;
mod repository;
mod service;
mod settling;

pub use self::bounds::{MAX_ITEMS, MAX_KEY, MAX_QUANTITY, check_items};
pub use self::cached::CachedOrders;
pub use self::consumer::Consumer;
pub use self::repository::{
    Event, EventKind, Line, OrderRepository, OrderRow, PlaceError, Placed, Placement, ProductRow, SqlOrders,
};
pub use self::service::OrderService;

use mall_api::shop::order_server::OrderServer;
use tonic::service::Routes;

use crate::cache::Cache;
use crate::context::ServiceContext;
use crate::events::{self, ConsumerMeters};
use crate::store::{Database, StoreError};

/// Opens the database, starts to read events where they come over Redis (until the service stops) and makes what
/// `order-rpc` serves.
pub async fn routes(context: &ServiceContext) -> Result<Routes, StoreError> {
    let db = Database::of(context.config(), "order", context.meters().clone()).await?;
    let stream = events::open(context.config(), &db).await?;
    let orders = SqlOrders::new(db);
    orders.warm().await?;
    let orders = CachedOrders::new(orders, Cache::on_redis(context, "product"));
    let meters = ConsumerMeters::new(context.meters());
    if let Some((line, streams)) = stream {
        let consumer = Consumer::new(orders.clone(), line, streams, context.config().instance(), meters.clone());
        context.background().spawn(consumer.run(context.stop().clone()));
    }
    Ok(Routes::new(OrderServer::new(OrderService::new(orders, meters))))
}
