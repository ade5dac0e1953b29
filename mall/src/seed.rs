//! Seeded users and products: the same everywhere, without asking a database.
//!
//! Rows are a function of their number, so the supervisor can hand out data pools (`user`, `product`) that match what
//! [`prepare`](crate::store::prepare) wrote. Every seed user has the same password, hashed once.

use std::collections::BTreeMap;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, SaltString};
use serde::Serialize;

use crate::store::StoreError;

/// Password of every seeded user.
pub const PASSWORD: &str = "mallctl-demo";
/// Seeded users.
pub const USERS: u32 = 1_000;
/// Seeded products.
pub const PRODUCTS: u32 = 200;
/// Pieces of each product.
pub const STOCK: i64 = 1_000_000;

const FIRST_MOBILE: u64 = 13_800_000_000;

/// How much is seeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    /// Users, numbered from 1.
    pub users: u32,
    /// Products, numbered from 1.
    pub products: u32,
    /// Pieces of each product.
    pub stock: i64,
}

impl Default for Seed {
    fn default() -> Self {
        Self { users: USERS, products: PRODUCTS, stock: STOCK }
    }
}

/// A seeded user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeedUser {
    /// From 1.
    pub id: i64,
    /// Readable, made from the number.
    pub name: String,
    /// `13800000001` onwards.
    pub mobile: String,
    /// Every tenth.
    pub vip: bool,
}

/// A seeded product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeedProduct {
    /// From 1.
    pub id: i64,
    /// Readable, made from the number.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Minor units: between 100 and 99,900, the same for a number for ever.
    pub price: i64,
}

impl Seed {
    /// The users.
    pub fn users(&self) -> Vec<SeedUser> {
        (1..=self.users).map(user).collect()
    }

    /// The products.
    pub fn products(&self) -> Vec<SeedProduct> {
        (1..=self.products).map(product).collect()
    }
}

fn user(number: u32) -> SeedUser {
    const GIVEN: [&str; 10] = ["Ada", "Bo", "Chen", "Dana", "Emeka", "Fatima", "Goro", "Hana", "Ines", "Jun"];
    let given = GIVEN[number as usize % GIVEN.len()];
    SeedUser {
        id: i64::from(number),
        name: format!("{given} {number}"),
        mobile: (FIRST_MOBILE + u64::from(number)).to_string(),
        vip: number.is_multiple_of(10),
    }
}

fn product(number: u32) -> SeedProduct {
    const KIND: [&str; 8] = ["Kettle", "Lamp", "Notebook", "Chair", "Umbrella", "Radio", "Backpack", "Teapot"];
    let kind = KIND[number as usize % KIND.len()];
    // A multiplicative hash spreads prices without a generator.
    let spread = number.wrapping_mul(2_654_435_761) >> 16;
    SeedProduct {
        id: i64::from(number),
        name: format!("{kind} {number}"),
        description: format!("{kind} number {number} of the demo shop"),
        price: i64::from(spread % 999 + 1) * 100,
    }
}

/// Rows of a data pool by name (`user`: id, mobile, password, name; `product`: id, price, name), at most as many as were
/// seeded; `None` for a pool that does not exist.
pub fn pool(name: &str, size: u32) -> Option<Vec<BTreeMap<String, String>>> {
    let row = |fields: Vec<(&str, String)>| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    match name {
        "user" => {
            let users = Seed { users: size.min(USERS), ..Seed::default() }.users();
            let fields = |user: SeedUser| {
                vec![
                    ("id", user.id.to_string()),
                    ("mobile", user.mobile),
                    ("password", PASSWORD.to_owned()),
                    ("name", user.name),
                ]
            };
            Some(users.into_iter().map(fields).map(row).collect())
        }
        "product" => {
            let products = Seed { products: size.min(PRODUCTS), ..Seed::default() }.products();
            let fields = |product: SeedProduct| {
                vec![("id", product.id.to_string()), ("price", product.price.to_string()), ("name", product.name)]
            };
            Some(products.into_iter().map(fields).map(row).collect())
        }
        _ => None,
    }
}

/// Names of the pools.
pub const POOLS: [&str; 2] = ["user", "product"];

/// The argon2id hash that every seeded user shares. About 20 ms of computing.
pub(crate) fn password_hash() -> Result<String, StoreError> {
    let hash_error = |error: argon2::password_hash::Error| StoreError::Hash(error.to_string());
    // A shared, published password is no secret: the salt may be fixed.
    let salt = SaltString::encode_b64(b"mallctl-demo-seed").map_err(hash_error)?;
    let hash = Argon2::default().hash_password(PASSWORD.as_bytes(), &salt).map_err(hash_error)?;
    Ok(hash.to_string())
}

pub(crate) fn as_json<T: Serialize>(rows: &[T]) -> String {
    serde_json::to_string(rows).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_names_what_was_seeded() {
        let users = pool("user", 3).expect("known");
        assert_eq!(users.len(), 3);
        assert_eq!(users[0]["mobile"], "13800000001");
        assert_eq!(users[2]["id"], "3");
        let products = pool("product", 10_000).expect("known");
        assert_eq!(products.len(), PRODUCTS as usize);
        assert_eq!(products[6]["price"], Seed::default().products()[6].price.to_string());
        assert!(pool("cart", 1).is_none());
    }

    #[test]
    fn prices_are_positive_and_spread() {
        let prices: std::collections::BTreeSet<_> =
            Seed::default().products().into_iter().map(|product| product.price).collect();
        assert!(prices.len() > 150);
        assert!(prices.iter().all(|price| (100..=99_900).contains(price)));
    }
}
