use super::super::Announced;
use super::cluster::{Cluster, Session, in_time};
use super::{ANSWER, Lost, pause};
use crate::config::Etcd;
use futures::future::BoxFuture;
use mall_api::etcd::event::EventType;
use mall_api::etcd::{LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest, PutRequest, WatchCreateRequest};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

/// Life of a lease that is not kept alive, in seconds; as in go-zero.
const LEASE_S: i64 = 10;

/// Keeps `address` in etcd until it is withdrawn. Resolves when it stands there for the first time.
pub(in super::super) fn announce(cluster: Arc<Cluster>, conf: &Etcd, address: &str) -> BoxFuture<'static, Announced> {
    let (known, is_known) = oneshot::channel();
    let registration = Registration {
        cluster,
        key: conf.key.clone(),
        id: conf.id,
        address: address.to_owned(),
        lease: None,
        known: Some(known),
        is_lost: false,
    };
    Box::pin(async move {
        let (stop, stopped) = oneshot::channel();
        let keeper = tokio::spawn(registration.keep(stopped));
        // The keeper only ends after it was stopped, so an error here cannot happen before.
        let _ = is_known.await;
        Announced::new(async move {
            let _ = stop.send(());
            let _ = keeper.await;
        })
    })
}

/// One replica in etcd: a lease, and a key that lives as long as the lease.
struct Registration {
    cluster: Arc<Cluster>,
    key: String,
    id: i64,
    address: String,
    /// The lease that was granted last.
    lease: Option<i64>,
    known: Option<oneshot::Sender<()>>,
    is_lost: bool,
}

impl Registration {
    /// Registers, and registers again a second after every loss, until told to stop. Then the key is taken back at once.
    async fn keep(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let lost = tokio::select! {
                lost = self.hold() => lost,
                _ = &mut stopped => return self.withdraw().await,
            };
            if !std::mem::replace(&mut self.is_lost, true) {
                tracing::warn!(key = self.key, reason = %lost, "not registered in etcd, trying again every second");
            }
            tokio::select! {
                () = pause() => {}
                _ = &mut stopped => return self.withdraw().await,
            }
        }
    }

    /// Registers and stays registered as long as nothing is lost.
    async fn hold(&mut self) -> Lost {
        let cluster = Arc::clone(&self.cluster);
        let session = match cluster.session().await {
            Ok(session) => session,
            Err(lost) => return lost,
        };
        let Err(lost) = self.hold_on(&session).await;
        cluster.after(&lost, &session).await;
        lost
    }

    async fn hold_on(&mut self, session: &Session) -> Result<Infallible, Lost> {
        let request = LeaseGrantRequest { ttl: LEASE_S, id: 0 };
        let granted = in_time(session.lease().lease_grant(session.request(request))).await?;
        let lease = granted.id;
        let stale = self.lease.replace(lease);
        let put = PutRequest {
            key: format!("{}/{}", self.key, if self.id == 0 { lease } else { self.id }).into_bytes(),
            value: self.address.clone().into_bytes(),
            lease,
        };
        let revision = self.put(session, &put).await?;
        self.stands(lease);
        if let Some(stale) = stale {
            // Only now, so that the address stands there all the time. A lease that ended by itself is an error here.
            let _ = revoke(session, stale).await;
        }
        let life = Duration::from_secs(u64::try_from(granted.ttl).unwrap_or(1).max(1));
        tokio::select! {
            end = keep_alive(session, lease, life) => end,
            end = self.guard(session, &put, revision) => end,
        }
    }

    /// Puts the key again whenever somebody deletes it.
    async fn guard(&self, session: &Session, put: &PutRequest, revision: i64) -> Result<Infallible, Lost> {
        let start_revision = revision + 1;
        let create = WatchCreateRequest { key: put.key.clone(), start_revision, ..WatchCreateRequest::default() };
        let mut watch = session.watch(create).await?;
        loop {
            let response = watch.next().await?;
            if response.events.last().is_some_and(|event| event.r#type() == EventType::Delete) {
                tracing::warn!(key = self.key, "the key in etcd was deleted, putting it again");
                self.put(session, put).await?;
            }
        }
    }

    async fn put(&self, session: &Session, put: &PutRequest) -> Result<i64, Lost> {
        let put = in_time(session.kv().put(session.request(put.clone()))).await.map_err(lease_or_member)?;
        Ok(put.header.map(|header| header.revision).unwrap_or_default())
    }

    fn stands(&mut self, lease: i64) {
        if let Some(known) = self.known.take() {
            // Nobody waits when the announcement was dropped meanwhile.
            let _ = known.send(());
        }
        if std::mem::take(&mut self.is_lost) {
            tracing::info!(key = self.key, lease, "registered in etcd again");
        }
    }

    /// Revokes the lease. An etcd that is gone ends it by itself.
    async fn withdraw(self) {
        let Some(lease) = self.lease else { return };
        let revoked = async { revoke(&self.cluster.session().await?, lease).await };
        let _ = tokio::time::timeout(ANSWER, revoked).await;
    }
}

async fn revoke(session: &Session, lease: i64) -> Result<(), Lost> {
    let request = session.request(LeaseRevokeRequest { id: lease });
    in_time(session.lease().lease_revoke(request)).await.map(|_| ()).map_err(lease_or_member)
}

/// Renews the lease at a third of its life.
async fn keep_alive(session: &Session, lease: i64, life: Duration) -> Result<Infallible, Lost> {
    let (questions, stream) = mpsc::channel(1);
    let ended = || Status::unavailable("etcd ended the renewal of the lease");
    // etcd answers the call itself with the first renewal.
    questions.try_send(LeaseKeepAliveRequest { id: lease }).map_err(|_| ended())?;
    let stream = session.request(ReceiverStream::new(stream));
    let mut answers = in_time(session.lease().lease_keep_alive(stream)).await?;
    loop {
        let answer = tokio::time::timeout(ANSWER, answers.message()).await;
        let answer = answer.map_err(|_| Status::deadline_exceeded("etcd did not renew the lease in time"))??;
        if answer.ok_or_else(ended)?.ttl <= 0 {
            return Err(Lost::Lease);
        }
        tokio::time::sleep(life / 3).await;
        questions.send(LeaseKeepAliveRequest { id: lease }).await.map_err(|_| ended())?;
    }
}

/// etcd says `NotFound` of a lease that ended.
fn lease_or_member(status: Status) -> Lost {
    if status.code() == Code::NotFound { Lost::Lease } else { Lost::Member(status) }
}
