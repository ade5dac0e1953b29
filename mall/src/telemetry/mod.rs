//! Spans, metrics and logs.
