//! Log records.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Wire;
use opentelemetry_proto::tonic::logs::v1::LogRecord as WireRecord;

use super::{Normaliser, Rejected};
use crate::model::{LogRecord, Resource, SpanId, TraceId};

/// Names of OTLP's ranges of severity.
fn severity_name(number: i32) -> &'static str {
    match number {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        17..=20 => "ERROR",
        21..=24 => "FATAL",
        _ => "",
    }
}

impl Normaliser {
    /// The records of a request. None is refused: an invalid identity costs the record its identity only.
    pub fn records(&self, request: ExportLogsServiceRequest) -> (Vec<LogRecord>, Rejected) {
        let mut records = Vec::new();
        for of_resource in request.resource_logs {
            let resource = self.resource(of_resource.resource);
            for of_scope in of_resource.scope_logs {
                records.extend(of_scope.log_records.into_iter().map(|wire| self.record(wire, &resource)));
            }
        }
        (records, Rejected::default())
    }

    fn record(&self, wire: WireRecord, resource: &Arc<Resource>) -> LogRecord {
        let severity_text =
            if wire.severity_text.is_empty() { severity_name(wire.severity_number) } else { &wire.severity_text };
        LogRecord {
            unix_ns: if wire.time_unix_nano == 0 { wire.observed_time_unix_nano } else { wire.time_unix_nano },
            severity: u32::try_from(wire.severity_number).unwrap_or_default(),
            severity_text: self.word(severity_text),
            body: self.body(wire.body),
            trace_id: TraceId::from_bytes(&wire.trace_id),
            span_id: SpanId::from_bytes(&wire.span_id),
            attributes: self.attributes(wire.attributes).0,
            resource: Arc::clone(resource),
        }
    }

    fn body(&self, body: Option<AnyValue>) -> Arc<str> {
        match body {
            None | Some(AnyValue { value: None }) => self.words.intern(""),
            Some(AnyValue { value: Some(Wire::StringValue(raw)) }) => {
                self.words.intern(&self.safe_within(&raw, self.limits.log_body_bytes).0)
            }
            structured => Arc::from(self.value(structured).0.to_string()),
        }
    }
}
