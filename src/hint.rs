//! Commands that messages tell people to type. Each names the stack that the message is about: typed as it stands, it
//! must not meet another one.

use crate::cli::{DEFAULT_STACK, Source};

/// A command on a stack, as one types it: `mallctl down`, or `mallctl down --stack blue`.
pub fn line(stack: &str, verb: &str) -> String {
    if stack == DEFAULT_STACK { format!("mallctl {verb}") } else { format!("mallctl {verb} --stack {stack}") }
}

/// The same within a sentence: in backquotes.
pub fn command(stack: &str, verb: &str) -> String {
    format!("`{}`", line(stack, verb))
}

/// A command that asks the collector which was just asked, in backquotes.
pub fn asking(source: &Source, verb: &str) -> String {
    match &source.addr {
        Some(address) => format!("`mallctl {verb} --addr {address}`"),
        None => command(&source.stack.stack, verb),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Stack;

    #[test]
    fn a_command_names_every_stack_but_the_one_that_is_meant_anyway() {
        assert_eq!(command("default", "down"), "`mallctl down`");
        assert_eq!(command("blue", "down --purge"), "`mallctl down --purge --stack blue`");
        assert_eq!(line("blue", "watch"), "mallctl watch --stack blue");
    }

    #[test]
    fn an_address_comes_before_a_stack() {
        let source =
            |addr: Option<&str>| Source { stack: Stack { stack: "blue".to_owned() }, addr: addr.map(str::to_owned) };
        assert_eq!(asking(&source(None), "trace list"), "`mallctl trace list --stack blue`");
        assert_eq!(asking(&source(Some("h:1")), "trace list"), "`mallctl trace list --addr h:1`");
    }
}
