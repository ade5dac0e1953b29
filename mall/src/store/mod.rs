//! SQL databases, one per service.
