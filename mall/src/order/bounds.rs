//! Bounds of lists and orders, checked before anything is locked.

use mall_api::shop::OrderItem;

use super::repository::Line;
use crate::error::{AppError, AppResult};

/// Most lines of one order.
pub const MAX_ITEMS: usize = 100;
/// Most pieces in one line.
pub const MAX_QUANTITY: i64 = 1_000_000;
/// Longest idempotency key, in bytes.
pub const MAX_KEY: usize = 128;
const PAGE: i32 = 20;
const MAX_PAGE: i32 = 100;

/// A page size within its bounds; 0 means 20.
pub(super) fn page(limit: i32) -> i64 {
    i64::from(if limit <= 0 { PAGE } else { limit.min(MAX_PAGE) })
}

/// Whether these items can be ordered at all: checked by whoever is asked first.
pub fn check_items(items: &[OrderItem]) -> AppResult<()> {
    lines(items).map(drop)
}

/// The lines of an order by product, each product once: in one order for everybody, so that equal requests are equal.
pub(super) fn lines(items: &[OrderItem]) -> AppResult<Vec<Line>> {
    if items.is_empty() {
        return Err(AppError::invalid("items is empty: an order has at least one line"));
    }
    if items.len() > MAX_ITEMS {
        return Err(AppError::invalid(format!("items has {} lines: at most {MAX_ITEMS} are allowed", items.len())));
    }
    let mut lines: Vec<Line> = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        if !(1..=MAX_QUANTITY).contains(&item.quantity) {
            let found = item.quantity;
            return Err(AppError::invalid(format!("items[{at}].quantity is {found}: must be 1 to {MAX_QUANTITY}")));
        }
        lines.push(Line { product_id: item.product_id, quantity: item.quantity, price: 0 });
    }
    lines.sort_by_key(|line| line.product_id);
    lines.dedup_by(|later, kept| {
        let same = later.product_id == kept.product_id;
        if same {
            kept.quantity += later.quantity;
        }
        same
    });
    Ok(lines)
}

/// A key that can be stored and found again.
pub(super) fn key(key: &str) -> AppResult<()> {
    let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_empty() || key.len() > MAX_KEY || !printable {
        return Err(AppError::invalid("the idempotency key must have 1 to 128 visible ASCII characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(product_id: i64, quantity: i64) -> OrderItem {
        OrderItem { product_id, quantity, price: 0 }
    }

    #[test]
    fn lines_are_sorted_and_merged() {
        let lines = lines(&[item(9, 1), item(2, 3), item(9, 4)]).expect("legal");
        let pairs: Vec<_> = lines.iter().map(|line| (line.product_id, line.quantity)).collect();
        assert_eq!(pairs, [(2, 3), (9, 5)]);
    }

    #[test]
    fn illegal_items_are_named() {
        let error = lines(&[item(1, 1), item(1, -2)]).expect_err("negative");
        assert!(error.message.contains("items[1].quantity is -2"), "{error}");
        assert!(lines(&[item(1, 0)]).is_err());
        assert!(lines(&[]).is_err());
        assert!(lines(&vec![item(1, 1); MAX_ITEMS + 1]).is_err());
    }

    #[test]
    fn pages_are_bounded() {
        assert_eq!((page(0), page(-3), page(7), page(1_000)), (20, 20, 7, 100));
    }

    #[test]
    fn keys_are_bounded() {
        assert!(key("a1-b2").is_ok());
        assert!(key("").is_err() && key("a b").is_err() && key(&"k".repeat(129)).is_err());
    }
}
