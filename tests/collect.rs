//! The collector alone: for one command, or for anything that speaks OTLP.

mod common;

use common::{Home, address, eventually, failure};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde_json::Value;

fn foreign_trace() -> Vec<u8> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    let service = KeyValue {
        key: "service.name".into(),
        value: Some(AnyValue { value: Some(Any::StringValue("foreign".into())) }),
        ..KeyValue::default()
    };
    let span = Span {
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        name: "work".into(),
        kind: 2,
        start_time_unix_nano: now - 5_000_000,
        end_time_unix_nano: now,
        ..Span::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: vec![service], ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    };
    request.encode_to_vec()
}

#[test]
fn a_foreign_trace_is_kept_and_shown() {
    let home = Home::new();
    let status = home.json(&["collect", "-d", "--isolated"]);
    assert_eq!(status.pointer("/addresses/gateway").and_then(Value::as_str), Some(""));
    let url = format!("http://{}/v1/traces", address(&status, "otlp_http"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let code = runtime.block_on(async {
        let request = reqwest::Client::new().post(url).header("content-type", "application/x-protobuf");
        request.body(foreign_trace()).send().await.expect("answers").status().as_u16()
    });
    assert_eq!(code, 200);
    let id = "ab".repeat(16);
    eventually("the trace is kept", || home.run(&["trace", "show", &id]).status.success());
    let trace = home.json(&["trace", "show", &id]);
    assert_eq!(trace.pointer("/spans/0/operation").and_then(Value::as_str), Some("work"), "{trace}");
    assert_eq!(trace.pointer("/spans/0/service").and_then(Value::as_str), Some("foreign"));
    assert_eq!(trace.pointer("/duration_ns").and_then(Value::as_u64), Some(5_000_000));
    assert!(home.ok(&["trace", "show", "abab"]).contains("work"));
    let (code, says) = failure(&home.run(&["trace", "list", "duration>"]));
    assert_eq!(code, 2, "{says}");
}

#[test]
fn a_command_gets_the_environment_and_gives_its_exit_code() {
    let home = Home::new();
    let script = "echo endpoint=$OTEL_EXPORTER_OTLP_ENDPOINT protocol=$OTEL_EXPORTER_OTLP_PROTOCOL; exit 42";
    let output = home.run(&["collect", "--isolated", "--", "sh", "-c", script]);
    assert_eq!(output.status.code(), Some(42), "{}", common::text(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("endpoint=http://127.0.0.1:") && said.contains("protocol=http/protobuf"), "{said}");
    assert_eq!(home.run(&["status"]).status.code(), Some(3), "the collector ends with the command");

    let (code, says) = failure(&home.run(&["collect", "--isolated", "--", "/no/such/program"]));
    assert!(code == 2 && says.contains("/no/such/program") && says.contains("on the PATH"), "{says}");
    assert_eq!(home.run(&["status"]).status.code(), Some(3), "the collector does not outlive a command that never ran");
}
