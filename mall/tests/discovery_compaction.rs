//! A compaction that overtakes a watch of etcd. A real one can hardly be made to do so in the moment between reading and
//! watching; an etcd of the test's own does.

use futures::stream::BoxStream;
use mall::config::{Etcd, RpcClient, ServiceConfig};
use mall::discovery::{self, Endpoint};
use mall::telemetry::Meters;
use mall_api::etcd::kv_server::{Kv, KvServer};
use mall_api::etcd::watch_request::RequestUnion;
use mall_api::etcd::watch_server::{Watch, WatchServer};
use mall_api::etcd::*;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

/// Each reading finds another replica, and a hundred revisions more. The first watch comes too late.
#[derive(Clone, Default)]
struct Compacted {
    readings: Arc<AtomicI64>,
    watched_from: Arc<Mutex<Vec<i64>>>,
}

fn header(revision: i64) -> ResponseHeader {
    ResponseHeader { cluster_id: 1, revision, ..ResponseHeader::default() }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Kv for Compacted {
    async fn range(&self, request: Request<RangeRequest>) -> Answer<RangeResponse> {
        let RangeRequest { key, range_end, .. } = request.into_inner();
        assert_eq!((key.as_slice(), range_end.as_slice()), (&b"pay.rpc/"[..], &b"pay.rpc0"[..]));
        let number = self.readings.fetch_add(1, Ordering::Relaxed) + 1;
        let value = format!("127.0.0.1:{number}").into_bytes();
        let kvs = vec![KeyValue { key: b"pay.rpc/1".to_vec(), value, ..KeyValue::default() }];
        Ok(Response::new(RangeResponse { header: Some(header(100 * number)), kvs, ..RangeResponse::default() }))
    }

    async fn put(&self, _: Request<PutRequest>) -> Answer<PutResponse> {
        Err(Status::unimplemented("not in this test"))
    }
    async fn delete_range(&self, _: Request<DeleteRangeRequest>) -> Answer<DeleteRangeResponse> {
        Err(Status::unimplemented("not in this test"))
    }
    async fn compact(&self, _: Request<CompactionRequest>) -> Answer<CompactionResponse> {
        Err(Status::unimplemented("not in this test"))
    }
}

#[tonic::async_trait]
impl Watch for Compacted {
    type WatchStream = BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(&self, request: Request<Streaming<WatchRequest>>) -> Answer<Self::WatchStream> {
        let first = request.into_inner().message().await?.and_then(|request| request.request_union);
        let Some(RequestUnion::CreateRequest(create)) = first else {
            return Err(Status::invalid_argument("a watch begins with its creation"));
        };
        let is_first = {
            let mut watched = self.watched_from.lock().expect("not poisoned");
            watched.push(create.start_revision);
            watched.len() == 1
        };
        let created = WatchResponse { header: Some(header(150)), created: true, ..WatchResponse::default() };
        let compacted = WatchResponse {
            header: Some(header(150)),
            canceled: true,
            compact_revision: 140,
            ..WatchResponse::default()
        };
        let answers = if is_first { vec![Ok(created), Ok(compacted)] } else { vec![Ok(created)] };
        Ok(Response::new(Box::pin(tokio_stream::iter(answers).chain(tokio_stream::pending()))))
    }
}

#[tokio::test]
async fn what_a_compaction_took_away_is_read_again() {
    let compacted = Compacted::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let host = listener.local_addr().expect("bound").to_string();
    let server = tonic::transport::Server::builder()
        .add_service(KvServer::new(compacted.clone()))
        .add_service(WatchServer::new(compacted.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);

    let etcd = Etcd { hosts: vec![host], key: "pay.rpc".to_owned(), ..Etcd::default() };
    let mut config = ServiceConfig::new("gateway");
    config.pay_rpc = Some(RpcClient { etcd: Some(etcd), ..RpcClient::default() });
    let discovery = discovery::of(&config, &Meters::disabled()).expect("a valid configuration");
    let mut watch = discovery.watch("pay-rpc");
    for address in ["127.0.0.1:1", "127.0.0.1:2"] {
        let found = watch.wait_for(|list| *list == [Endpoint::at(address)]);
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("in time").expect("the watch lives");
    }
    let both = async {
        while compacted.watched_from.lock().expect("not poisoned").len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("watches again");
    assert_eq!(*compacted.watched_from.lock().expect("not poisoned"), [101, 201], "each from the revision after");
}
