//! Small things that draw: each gets a pen and facts, and knows nothing of screens.

pub mod bar;
pub mod pen;
pub mod spark;
pub mod table;
