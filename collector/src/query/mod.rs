//! The trace query language: `service=pay-rpc && duration>50ms && status=error`.
//!
//! One language for the console's filter and `trace list`. A query matches a trace when any one span of it satisfies the
//! whole expression; fields beginning with `trace.` speak of the trace as a whole. docs/query.md holds the grammar.
//!
//! Pure: text in, a [`Query`] or a [`QueryError`] with a position out. Length and nesting of a query are bounded.

mod ast;
mod error;
mod eval;
mod lexer;
mod parser;

pub use ast::Query;
pub use error::QueryError;
pub use parser::parse;
