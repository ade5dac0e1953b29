//! Prometheus rule files, evaluated live over stored metrics.
