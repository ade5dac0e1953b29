//! The bodies of successful answers.

use mall_api::shop::{OrderInfo, OrderItem, OrderStatus, PaymentInfo, PaymentStatus, Product, UserInfo};
use serde::Serialize;

/// A user.
#[derive(Debug, Serialize)]
pub(super) struct User {
    #[serde(rename = "user_id")]
    id: i64,
    name: String,
    mobile: String,
    vip: bool,
}

impl From<UserInfo> for User {
    fn from(info: UserInfo) -> Self {
        Self { id: info.id, name: info.name, mobile: info.mobile, vip: info.vip }
    }
}

/// A login.
#[derive(Debug, Serialize)]
pub(super) struct Login {
    pub(super) user_id: i64,
    pub(super) access_token: String,
    /// Seconds since the epoch.
    pub(super) access_expire: u64,
}

/// A product.
#[derive(Debug, Serialize)]
pub(super) struct ProductAnswer {
    pub(super) product_id: i64,
    pub(super) name: String,
    pub(super) description: String,
    /// Minor units.
    pub(super) price: i64,
    pub(super) available: i64,
}

impl From<Product> for ProductAnswer {
    fn from(product: Product) -> Self {
        let Product { id, name, description, price, available } = product;
        Self { product_id: id, name, description, price, available }
    }
}

/// A page of products.
#[derive(Debug, Serialize)]
pub(super) struct Products {
    pub(super) products: Vec<ProductAnswer>,
}

/// A line of an order.
#[derive(Debug, Serialize)]
pub(super) struct Item {
    product_id: i64,
    quantity: i64,
    /// Of one piece, minor units.
    price: i64,
}

impl From<OrderItem> for Item {
    fn from(item: OrderItem) -> Self {
        Self { product_id: item.product_id, quantity: item.quantity, price: item.price }
    }
}

/// An order.
#[derive(Debug, Serialize)]
pub(super) struct Order {
    #[serde(rename = "order_id")]
    id: i64,
    status: &'static str,
    /// Minor units.
    total: i64,
    items: Vec<Item>,
    created_unix_ms: i64,
}

impl From<OrderInfo> for Order {
    fn from(info: OrderInfo) -> Self {
        Self {
            id: info.id,
            status: order_status(info.status()),
            total: info.total,
            created_unix_ms: info.created_unix_ms,
            items: info.items.into_iter().map(Into::into).collect(),
        }
    }
}

/// A page of orders.
#[derive(Debug, Serialize)]
pub(super) struct Orders {
    pub(super) orders: Vec<Order>,
}

/// An order that was placed and whose payment was started.
#[derive(Debug, Serialize)]
pub(super) struct Placed {
    pub(super) order_id: i64,
    pub(super) payment_id: i64,
    /// Minor units.
    pub(super) total: i64,
    pub(super) status: &'static str,
    pub(super) payment_status: &'static str,
}

/// A payment.
#[derive(Debug, Serialize)]
pub(super) struct Payment {
    #[serde(rename = "payment_id")]
    id: i64,
    order_id: i64,
    /// Minor units.
    amount: i64,
    status: &'static str,
}

impl From<PaymentInfo> for Payment {
    fn from(info: PaymentInfo) -> Self {
        let status = payment_status(info.status());
        Self { id: info.id, order_id: info.order_id, amount: info.amount, status }
    }
}

pub(super) const fn order_status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Pending => "pending",
        OrderStatus::Paid => "paid",
        OrderStatus::Closed => "closed",
        OrderStatus::Unspecified => "unknown",
    }
}

pub(super) const fn payment_status(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::Pending => "pending",
        PaymentStatus::Success => "success",
        PaymentStatus::Failed => "failed",
        PaymentStatus::Unspecified => "unknown",
    }
}
