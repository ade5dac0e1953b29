//! Error codes and reasons.
