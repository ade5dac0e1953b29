//! The pay service.
