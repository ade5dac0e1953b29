//! The way to a running stack or collector: addresses and token from `stack.json`, one channel for both protocols.

use std::time::Duration;

use collector_api::console::console_client::ConsoleClient;
use mall_api::control::control_client::ControlClient;
use mall_api::control::{AttachReply, AttachRequest};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

use super::auth::Bearer;
use super::stack_file::StackFile;
use super::state::StateFolder;
use crate::exit::{Exit, Failure};
use crate::hint;

/// How long a stack on this machine may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A channel that carries the token.
pub type Authorised = InterceptedService<Channel, Bearer>;

/// A connection to a collector, and to the supervisor around it when there is one.
#[derive(Debug, Clone)]
pub struct Client {
    /// `host:port` of the console protocol.
    pub address: String,
    /// The stack's token.
    pub token: Option<String>,
    channel: Channel,
}

/// What `stack.json` of a running stack says.
pub fn running(stack: &str) -> Result<(StateFolder, StackFile), Failure> {
    let folder = StateFolder::of(stack)?;
    if folder.is_running()
        && let Some(file) = folder.read()?
    {
        return Ok((folder, file));
    }
    Err(not_running(stack))
}

/// The failure of every verb that needs a stack and finds none.
pub fn not_running(stack: &str) -> Failure {
    let (up, collect) = (hint::command(stack, "up"), hint::command(stack, "collect"));
    Failure::new(Exit::NotRunning, format!("stack '{stack}' is not running"))
        .mend(format!("start it with {up}, or a collector alone with {collect}"))
}

impl Client {
    /// Connects to a running stack.
    pub async fn to_stack(stack: &str) -> Result<Self, Failure> {
        let (_, file) = running(stack)?;
        Self::to_address(&file.addresses.console, Some(file.token)).await.map_err(|failure| {
            let (status, down) = (hint::command(stack, "status"), hint::command(stack, "down"));
            failure.mend(format!("see {status}, or end what is left of it with {down}"))
        })
    }

    /// Connects to a console address.
    pub async fn to_address(address: &str, token: Option<String>) -> Result<Self, Failure> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| {
                Failure::usage(format!("'{address}' is no console address")).because(error).mend("write HOST:PORT")
            })?
            .connect_timeout(CONNECT_LIMIT)
            .tcp_nodelay(true);
        let channel = endpoint.connect().await.map_err(|error| {
            Failure::new(Exit::NotRunning, format!("no collector answers on {address}"))
                .because(root_cause(&error))
                .mend("see `mallctl status`, or start one with `mallctl up` or `mallctl collect`")
        })?;
        Ok(Self { address: address.to_owned(), token, channel })
    }

    /// The supervisor's side.
    pub fn control(&self) -> ControlClient<Authorised> {
        ControlClient::with_interceptor(self.channel.clone(), self.bearer())
            .max_decoding_message_size(mall_api::MAX_MESSAGE_BYTES)
    }

    /// The collector's side.
    pub fn console(&self) -> ConsoleClient<Authorised> {
        ConsoleClient::with_interceptor(self.channel.clone(), self.bearer())
            .max_decoding_message_size(collector_api::MAX_MESSAGE_BYTES)
    }

    /// Tells the supervisor that this process is there, for as long as the answer is held.
    pub async fn attach(&self, role: &str) -> Result<Streaming<AttachReply>, Failure> {
        let request = AttachRequest { pid: std::process::id(), role: role.to_owned() };
        Ok(self.control().attach(request).await.map_err(|status| failure(&status))?.into_inner())
    }

    fn bearer(&self) -> Bearer {
        Bearer { token: self.token.clone() }
    }
}

/// A refused or failed call as a failure of the verb.
pub fn failure(status: &Status) -> Failure {
    let exit = match status.code() {
        Code::InvalidArgument | Code::NotFound => Exit::Usage,
        Code::DeadlineExceeded => Exit::NotReady,
        _ => Exit::Failure,
    };
    let message = collector_api::text::clean(status.message()).into_owned();
    if message.is_empty() { Failure::new(exit, status.code().description()) } else { Failure::new(exit, message) }
}

/// The innermost error: the one that says something.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
