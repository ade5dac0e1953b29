use super::super::listed::Listed;
use super::cluster::{Cluster, Session, in_time};
use super::view::View;
use super::{Lost, end_of, pause};
use mall_api::etcd::{RangeRequest, ResponseHeader, WatchCreateRequest};
use std::sync::Arc;
use tokio::time::Instant;

/// Copies what stands under `<key>/` into `listed` until nobody watches it: everything first, then each change. After a
/// loss or a compaction everything is read again; until then the list stays as it is.
pub(in super::super) async fn follow(cluster: Arc<Cluster>, key: String, mut listed: Listed) {
    let prefix = format!("{key}/");
    let mut view = View::default();
    let mut unwatched = std::pin::pin!(listed.unwatched());
    loop {
        let lost = tokio::select! {
            lost = follow_once(&cluster, &prefix, &mut view, &mut listed) => lost,
            () = &mut unwatched => return,
        };
        match lost {
            Lost::Compacted(revision) => tracing::debug!(prefix, revision, "a compaction overtook the watch"),
            other => listed.lost(&other),
        }
        tokio::select! {
            () = pause() => {}
            () = &mut unwatched => return,
        }
    }
}

async fn follow_once(cluster: &Cluster, prefix: &str, view: &mut View, listed: &mut Listed) -> Lost {
    let session = match cluster.session().await {
        Ok(session) => session,
        Err(lost) => return lost,
    };
    let Err(lost) = copy(&session, prefix, view, listed).await;
    cluster.after(&lost, &session).await;
    lost
}

async fn copy(
    session: &Session,
    prefix: &str,
    view: &mut View,
    listed: &mut Listed,
) -> Result<std::convert::Infallible, Lost> {
    let range_end = end_of(prefix);
    let range = RangeRequest { key: prefix.into(), range_end: range_end.clone(), ..RangeRequest::default() };
    let answer = in_time(session.kv().range(session.request(range))).await?;
    let header = answer.header.unwrap_or_default();
    view.reload(&header, &answer.kvs, Instant::now());
    listed.reloaded();
    listed.publish(&view.endpoints(Instant::now()));
    let create = WatchCreateRequest {
        key: prefix.into(),
        range_end,
        start_revision: header.revision + 1,
        ..WatchCreateRequest::default()
    };
    let mut watch = session.watch(create).await?;
    loop {
        let forgetting = view.until();
        tokio::select! {
            response = watch.next() => {
                let response = response?;
                view.apply(&response.header.unwrap_or_else(ResponseHeader::default), &response.events, Instant::now());
            }
            () = at(forgetting) => {}
        }
        listed.publish(&view.endpoints(Instant::now()));
    }
}

/// Resolves at `moment`, or never.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
