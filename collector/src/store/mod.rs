//! Traces and logs within a byte budget.
