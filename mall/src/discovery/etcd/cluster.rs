use super::{ANSWER, Lost};
use crate::config::{Etcd, Secret};
use mall_api::etcd::auth_client::AuthClient;
use mall_api::etcd::kv_client::KvClient;
use mall_api::etcd::lease_client::LeaseClient;
use mall_api::etcd::watch_client::WatchClient;
use mall_api::etcd::{AuthenticateRequest, WatchCreateRequest, WatchRequest, WatchResponse, watch_request};
use std::error::Error;
use std::time::Duration;
use tokio::sync::Mutex;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

const CONNECT: Duration = Duration::from_secs(5);
/// A connection that carries nothing is asked this often whether it lives; etcd refuses more than one question in 5 s.
const PING: Duration = Duration::from_secs(10);
/// Header that carries the token of a user.
const TOKEN: &str = "token";

/// The members of one etcd. One connection to one of them is shared; after a failure the next member is tried.
#[derive(Debug)]
pub(in super::super) struct Cluster {
    hosts: Vec<String>,
    user: String,
    pass: Secret,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Session>,
    /// Connections that were opened; the next one goes to this member, counted round.
    opened: usize,
}

/// A connection to a member, logged in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
    number: usize,
}

impl Cluster {
    /// The etcd at `conf`. Connects when it is first needed.
    pub(in super::super) fn new(conf: &Etcd) -> Self {
        let (hosts, user, pass) = (conf.hosts.clone(), conf.user.clone(), conf.pass.clone());
        Self { hosts, user, pass, state: Mutex::default() }
    }

    /// The shared connection; opened, if there is none, at the member whose turn it is.
    pub(super) async fn session(&self) -> Result<Session, Lost> {
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session {
            return Ok(session.clone());
        }
        let number = state.opened;
        state.opened += 1;
        let session = self.open(number).await?;
        state.session = Some(session.clone());
        Ok(session)
    }

    /// Forgets the connection, unless that was done already, when `lost` says that it is at fault.
    pub(super) async fn after(&self, lost: &Lost, session: &Session) {
        if let Lost::Member(_) = lost {
            let mut state = self.state.lock().await;
            if state.session.as_ref().is_some_and(|current| current.number == session.number) {
                state.session = None;
            }
        }
    }

    async fn open(&self, number: usize) -> Result<Session, Status> {
        let host = self.hosts.get(number % self.hosts.len().max(1)).map(String::as_str).unwrap_or_default();
        let unreachable = |error: &tonic::transport::Error| {
            let mut cause: &dyn Error = error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            Status::unavailable(format!("etcd at {host} cannot be reached: {cause}"))
        };
        let channel = Endpoint::from_shared(format!("http://{host}"))
            .map_err(|error| unreachable(&error))?
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(ANSWER)
            .keep_alive_while_idle(true)
            .connect()
            .await
            .map_err(|error| unreachable(&error))?;
        let token = self.log_in(&channel).await?;
        Ok(Session { channel, token, number })
    }

    async fn log_in(&self, channel: &Channel) -> Result<Option<MetadataValue<Ascii>>, Status> {
        if self.user.is_empty() {
            return Ok(None);
        }
        let request = AuthenticateRequest { name: self.user.clone(), password: self.pass.expose().to_owned() };
        let answer = in_time(AuthClient::new(channel.clone()).authenticate(request)).await?;
        let mut token: MetadataValue<Ascii> =
            answer.token.parse().map_err(|_| Status::internal("the token of etcd fits into no header"))?;
        token.set_sensitive(true);
        Ok(Some(token))
    }
}

impl Session {
    pub(super) fn kv(&self) -> KvClient<Channel> {
        KvClient::new(self.channel.clone())
    }

    pub(super) fn lease(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.channel.clone())
    }

    /// A request that carries the user's token.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert(TOKEN, token.clone());
        }
        request
    }

    /// Watches as `create` says. The watch ends when the answer is dropped.
    pub(super) async fn watch(&self, create: WatchCreateRequest) -> Result<Watch, Status> {
        let union = Some(watch_request::RequestUnion::CreateRequest(create));
        let (requests, stream) = tokio::sync::mpsc::channel(1);
        // The channel is new, empty and open.
        let _ = requests.try_send(WatchRequest { request_union: union });
        let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
        let responses = in_time(WatchClient::new(self.channel.clone()).watch(self.request(stream))).await?;
        Ok(Watch { responses, _requests: requests })
    }
}

/// A watch of etcd, open as long as this lives.
pub(super) struct Watch {
    responses: Streaming<WatchResponse>,
    /// etcd ends a watch whose request stream ends.
    _requests: tokio::sync::mpsc::Sender<WatchRequest>,
}

impl Watch {
    /// The next answer with events.
    pub(super) async fn next(&mut self) -> Result<WatchResponse, Lost> {
        loop {
            let response = self.responses.message().await?;
            let response = response.ok_or_else(|| Status::unavailable("etcd ended the watch"))?;
            if response.compact_revision > 0 {
                return Err(Lost::Compacted(response.compact_revision));
            }
            if response.canceled {
                let reason =
                    if response.cancel_reason.is_empty() { "no reason given" } else { &response.cancel_reason };
                return Err(Status::aborted(format!("etcd cancelled the watch: {reason}")).into());
            }
            if !response.events.is_empty() {
                return Ok(response);
            }
        }
    }
}

/// The message of an answer that must come within three seconds.
pub(super) async fn in_time<T>(answer: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!("etcd did not answer within {ANSWER:?}"))),
    }
}
