//! Everything that a process says reaches a collector, its last span included.

mod support;

use mall::config::{Role, ServiceConfig};
use mall::context::ServiceContext;
use mall::rpc::Place;
use mall::serve::{Application, run};
use mall::telemetry::in_span;
use opentelemetry::trace::SpanKind;
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::collections::BTreeMap;
use std::time::Duration;
use support::collector::Collector;
use tonic::service::Routes;

fn texts(resource: &Resource) -> BTreeMap<&str, String> {
    let text = |value: &opentelemetry_proto::tonic::common::v1::AnyValue| format!("{value:?}");
    resource.attributes.iter().map(|one| (one.key.as_str(), one.value.as_ref().map(text).unwrap_or_default())).collect()
}

#[tokio::test]
async fn a_stopped_service_leaves_its_last_span_line_and_figures() {
    let collector = Collector::default();
    let mut config = ServiceConfig::new("user-rpc");
    config.mall.instance = "user-rpc/2".to_owned();
    config.telemetry.endpoint = collector.start().await;
    let build = async |context: &ServiceContext| {
        // Breakers exist before their first call, so that a trip is never the first value of its series.
        context.guard(Place::Server, "mall.User/GetUser");
        Ok(Application::Rpc(Routes::default()))
    };
    let stop = async {
        let work = async { tracing::info!(user = 7, "stopping") };
        in_span("last", SpanKind::Internal, Vec::new, work).await;
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), run(Role::UserRpc, config, build, stop)).await;
    ended.expect("in time").expect("served");

    let spans = collector.spans.lock().expect("not poisoned").clone();
    let resource_spans: Vec<_> = spans.iter().flat_map(|request| &request.resource_spans).collect();
    let resource = texts(resource_spans[0].resource.as_ref().expect("a resource"));
    assert!(resource["service.name"].contains("user-rpc"));
    assert!(resource["service.instance.id"].contains("user-rpc/2"));
    assert!(resource["mall.listen"].contains("127.0.0.1:"));
    assert!(resource.contains_key("process.pid") && resource.contains_key("telemetry.sdk.language"));
    let all = resource_spans.iter().flat_map(|one| &one.scope_spans).flat_map(|scope| &scope.spans);
    let last: Vec<_> = all.filter(|span| span.name == "last").collect();
    assert_eq!(last.len(), 1);

    let logs = collector.logs.lock().expect("not poisoned").clone();
    let records = logs.iter().flat_map(|one| &one.resource_logs).flat_map(|one| &one.scope_logs);
    let records: Vec<_> = records.flat_map(|scope| &scope.log_records).collect();
    let line = records.iter().find(|record| format!("{:?}", record.body).contains("stopping")).expect("the line");
    assert_eq!((&line.trace_id, &line.span_id), (&last[0].trace_id, &last[0].span_id));

    let sums = collector.sums();
    assert_eq!(sums.get("breaker.trips"), Some(&0));
    assert_eq!(sums.get("breaker.rejections"), Some(&0));
    assert_eq!(sums.get("telemetry.spans.dropped"), Some(&0));
    assert_eq!(sums.get("telemetry.spans.exported"), Some(&1));
}
