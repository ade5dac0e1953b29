//! A look into etcd from outside.

use super::servers::Server;
use mall_api::etcd::kv_client::KvClient;
use mall_api::etcd::lease_client::LeaseClient;
use mall_api::etcd::{
    CompactionRequest, DeleteRangeRequest, KeyValue, LeaseKeepAliveRequest, LeaseRevokeRequest, PutRequest,
    RangeRequest,
};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// An etcd, seen from outside.
pub struct Store {
    pub address: String,
    channel: Channel,
}

impl Store {
    /// The one that all tests share.
    pub async fn shared() -> Self {
        Self::at(&Server::Etcd.address()).await
    }

    /// The one at `address`.
    pub async fn at(address: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("host:port");
        Self { address: address.to_owned(), channel: endpoint.connect().await.expect("an etcd") }
    }

    fn kv(&self) -> KvClient<Channel> {
        KvClient::new(self.channel.clone())
    }

    fn lease(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.channel.clone())
    }

    /// What stands under `<key>/`.
    pub async fn under(&self, key: &str) -> Vec<KeyValue> {
        let (key, range_end) = range(key);
        let request = RangeRequest { key, range_end, ..RangeRequest::default() };
        self.kv().range(request).await.expect("answers").into_inner().kvs
    }

    /// What stands under `<key>/` once that is as wanted.
    pub async fn until(&self, key: &str, is_wanted: impl Fn(&[KeyValue]) -> bool) -> Vec<KeyValue> {
        loop {
            let pairs = self.under(key).await;
            if is_wanted(&pairs) {
                return pairs;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Puts a key without a lease; answers the revision.
    pub async fn put(&self, key: &str, value: &str) -> i64 {
        let request = PutRequest { key: key.into(), value: value.into(), lease: 0 };
        let answer = self.kv().put(request).await.expect("answers").into_inner();
        answer.header.expect("a header").revision
    }

    /// Deletes one key.
    pub async fn delete(&self, key: &[u8]) {
        let request = DeleteRangeRequest { key: key.to_vec(), range_end: Vec::new() };
        assert_eq!(self.kv().delete_range(request).await.expect("answers").into_inner().deleted, 1);
    }

    /// Deletes everything under `<key>/`.
    pub async fn clear(&self, key: &str) {
        let (key, range_end) = range(key);
        self.kv().delete_range(DeleteRangeRequest { key, range_end }).await.expect("answers");
    }

    /// Forgets what was before `revision`.
    pub async fn compact(&self, revision: i64) {
        self.kv().compact(CompactionRequest { revision, physical: true }).await.expect("compacts");
    }

    /// Ends a lease.
    pub async fn revoke(&self, lease: i64) {
        self.lease().lease_revoke(LeaseRevokeRequest { id: lease }).await.expect("revokes");
    }

    /// The life that a lease is renewed to.
    pub async fn granted_seconds(&self, lease: i64) -> i64 {
        let requests = tokio_stream::once(LeaseKeepAliveRequest { id: lease });
        let mut answers = self.lease().lease_keep_alive(requests).await.expect("answers").into_inner();
        answers.message().await.expect("answers").expect("an answer").ttl
    }
}

fn range(key: &str) -> (Vec<u8>, Vec<u8>) {
    (format!("{key}/").into_bytes(), format!("{key}0").into_bytes())
}
