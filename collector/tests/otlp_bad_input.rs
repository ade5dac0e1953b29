//! Broken requests get the right code and words, whatever is good in them is kept, and nothing falls over.

mod otlp;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use prost::Message;

use collector::receiver::Limits;
use otlp::{EXPORT_TRACES, PROTOBUF, attribute, call, frame, gzip, span, start, traces};

const INVALID_ARGUMENT: i32 = 3;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;

/// The `google.rpc.Status` of an answer.
async fn status(answer: reqwest::Response) -> tonic_types::Status {
    assert_eq!(answer.headers().get("content-type").expect("a content type"), PROTOBUF);
    tonic_types::Status::decode(answer.bytes().await.expect("a body")).expect("a google.rpc.Status")
}

/// Bodies that no decoder should accept.
fn broken() -> Vec<Vec<u8>> {
    let good = traces(vec![span(1)]).encode_to_vec();
    let mut not_utf8 = good.clone();
    let name = not_utf8.windows(9).position(|window| window == b"operation").expect("the span's name");
    not_utf8[name] = 0xff;
    vec![
        b"{\"resourceSpans\":[]}".to_vec(),
        good[..good.len() - 3].to_vec(),
        vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        vec![0x0a, 0x80],
        vec![0x08, 0x01],
        vec![0xff; 64],
        not_utf8,
    ]
}

#[tokio::test]
async fn undecodable_bodies_are_bad_requests() {
    let running = start(Limits::default()).await;
    let bodies = broken();
    for body in &bodies {
        let answer = running.post("/v1/traces", PROTOBUF, body.clone()).await;
        assert_eq!(answer.status(), 400, "{body:?}");
        let status = status(answer).await;
        assert_eq!(status.code, INVALID_ARGUMENT);
        assert!(status.message.len() < 1_024 && status.message.contains("protobuf"), "{}", status.message);
        assert!(!status.details.is_empty(), "a BadRequest says what was wrong");
        let answer = call(running.grpc, EXPORT_TRACES, &[], frame(0, body)).await;
        assert_eq!(answer.code, INVALID_ARGUMENT, "{body:?}");
    }
    assert!(running.memory.spans().is_empty());
    assert_eq!(running.refused("undecodable body"), 2 * bodies.len() as u64);
    assert_eq!(running.stats.snapshot().requests_refused, 2 * bodies.len() as u64);
}

/// Headers, body, and the code of the answer.
type Case = (&'static [(&'static str, &'static str)], Vec<u8>, i32);

#[tokio::test]
async fn broken_frames_and_gzip_are_bad_requests() {
    let running = start(Limits::default()).await;
    let good = traces(vec![span(1)]).encode_to_vec();
    let zipped = gzip(&good);
    let lying = [&[0, 0xff, 0xff, 0xff, 0xff][..], &good].concat();
    let two = [frame(0, &good), frame(0, &good)].concat();
    let gzip_of_gzip = frame(1, &gzip(&zipped));
    let cases: [Case; 8] = [
        (&[], lying, INVALID_ARGUMENT),
        (&[], two, INVALID_ARGUMENT),
        (&[], frame(1, &zipped), INVALID_ARGUMENT),
        (&[], frame(7, &good), INVALID_ARGUMENT),
        (&[], vec![0, 0], INVALID_ARGUMENT),
        (&[("grpc-encoding", "gzip")], frame(1, &good), INVALID_ARGUMENT),
        (&[("grpc-encoding", "gzip")], gzip_of_gzip, INVALID_ARGUMENT),
        (&[("grpc-encoding", "br")], frame(1, &good), UNIMPLEMENTED),
    ];
    for (headers, body, code) in cases {
        let answer = call(running.grpc, EXPORT_TRACES, headers, body).await;
        assert_eq!(answer.code, code, "{}", answer.message);
    }
    for (encoding, body, code) in
        [("gzip", good.clone(), 400), ("gzip", zipped[..zipped.len() - 4].to_vec(), 400), ("zstd", good, 415)]
    {
        let url = format!("http://{}/v1/traces", running.http);
        let request = running.client.post(url).header("content-type", PROTOBUF).header("content-encoding", encoding);
        assert_eq!(request.body(body).send().await.expect("an answer").status(), code);
    }
    assert!(running.memory.spans().is_empty());
    let answer =
        call(running.grpc, "/opentelemetry.proto.collector.trace.v1.TraceService/Import", &[], frame(0, b"")).await;
    assert_eq!(answer.code, UNIMPLEMENTED);
}

#[tokio::test]
async fn an_empty_request_is_a_success() {
    let running = start(Limits::default()).await;
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        let answer = running.post(path, PROTOBUF, Vec::new()).await;
        assert_eq!((answer.status().as_u16(), answer.bytes().await.expect("a body").len()), (200, 0));
    }
    for body in [Vec::new(), frame(0, b"")] {
        let answer = call(running.grpc, EXPORT_TRACES, &[], body).await;
        assert_eq!((answer.code, answer.payload), (0, frame(0, b"")));
    }
    assert_eq!(running.stats.snapshot().requests_refused, 0);
}

#[tokio::test]
async fn spans_with_bad_identities_are_named_and_their_siblings_kept() {
    let running = start(Limits::default()).await;
    let mut spans: Vec<_> = (1..=10).map(span).collect();
    spans[1].trace_id = vec![0; 16];
    spans[2].trace_id = vec![1; 15];
    spans[3].trace_id = Vec::new();
    spans[4].span_id = vec![0; 8];
    spans[5].span_id = vec![1; 9];
    spans[6].parent_span_id = vec![1; 7];
    spans[7].parent_span_id = vec![0; 8];
    spans[8].parent_span_id = spans[8].span_id.clone();
    spans[1].name = "evil\x1b]52;c;name".repeat(200);
    let request = traces(spans);
    let answer = running.post("/v1/traces", PROTOBUF, request.encode_to_vec()).await;
    assert_eq!(answer.status(), 200);
    let answer = ExportTraceServiceResponse::decode(answer.bytes().await.expect("a body")).expect("a response");
    let partial = answer.partial_success.expect("some spans were refused");
    assert_eq!(partial.rejected_spans, 6);
    for reason in ["3 × bad trace id", "2 × bad span id", "1 × bad parent id"] {
        assert!(partial.error_message.contains(reason), "{}", partial.error_message);
    }
    assert!(partial.error_message.len() <= 1_024 && !partial.error_message.contains('\x1b'));

    let kept = running.memory.spans();
    assert_eq!(kept.len(), 4);
    assert_eq!(kept.iter().filter(|span| span.parent_id.is_none()).count(), 2, "an all-zero parent is no parent");
    let stats = running.stats.snapshot();
    assert_eq!((stats.spans, stats.spans_rejected, stats.requests_refused), (4, 6, 0));
    assert_eq!(stats.refused_by_reason.get("bad trace id"), Some(&3));

    let answer = call(running.grpc, EXPORT_TRACES, &[], frame(0, &request.encode_to_vec())).await;
    let answer = ExportTraceServiceResponse::decode(&answer.payload[5..]).expect("a response");
    assert_eq!(answer.partial_success, Some(partial));
}

#[tokio::test]
async fn wrong_paths_methods_and_types_are_told_what_is_right() {
    let running = start(Limits::default()).await;
    let client = &running.client;
    let url = |path: &str| format!("http://{}{path}", running.http);
    for path in ["/", "/v1/trace", "/v1/traces/", "//v1/traces", "/v1/profiles"] {
        let answer = running.post(path, PROTOBUF, Vec::new()).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert!(status(answer).await.message.contains("/v1/traces"));
    }
    for method in [reqwest::Method::GET, reqwest::Method::PUT, reqwest::Method::OPTIONS, reqwest::Method::DELETE] {
        let answer =
            client.request(method, url("/v1/traces")).header("content-type", PROTOBUF).send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), answer.headers().get("allow").expect("what is allowed").as_bytes()),
            (405, &b"POST"[..])
        );
        assert!(status(answer).await.message.contains("POST"));
    }
    let answer = client.head(url("/v1/traces")).send().await.expect("an answer");
    assert_eq!(answer.status(), 405);

    for content_type in ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "text/plain"] {
        let answer = running.post("/v1/traces", content_type, b"{}".to_vec()).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers().get("content-type").expect("a content type").as_bytes()),
            (415, &b"application/json"[..])
        );
        let body: serde_json::Value =
            serde_json::from_str(&answer.text().await.expect("a body")).expect("a JSON Status");
        assert!(body["message"].as_str().is_some_and(|message| message.contains(PROTOBUF)), "{body}");
    }
    for content_type in ["application/x-protobuf; charset=utf-8", "Application/X-Protobuf"] {
        assert_eq!(running.post("/v1/traces", content_type, Vec::new()).await.status(), 200);
    }
}

#[tokio::test]
async fn a_stranger_at_the_wrong_port_is_shown_the_right_one() {
    let running = start(Limits::default()).await;
    let answer = call(running.http, EXPORT_TRACES, &[], frame(0, b"")).await;
    assert_eq!(answer.code, UNIMPLEMENTED);
    assert!(answer.message.contains("4317"), "{}", answer.message);
    assert_eq!(running.refused("grpc on the http port"), 1);

    let url = format!("http://{}/v1/traces", running.grpc);
    let answer = running.client.post(url).header("content-type", PROTOBUF).send().await.expect("an answer");
    assert_eq!(answer.status(), 421);
    assert!(status(answer).await.message.contains("4318"));
    assert_eq!(running.refused("http on the grpc port"), 1);
}

fn nested(levels: usize) -> Value {
    let mut value = Value::IntValue(1);
    for _ in 0..levels {
        value = Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(value) }] });
    }
    value
}

/// Arrays in arrays, written by hand: an encoder would recurse as deep as the decoder must not.
fn nested_bytes(levels: usize) -> Vec<u8> {
    fn field(key: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![key];
        prost::encoding::encode_varint(content.len() as u64, &mut out);
        out.extend_from_slice(content);
        out
    }
    let mut value = vec![0x18, 1];
    for _ in 0..levels {
        value = field(0x2a, &field(0x0a, &value));
    }
    let pair = [field(0x0a, b"deep"), field(0x12, &value)].concat();
    let span = [field(0x0a, &[1; 16]), field(0x12, &[1; 8]), field(0x4a, &pair)].concat();
    field(0x0a, &field(0x12, &field(0x12, &span)))
}

#[tokio::test]
async fn deep_values_are_cut_and_abysmal_ones_refused() {
    let running = start(Limits::default()).await;
    let mut deep = span(1);
    deep.attributes = vec![attribute("deep", nested(40))];
    let answer = running.post("/v1/traces", PROTOBUF, traces(vec![deep]).encode_to_vec()).await;
    assert_eq!(answer.status(), 200);
    let kept = running.memory.spans();
    let shown = kept[0].get("deep").expect("the attribute").to_string();
    assert!(shown.contains('…') && shown.len() < 64, "{shown}");

    assert_eq!(running.post("/v1/traces", PROTOBUF, nested_bytes(10)).await.status(), 200);
    for levels in [100, 5_000] {
        assert_eq!(running.post("/v1/traces", PROTOBUF, nested_bytes(levels)).await.status(), 400);
    }
}

#[tokio::test]
async fn a_failing_sink_costs_its_request_only() {
    let running = start(Limits::default()).await;
    let mut fatal = span(1);
    fatal.name = "panic in the sink".into();
    let request = traces(vec![fatal]).encode_to_vec();
    let answer = running.post("/v1/traces", PROTOBUF, request.clone()).await;
    assert_eq!(answer.status(), 500);
    let answer = call(running.grpc, EXPORT_TRACES, &[], frame(0, &request)).await;
    assert_eq!((answer.code, answer.has_retry_info), (INTERNAL, false));
    assert_eq!(running.refused("internal failure"), 2);
    let answer = running.post("/v1/traces", PROTOBUF, traces(vec![span(2)]).encode_to_vec()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(running.memory.spans().len(), 1);
}

#[tokio::test]
async fn a_body_is_measured_exactly_also_after_inflating() {
    const LIMIT: usize = 100_000;
    let running = start(Limits { max_body_bytes: LIMIT, ..Limits::default() }).await;
    let fill = |size: usize| {
        let mut padded = span(1);
        padded.trace_state = "x".repeat(size - traces(vec![span(1)]).encoded_len() - 16);
        let missing = size - traces(vec![padded.clone()]).encoded_len();
        padded.trace_state.push_str(&"x".repeat(missing));
        let body = traces(vec![padded]).encode_to_vec();
        assert_eq!(body.len(), size);
        body
    };
    let client = &running.client;
    for (size, status, code) in
        [(LIMIT, 200, 0), (LIMIT + 1, 413, RESOURCE_EXHAUSTED), (LIMIT * 3, 413, RESOURCE_EXHAUSTED)]
    {
        let body = fill(size);
        assert_eq!(running.post("/v1/traces", PROTOBUF, body.clone()).await.status(), status);

        let url = format!("http://{}/v1/traces", running.http);
        let zipped =
            client.post(&url).header("content-type", PROTOBUF).header("content-encoding", "gzip").body(gzip(&body));
        assert_eq!(zipped.send().await.expect("an answer").status(), status, "gzip of {size}");
        let pieces = body.chunks(1_000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>();
        let chunked = client.post(&url).header("content-type", PROTOBUF).body(reqwest::Body::wrap(
            http_body_util::StreamBody::new(futures::stream::iter(
                pieces.into_iter().map(|piece| piece.map(|piece| hyper::body::Frame::data(bytes::Bytes::from(piece)))),
            )),
        ));
        assert_eq!(chunked.send().await.expect("an answer").status(), status, "chunks of {size}");

        let answer = call(running.grpc, EXPORT_TRACES, &[], frame(0, &body)).await;
        assert_eq!((answer.code, answer.has_retry_info), (code, false), "{}", answer.message);
        let answer = call(running.grpc, EXPORT_TRACES, &[("grpc-encoding", "gzip")], frame(1, &gzip(&body))).await;
        assert_eq!((answer.code, answer.has_retry_info), (code, false), "{}", answer.message);
    }
    assert_eq!(running.memory.spans().len(), 5);
    assert_eq!(running.refused("body too large"), 10);
}

#[tokio::test]
async fn too_much_at_once_is_asked_to_come_back() {
    let running = start(Limits { max_in_flight_bytes: 20_000, ..Limits::default() }).await;
    let many = traces((1..=500).map(span).collect()).encode_to_vec();
    let answer = running.post("/v1/traces", PROTOBUF, many.clone()).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers().get("retry-after").expect("when").as_bytes()),
        (503, &b"1"[..])
    );
    let answer = call(running.grpc, EXPORT_TRACES, &[], frame(0, &many)).await;
    assert_eq!((answer.code, answer.has_retry_info), (14, true));
    let zipped = gzip(&many);
    assert!(zipped.len() < 20_000);
    let answer = call(running.grpc, EXPORT_TRACES, &[("grpc-encoding", "gzip")], frame(1, &zipped)).await;
    assert_eq!((answer.code, answer.has_retry_info), (14, true));
    assert_eq!(running.refused("overloaded"), 3);

    let few = traces((1..=50).map(span).collect()).encode_to_vec();
    assert_eq!(running.post("/v1/traces", PROTOBUF, few).await.status(), 200);
    assert_eq!(running.memory.spans().len(), 50, "it recovers");
}
