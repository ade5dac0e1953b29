//! Everything that a process says reaches a collector, its last span included.

mod support;

use mall::config::{Role, ServiceConfig};
use mall::context::ServiceContext;
use mall::rpc::Place;
use mall::serve::{Application, run};
use mall::telemetry::in_span;
use opentelemetry::trace::SpanKind;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    logs: Arc<Mutex<Vec<ExportLogsServiceRequest>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.spans.lock().expect("not poisoned").push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics.lock().expect("not poisoned").push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.logs.lock().expect("not poisoned").push(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

impl Collector {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .add_service(MetricsServiceServer::new(self.clone()))
            .add_service(LogsServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        address
    }

    /// The last value of every sum that has a single attribute set, by name.
    fn sums(&self) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for request in self.metrics.lock().expect("not poisoned").iter() {
            let scopes = request.resource_metrics.iter().flat_map(|one| &one.scope_metrics);
            for metric in scopes.flat_map(|scope| &scope.metrics) {
                if let Some(metric::Data::Sum(sum)) = &metric.data {
                    let value = sum.data_points.iter().find_map(|point| match point.value {
                        Some(number_data_point::Value::AsInt(value)) => Some(value),
                        _ => None,
                    });
                    sums.extend(value.map(|value| (metric.name.clone(), value)));
                }
            }
        }
        sums
    }
}

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
