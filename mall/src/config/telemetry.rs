//! Where spans, metrics and logs go, and how many spans.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Secret;

/// Who decides whether a trace is sampled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sampling {
    /// The caller where there is one, as in go-zero; the ratio where a trace begins.
    #[default]
    ParentBased,
    /// The ratio alone, whatever the caller decided.
    Own,
}

/// Where telemetry goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Telemetry {
    /// `service.name`; the service's own name when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// host:port of an OTLP receiver, without a scheme; empty exports nothing, ids are still made.
    pub endpoint: String,
    /// Share of traces that begin here and are sampled, 0 to 1; a trace that began elsewhere keeps its caller's decision.
    pub sampler: f64,
    /// Whether callers are followed; only `OTEL_TRACES_SAMPLER` says that they are not.
    #[serde(skip)]
    pub sampling: Sampling,
    /// `otlpgrpc` or `otlphttp`.
    pub batcher: String,
    /// Sent with every export, as gRPC metadata or HTTP headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub otlp_headers: BTreeMap<String, Secret>,
    /// Path of `otlphttp`; `/v1/traces` (`/v1/metrics`, `/v1/logs`) when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub otlp_http_path: String,
    /// No telemetry at all.
    pub disabled: bool,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            name: String::new(),
            endpoint: String::new(),
            sampler: 1.0,
            sampling: Sampling::ParentBased,
            batcher: "otlpgrpc".to_owned(),
            otlp_headers: BTreeMap::new(),
            otlp_http_path: String::new(),
            disabled: false,
        }
    }
}

/// The process's own log lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Log {
    /// Name in the lines; the service's own name when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_name: String,
    /// `console` writes to standard error, `file` appends to `<Path>/<Name>.log`.
    pub mode: String,
    /// `debug`, `info`, `warn`, `error`, `severe` (as `error`), `trace`, `off`, or a filter such as `info,mall=debug`.
    pub level: String,
    /// `json` or `plain`.
    pub encoding: String,
    /// Folder of `file`.
    pub path: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            service_name: String::new(),
            mode: "console".to_owned(),
            level: "info".to_owned(),
            encoding: "json".to_owned(),
            path: "logs".to_owned(),
        }
    }
}

/// Metrics for a scraper, in the Prometheus text format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Prometheus {
    /// Address to listen on; empty serves no metrics.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Where the metrics are.
    pub path: String,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self { host: String::new(), port: 9101, path: "/metrics".to_owned() }
    }
}

/// A port for people who look after the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DevServer {
    /// Whether it listens at all.
    pub enabled: bool,
    /// Address to listen on; empty is every address.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Where the metrics are.
    pub metrics_path: String,
    /// Where health is.
    pub health_path: String,
    /// What a healthy process answers.
    pub health_response: String,
    /// Whether metrics are served.
    pub enable_metrics: bool,
}

impl Default for DevServer {
    fn default() -> Self {
        Self {
            enabled: true,
            host: String::new(),
            port: 6060,
            metrics_path: "/metrics".to_owned(),
            health_path: "/healthz".to_owned(),
            health_response: "OK".to_owned(),
            enable_metrics: true,
        }
    }
}
