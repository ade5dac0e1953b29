//! A collector on free ports, and clients of all it serves.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use collector::{Addresses, Collector, Config, ServeError};
use collector_api::console::console_client::ConsoleClient;
use collector_api::console::runs_client::RunsClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};

pub const TOKEN: &str = "secret";

/// How long anything that must happen may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Stand {
    pub addresses: Addresses,
    stop: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

pub fn config() -> Config {
    Config {
        stack: "test".into(),
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        otlp_grpc: 0,
        otlp_http: 0,
        console: 0,
        store_bytes: 16 << 20,
        keep: 1.0,
        rules: Vec::new(),
        rules_profile: "demo".into(),
        token: Some(TOKEN.into()),
        version: "0.0.0",
        has_control: false,
    }
}

impl Stand {
    pub async fn open(config: Config) -> Self {
        let collector = Collector::bind(config).await.expect("free ports");
        let addresses = collector.addresses();
        let stop = CancellationToken::new();
        let served = tokio::spawn(collector.serve(Routes::default(), stop.clone()));
        Self { addresses, stop, served }
    }

    pub async fn console(&self) -> ConsoleClient<Channel> {
        ConsoleClient::new(self.channel(self.addresses.console).await)
    }

    pub async fn runs(&self) -> RunsClient<Channel> {
        RunsClient::new(self.channel(self.addresses.console).await)
    }

    /// Sends spans of one process over OTLP/gRPC.
    pub async fn export(&self, service: &str, spans: Vec<Span>) {
        self.export_of(vec![text("service.name", service)], spans).await;
    }

    /// Sends spans of a replica that says where it listens.
    pub async fn export_replica(&self, instance: &str, listen: &str, spans: Vec<Span>) {
        let service = instance.split('/').next().unwrap_or(instance);
        let replica = [("service.name", service), ("service.instance.id", instance), ("mall.listen", listen)];
        self.export_of(replica.map(|(key, value)| text(key, value)).to_vec(), spans).await;
    }

    async fn export_of(&self, attributes: Vec<KeyValue>, spans: Vec<Span>) {
        let resource = Resource { attributes, ..Resource::default() };
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }],
        };
        let mut client = TraceServiceClient::new(self.channel(self.addresses.otlp_grpc).await);
        client.export(request).await.expect("an export");
    }

    pub async fn close(self) {
        self.stop.cancel();
        let served = tokio::time::timeout(PATIENCE, self.served).await.expect("it stops when told");
        served.expect("no panic").expect("no failure");
    }

    async fn channel(&self, address: std::net::SocketAddr) -> Channel {
        Endpoint::from_shared(format!("http://{address}")).expect("an address").connect().await.expect("a connection")
    }
}

pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after the epoch").as_nanos() as u64
}

pub fn text(key: &str, value: &str) -> KeyValue {
    let value = any_value::Value::StringValue(value.into());
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A span that ends now. Kinds are OTLP's numbers.
pub fn span(name: &str, kind: i32, trace: u64, id: u64, parent: u64, length: Duration) -> Span {
    let end = now_ns();
    Span {
        trace_id: trace_bytes(trace),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
        name: name.into(),
        kind,
        start_time_unix_nano: end - length.as_nanos() as u64,
        end_time_unix_nano: end,
        ..Span::default()
    }
}

pub fn trace_bytes(trace: u64) -> Vec<u8> {
    (u128::from(trace) + 1).to_be_bytes().to_vec()
}
