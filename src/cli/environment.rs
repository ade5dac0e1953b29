//! Values of flags that come from the environment: where they came from when they are wrong, and that empty ones are none.

use std::env;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches};

use super::Cli;

/// Arguments of `up` that the environment may give, with their variables.
const VARIABLES: [(&str, &str); 3] = [("store", "MALL_STORE"), ("cache", "MALL_CACHE"), ("registry", "MALL_REGISTRY")];

/// Reads the command line. A variable that is set to nothing counts as not set.
pub fn parse() -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    for (argument, variable) in VARIABLES {
        if env::var_os(variable).is_some_and(|value| value.is_empty()) {
            command = command.mut_subcommand("up", |up| up.mut_arg(argument, |arg| arg.env(None::<&str>)));
        }
    }
    let mut matches = command.try_get_matches()?;
    Cli::from_arg_matches_mut(&mut matches)
}

/// Says so when a value that was refused came from the environment, for nobody typed it.
pub fn origin(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(refused)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = refused.split_whitespace().next()?;
    let (_, variable) = VARIABLES.into_iter().find(|(argument, _)| flag.strip_prefix("--") == Some(*argument))?;
    env::var_os(variable)?;
    let was_typed = env::args().any(|typed| typed.split('=').next() == Some(flag));
    (!was_typed).then(|| format!("  the value comes from {variable} in the environment: unset it, or give {flag}"))
}
