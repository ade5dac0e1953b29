//! The order service: products, stock and orders.
//!
//! It owns the order database. Stock is reserved in the transaction that writes the order, so neither exists without the
//! other. An order goes PENDING → PAID or PENDING → CLOSED, decided by a conditional update; what pay reports arrives as
//! events, each applied at most once.

mod bounds;
mod placing;
mod repository;
mod service;
mod settling;

pub use self::bounds::{MAX_ITEMS, MAX_KEY, MAX_QUANTITY};
pub use self::repository::{Event, EventKind, Line, OrderRepository, OrderRow, Placed, PlaceError, Placement, ProductRow, SqliteOrders};
pub use self::service::OrderService;
