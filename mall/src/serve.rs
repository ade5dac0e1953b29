//! The life of one role.
