//! Names of commands: a closed list, because they become names of spans and labels of metrics.

use ::redis::{Arg, Cmd};

/// A command by its two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Command {
    /// As Redis documents it: the span's name.
    pub(super) name: &'static str,
    /// As go-zero labels it.
    pub(super) label: &'static str,
}

macro_rules! commands {
    ($($name:literal $label:literal),* $(,)?) => {
        const KNOWN: &[Command] = &[$(Command { name: $name, label: $label },)*];
    };
}

commands! {
    "GET" "get", "SET" "set", "SETEX" "setex", "DEL" "del", "EVALSHA" "evalsha", "EVAL" "eval", "PING" "ping",
    "EXISTS" "exists", "EXPIRE" "expire", "TTL" "ttl", "MGET" "mget", "SCAN" "scan",
    "XADD" "xadd", "XACK" "xack", "XDEL" "xdel", "XLEN" "xlen", "XTRIM" "xtrim", "XRANGE" "xrange", "XINFO" "xinfo",
    "XGROUP" "xgroup", "XREAD" "xread", "XREADGROUP" "xreadgroup", "XPENDING" "xpending", "XCLAIM" "xclaim",
    "XAUTOCLAIM" "xautoclaim",
}

impl Command {
    /// Several commands at once, called as in go-zero.
    pub(super) const PIPELINE: Self = Self { name: "PIPELINE", label: "Pipeline" };
    const OTHER: Self = Self { name: "OTHER", label: "other" };

    /// What a command is called; one that is not listed is `OTHER`, so that nobody's input becomes a label.
    pub(super) fn of(cmd: &Cmd) -> Self {
        let Some(Arg::Simple(word)) = cmd.args_iter().next() else { return Self::OTHER };
        KNOWN.iter().copied().find(|command| command.name.as_bytes().eq_ignore_ascii_case(word)).unwrap_or(Self::OTHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_not_listed_has_a_name_all_the_same() {
        assert_eq!(Command::of(&::redis::cmd("get")), Command { name: "GET", label: "get" });
        assert_eq!(Command::of(&::redis::cmd("FLUSHALL")), Command::OTHER);
        assert_eq!(Command::of(&Cmd::new()), Command::OTHER);
    }
}
