//! Why Redis did not answer.

use std::sync::Arc;

use super::command::Command;

/// A command without an answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedisError {
    /// There is no connection.
    #[error("redis at {address} is not reachable: {cause}; start it, or correct its address in the configuration")]
    Away {
        /// host:port.
        address: Arc<str>,
        /// What the last attempt to connect met.
        cause: Arc<str>,
    },
    /// No answer came in time.
    #[error("redis at {address} did not answer {command} in time; it is overloaded, or it hangs")]
    Late {
        /// host:port.
        address: Arc<str>,
        /// Which command.
        command: &'static str,
    },
    /// The connection was lost while the command was under way: it may have run or not.
    #[error("redis at {address} hung up during {command}; whether it ran is not known")]
    Lost {
        /// host:port.
        address: Arc<str>,
        /// Which command.
        command: &'static str,
    },
    /// Redis answered with an error, or with something else than was expected.
    #[error("redis refused {command}: {source}")]
    Refused {
        /// Which command.
        command: &'static str,
        /// What it answered.
        source: Arc<::redis::RedisError>,
    },
}

impl RedisError {
    /// Every answer of [`kind`](Self::kind).
    pub(super) const KINDS: [&str; 3] = ["timeout", "eof", "unexpected error"];

    pub(super) fn of(address: &Arc<str>, command: Command, source: ::redis::RedisError) -> Self {
        let (address, command) = (address.clone(), command.name);
        if source.is_timeout() {
            Self::Late { address, command }
        } else if source.is_io_error() {
            Self::Lost { address, command }
        } else {
            Self::Refused { command, source: Arc::new(source) }
        }
    }

    /// The word that begins an error of Redis itself, such as `NOGROUP`; none when it did not answer.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { source, .. } => source.code(),
            Self::Away { .. } | Self::Late { .. } | Self::Lost { .. } => None,
        }
    }

    /// Whether Redis did not know the script that was asked for.
    pub(super) fn is_missing_script(&self) -> bool {
        let missing = ::redis::ErrorKind::Server(::redis::ServerErrorKind::NoScript);
        matches!(self, Self::Refused { source, .. } if source.kind() == missing)
    }

    /// go-zero's word for the error, as its metric's label has it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Late { .. } => "timeout",
            Self::Lost { .. } => "eof",
            Self::Away { .. } | Self::Refused { .. } => "unexpected error",
        }
    }
}
