//! The trace query language.
