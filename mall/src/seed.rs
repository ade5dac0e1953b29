//! Seeded users and products.
