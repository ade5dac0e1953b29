//! What `order-rpc` answers.

use mall_api::shop::apply_event_request::Event as Payload;
use mall_api::shop::order_server::Order;
use mall_api::shop::{
    ApplyEventReply, ApplyEventRequest, CreateOrderReply, CreateOrderRequest, GetOrderRequest, GetProductRequest,
    ListOrdersReply, ListOrdersRequest, ListProductsReply, ListProductsRequest, OrderInfo, OrderItem, OrderStatus,
    Product,
};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tonic::{Request, Response, Status};

use super::bounds;
use super::{Event, EventKind, OrderRepository, OrderRow, PlaceError, Placement, ProductRow};
use crate::error::{AppError, AppResult, ErrorCode};
use crate::events::ConsumerMeters;

/// The service over any repository.
#[derive(Debug)]
pub struct OrderService<R> {
    orders: R,
    meters: ConsumerMeters,
}

impl<R: OrderRepository> OrderService<R> {
    /// Over a repository; events are counted by `meters`.
    pub fn new(orders: R, meters: ConsumerMeters) -> Self {
        Self { orders, meters }
    }

    async fn place(&self, request: CreateOrderRequest) -> AppResult<CreateOrderReply> {
        bounds::key(&request.idempotency_key)?;
        let placement = Placement {
            user_id: request.user_id,
            lines: bounds::lines(&request.items)?,
            idempotency_key: request.idempotency_key,
            trace_id: Context::current().span().span_context().trace_id().to_string(),
        };
        let placed = self.orders.place(placement).await?;
        Ok(CreateOrderReply { order: Some(placed.order.into()), replayed: placed.replayed })
    }

    async fn find(&self, request: GetOrderRequest) -> AppResult<OrderInfo> {
        let order = self.orders.order(request.id).await?;
        let visible = order.filter(|order| request.user_id == 0 || order.user_id == request.user_id);
        let missing = || AppError::new(ErrorCode::OrderNotFound, format!("there is no order {} of yours", request.id));
        visible.map(Into::into).ok_or_else(missing)
    }

    async fn apply(&self, request: ApplyEventRequest) -> AppResult<ApplyEventReply> {
        bounds::key(&request.event_id)?;
        let (kind, order_id) = match request.event {
            Some(Payload::PaymentSucceeded(event)) => (EventKind::Succeeded, event.order_id),
            Some(Payload::PaymentFailed(event)) => (EventKind::Failed, event.order_id),
            None => return Err(AppError::invalid("the event is empty: it must say how the payment ended")),
        };
        let applied = self.orders.apply(Event { id: request.event_id, kind, order_id }).await?;
        self.meters.count(applied);
        Ok(ApplyEventReply { applied })
    }
}

impl From<PlaceError> for AppError {
    fn from(error: PlaceError) -> Self {
        let code = match error {
            PlaceError::NoProduct(_) => ErrorCode::ProductNotFound,
            PlaceError::Short(_) => ErrorCode::InsufficientStock,
            PlaceError::KeyReused => ErrorCode::KeyReused,
            PlaceError::Store(error) => return error.into(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<OrderRow> for OrderInfo {
    fn from(row: OrderRow) -> Self {
        let status = match row.status.as_str() {
            "PENDING" => OrderStatus::Pending,
            "PAID" => OrderStatus::Paid,
            "CLOSED" => OrderStatus::Closed,
            _ => OrderStatus::Unspecified,
        };
        let item =
            |line: super::Line| OrderItem { product_id: line.product_id, quantity: line.quantity, price: line.price };
        Self {
            id: row.id,
            user_id: row.user_id,
            status: status.into(),
            total: row.total,
            items: row.lines.into_iter().map(item).collect(),
            created_unix_ms: row.created_unix_ms,
        }
    }
}

impl From<ProductRow> for Product {
    fn from(row: ProductRow) -> Self {
        let ProductRow { id, name, description, price, available } = row;
        Self { id, name, description, price, available }
    }
}

#[tonic::async_trait]
impl<R: OrderRepository> Order for OrderService<R> {
    async fn list_products(
        &self,
        request: Request<ListProductsRequest>,
    ) -> Result<Response<ListProductsReply>, Status> {
        let request = request.into_inner();
        let rows = self.orders.products(request.after_id, bounds::page(request.limit)).await.map_err(AppError::from)?;
        Ok(Response::new(ListProductsReply { products: rows.into_iter().map(Into::into).collect() }))
    }

    async fn get_product(&self, request: Request<GetProductRequest>) -> Result<Response<Product>, Status> {
        let id = request.into_inner().id;
        let product = self.orders.product(id).await.map_err(AppError::from)?;
        let missing = || AppError::new(ErrorCode::ProductNotFound, format!("there is no product {id}"));
        Ok(Response::new(product.ok_or_else(missing)?.into()))
    }

    async fn create_order(&self, request: Request<CreateOrderRequest>) -> Result<Response<CreateOrderReply>, Status> {
        Ok(Response::new(self.place(request.into_inner()).await?))
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<OrderInfo>, Status> {
        Ok(Response::new(self.find(request.into_inner()).await?))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Result<Response<ListOrdersReply>, Status> {
        let request = request.into_inner();
        let page = bounds::page(request.limit);
        let rows = self.orders.orders(request.user_id, request.before_id, page).await.map_err(AppError::from)?;
        Ok(Response::new(ListOrdersReply { orders: rows.into_iter().map(Into::into).collect() }))
    }

    async fn apply_event(&self, request: Request<ApplyEventRequest>) -> Result<Response<ApplyEventReply>, Status> {
        Ok(Response::new(self.apply(request.into_inner()).await?))
    }
}
