//! Receive, keep, analyse and answer OTLP telemetry.
