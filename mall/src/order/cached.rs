//! Products beside their database.

use super::{Event, EventKind, OrderRepository, OrderRow, PlaceError, Placed, Placement, ProductRow};
use crate::cache::Cache;
use crate::store::StoreError;

/// Any repository with a cache in front of its products, or without one: a product's stock changes with every order, so
/// it may only be where every replica can delete it.
///
/// What a product shows is for people; whether it can be ordered is decided in the database.
#[derive(Clone)]
pub struct CachedOrders<R> {
    orders: R,
    products: Option<Cache>,
}

impl<R: OrderRepository> CachedOrders<R> {
    /// A cache of products, when there is one, in front of `orders`.
    pub fn new(orders: R, products: Option<Cache>) -> Self {
        Self { orders, products }
    }
}

impl<R: OrderRepository> OrderRepository for CachedOrders<R> {
    async fn products(&self, after_id: i64, limit: i64) -> Result<Vec<ProductRow>, StoreError> {
        self.orders.products(after_id, limit).await
    }

    async fn product(&self, id: i64) -> Result<Option<ProductRow>, StoreError> {
        match &self.products {
            Some(cache) => Ok(cache.take(&cache.key("id", id), self.orders.product(id)).await?),
            None => self.orders.product(id).await,
        }
    }

    /// Deletes what it ordered from the cache, also when the database did not say whether it did.
    async fn place(&self, placement: Placement) -> Result<Placed, PlaceError> {
        let Some(cache) = &self.products else { return self.orders.place(placement).await };
        let keys = placement.lines.iter().map(|line| cache.key("id", line.product_id)).collect();
        let is_changed = |outcome: &Result<Placed, PlaceError>| match outcome {
            Ok(placed) => !placed.replayed,
            Err(error) => matches!(error, PlaceError::Store(_)),
        };
        cache.exec(keys, self.orders.place(placement), is_changed).await
    }

    async fn order(&self, id: i64) -> Result<Option<OrderRow>, StoreError> {
        self.orders.order(id).await
    }

    async fn orders(&self, user_id: i64, before_id: i64, limit: i64) -> Result<Vec<OrderRow>, StoreError> {
        self.orders.orders(user_id, before_id, limit).await
    }

    /// A failed payment gives the pieces back: the order is read first, because it knows which products they are of.
    async fn apply(&self, event: Event) -> Result<bool, StoreError> {
        let cache = match &self.products {
            Some(cache) if event.kind == EventKind::Failed => cache,
            _ => return self.orders.apply(event).await,
        };
        let order = self.orders.order(event.order_id).await?;
        let lines = order.map(|order| order.lines).unwrap_or_default();
        let keys = lines.iter().map(|line| cache.key("id", line.product_id)).collect();
        cache.exec(keys, self.orders.apply(event), |outcome| !matches!(outcome, Ok(false))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{LocalNode, Node as _};
    use crate::config::ServiceConfig;
    use crate::context::ServiceContext;
    use crate::discovery::Static;
    use crate::order::Line;
    use crate::telemetry::Meters;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    const PRODUCT: i64 = 7;

    /// One product, whose pieces an order takes and a failed payment gives back.
    #[derive(Clone, Default)]
    struct Shelf(Arc<AtomicI64>);

    fn order() -> OrderRow {
        let lines = vec![Line { product_id: PRODUCT, quantity: 1, price: 100 }];
        OrderRow { id: 1, user_id: 1, status: "PENDING".to_owned(), total: 100, lines, created_unix_ms: 0 }
    }

    impl OrderRepository for Shelf {
        async fn products(&self, _after_id: i64, _limit: i64) -> Result<Vec<ProductRow>, StoreError> {
            Ok(Vec::new())
        }

        async fn product(&self, id: i64) -> Result<Option<ProductRow>, StoreError> {
            let available = self.0.load(Ordering::Relaxed);
            Ok(Some(ProductRow { id, name: "Tea".to_owned(), description: String::new(), price: 100, available }))
        }

        async fn place(&self, placement: Placement) -> Result<Placed, PlaceError> {
            match placement.idempotency_key.as_str() {
                "refused" => Err(PlaceError::Short(PRODUCT)),
                "unknown" => {
                    self.0.fetch_sub(1, Ordering::Relaxed);
                    Err(StoreError::Busy("the answer to the commit was lost".to_owned()).into())
                }
                _ => {
                    self.0.fetch_sub(1, Ordering::Relaxed);
                    Ok(Placed { order: order(), replayed: false })
                }
            }
        }

        async fn order(&self, _id: i64) -> Result<Option<OrderRow>, StoreError> {
            Ok(Some(order()))
        }

        async fn orders(&self, _user: i64, _before: i64, _limit: i64) -> Result<Vec<OrderRow>, StoreError> {
            Ok(Vec::new())
        }

        async fn apply(&self, event: Event) -> Result<bool, StoreError> {
            if event.kind == EventKind::Failed {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            Ok(true)
        }
    }

    async fn shown(orders: &CachedOrders<Shelf>) -> i64 {
        orders.product(PRODUCT).await.expect("answers").expect("is there").available
    }

    async fn place(orders: &CachedOrders<Shelf>, key: &str) -> Result<Placed, PlaceError> {
        let placement =
            Placement { user_id: 1, idempotency_key: key.to_owned(), lines: order().lines, trace_id: String::new() };
        orders.place(placement).await
    }

    #[tokio::test]
    async fn what_changes_the_stock_of_a_product_deletes_it() {
        let context = ServiceContext::new(ServiceConfig::new("test"), Meters::disabled(), Arc::new(Static::new()));
        let cache = Cache::new(&context, "product", vec![(LocalNode::new().shared(), "memory".to_owned(), 100)]);
        let shelf = Shelf::default();
        let orders = CachedOrders::new(shelf.clone(), Some(cache));
        shelf.0.store(10, Ordering::Relaxed);
        assert_eq!(shown(&orders).await, 10);
        assert!(place(&orders, "good").await.is_ok());
        assert_eq!(shown(&orders).await, 9);
        assert!(place(&orders, "unknown").await.is_err());
        assert_eq!(shown(&orders).await, 8, "it may have been placed, and was");
        let failed = Event { id: "e1".to_owned(), kind: EventKind::Failed, order_id: 1 };
        assert!(orders.apply(failed).await.expect("applied"));
        assert_eq!(shown(&orders).await, 9);

        shelf.0.store(5, Ordering::Relaxed);
        assert!(place(&orders, "refused").await.is_err());
        assert_eq!(shown(&orders).await, 9, "what changes nothing deletes nothing");
    }
}
