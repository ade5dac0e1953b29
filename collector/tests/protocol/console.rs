//! What a console asks and is told.

use std::time::Duration;

use collector::{Collector, StartError};
use collector_api::console::{
    Delta, GetSpansRequest, GetTraceRequest, HelloRequest, ListTracesRequest, ServicesRequest, WatchRequest,
};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use tonic::{Code, Streaming};

use crate::stand::{PATIENCE, Stand, config, span, text, trace_bytes};

const SERVER: i32 = 2;
const CLIENT: i32 = 3;

async fn next(deltas: &mut Streaming<Delta>) -> Delta {
    let next = tokio::time::timeout(PATIENCE, deltas.message()).await.expect("a delta in time");
    next.expect("no failure").expect("the stream goes on")
}

fn requests(delta: &Delta) -> u64 {
    delta.seconds.iter().flat_map(|second| &second.services).map(|cell| cell.requests).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_follows_what_arrives_and_resumes_where_it_was() {
    let stand = Stand::open(config()).await;
    let mut console = stand.console().await;
    let hello = console.hello(HelloRequest { protocol: 1 }).await.expect("an answer").into_inner();
    assert_eq!(hello.otlp_grpc, stand.addresses.otlp_grpc.to_string());
    assert!(!hello.has_control);

    let mut deltas = console.watch(WatchRequest::default()).await.expect("a stream").into_inner();
    let first = next(&mut deltas).await;
    assert_eq!(requests(&first), 0);
    stand.export("gateway", vec![span("GET /", SERVER, 1, 1, 0, Duration::from_millis(5))]).await;
    let mut last = first;
    while requests(&last) == 0 {
        last = next(&mut deltas).await;
    }
    assert_eq!(requests(&last), 1);
    let first_trace = loop {
        last = next(&mut deltas).await;
        if let Some(trace) = last.first_trace.take() {
            break trace;
        }
    };
    assert_eq!((first_trace.root_service.as_str(), first_trace.spans), ("gateway", 1));
    // A delta without seconds says that everything before it was told.
    while !last.seconds.is_empty() {
        last = next(&mut deltas).await;
    }
    drop(deltas);

    let resume = WatchRequest { resume_version: last.version, history_s: 0 };
    let mut resumed = console.watch(resume).await.expect("a stream").into_inner();
    let since = next(&mut resumed).await;
    assert_eq!((requests(&since), since.first_trace), (0, None), "what was told is not told again");
    let stranger = WatchRequest { resume_version: u64::MAX, history_s: 0 };
    let mut anew = console.watch(stranger).await.expect("a stream").into_inner();
    assert_eq!(requests(&next(&mut anew).await), 1, "a version that is not ours begins anew");
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_is_found_and_shown_with_its_details() {
    let stand = Stand::open(config()).await;
    let mut call = span("pay.Pay/Create", CLIENT, 7, 2, 1, Duration::from_millis(20));
    call.attributes.push(text("rpc.system.name", "grpc"));
    stand.export("gateway", vec![span("POST /pay", SERVER, 7, 1, 0, Duration::from_millis(30)), call]).await;
    stand.export("pay-rpc", vec![span("pay.Pay/Create", SERVER, 7, 3, 2, Duration::from_millis(10))]).await;
    let mut console = stand.console().await;

    let list = |query: &str| ListTracesRequest { query: query.into(), ..ListTracesRequest::default() };
    let found = console.list_traces(list("service=pay-rpc")).await.expect("a list").into_inner();
    assert_eq!((found.matched, found.kept), (1, 1));
    let none = console.list_traces(list("service=nobody")).await.expect("a list").into_inner();
    assert_eq!((none.matched, none.seen), (0, 1));
    let mistake = console.list_traces(list("service=")).await.expect_err("a mistake");
    assert_eq!(mistake.code(), Code::InvalidArgument);

    let trace = GetTraceRequest { trace_id: trace_bytes(7), at_ns: 0 };
    let trace = console.get_trace(trace).await.expect("a trace").into_inner();
    assert_eq!(trace.span_id, [1, 2, 3]);
    assert_eq!(trace.parent_row, [-1, 0, 1]);
    assert_eq!(trace.strings[trace.service[2] as usize], "pay-rpc");
    assert_eq!(trace.flags[1] & 7, CLIENT as u32);
    let path: i64 = trace.critical_path.iter().map(|section| section.to_ns - section.from_ns).sum();
    assert!(path > 0 && path as u64 <= trace.duration_ns);

    let spans = GetSpansRequest { trace_id: trace_bytes(7), span_id: vec![2] };
    let spans = console.get_spans(spans).await.expect("details").into_inner().spans;
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].kind, "client");
    assert!(spans[0].attributes.iter().any(|attribute| attribute.key == "rpc.system.name"));

    let services = console.get_services(ServicesRequest::default()).await.expect("services").into_inner();
    assert!(services.edges.iter().any(|edge| edge.caller == "gateway" && edge.callee == "pay-rpc" && edge.calls == 1));

    let unknown = GetTraceRequest { trace_id: trace_bytes(8), at_ns: 0 };
    assert_eq!(console.get_trace(unknown).await.expect_err("unknown").code(), Code::NotFound);
    let broken = GetTraceRequest { trace_id: vec![1], at_ns: 0 };
    assert_eq!(console.get_trace(broken).await.expect_err("broken").code(), Code::InvalidArgument);
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pick_names_the_replicas_whose_addresses_are_known() {
    let stand = Stand::open(config()).await;
    let mut call = span("mall.Order/CreateOrder", CLIENT, 7, 1, 0, Duration::from_millis(20));
    let attributes = [("a.target", "127.0.0.1:1"), ("b.target", "127.0.0.1:2"), ("chosen", "127.0.0.1:1")];
    call.events.push(Event {
        name: "p2c.pick".into(),
        attributes: attributes.map(|(key, value)| text(key, value)).to_vec(),
        ..Event::default()
    });
    stand.export("gateway", vec![call]).await;
    let mut console = stand.console().await;
    let mut note = async || {
        let trace = GetTraceRequest { trace_id: trace_bytes(7), at_ns: 0 };
        let trace = console.get_trace(trace).await.expect("a trace").into_inner();
        trace.strings[trace.note[0] as usize].clone()
    };
    assert_eq!(note().await, "picked 127.0.0.1:1 over 127.0.0.1:2");
    let served = |id| vec![span("mall.Order/CreateOrder", SERVER, id, id, 0, Duration::from_millis(10))];
    stand.export_replica("order-rpc/3", "127.0.0.1:1", served(8)).await;
    assert_eq!(note().await, "picked order-rpc/3 over 127.0.0.1:2");
    stand.export_replica("order-rpc/2", "127.0.0.1:2", served(9)).await;
    assert_eq!(note().await, "picked order-rpc/3 over order-rpc/2");
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_that_does_not_read_holds_nothing_up() {
    let stand = Stand::open(config()).await;
    let mut console = stand.console().await;
    let mut idle = console.watch(WatchRequest::default()).await.expect("a stream").into_inner();
    for number in 0..300_u64 {
        stand.export("gateway", vec![span("GET /", SERVER, number, number + 1, 0, Duration::from_millis(1))]).await;
    }
    let mut latest = 0;
    while latest < 300 {
        let delta = next(&mut idle).await;
        latest = latest.max(delta.receiver.expect("receiver figures").spans);
    }
    stand.close().await;
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_role() {
    let stand = Stand::open(config()).await;
    let taken = |change: fn(&mut collector::Config, u16), port: u16| {
        let mut config = config();
        change(&mut config, port);
        Collector::bind(config)
    };
    let addresses = stand.addresses;
    let attempts = [
        ("console", taken(|config, port| config.console = port, addresses.console.port()).await),
        ("otlp grpc", taken(|config, port| config.otlp_grpc = port, addresses.otlp_grpc.port()).await),
        ("otlp http", taken(|config, port| config.otlp_http = port, addresses.otlp_http.port()).await),
    ];
    for (expected, attempt) in attempts {
        let StartError::Port { role, address, .. } = attempt.expect_err("the port is taken");
        assert_eq!(role, expected);
        assert!(address.port() > 0);
    }
    stand.close().await;
}
