//! The command line: every verb with its flags. Only what works is accepted.

#[cfg(test)]
mod document;
pub mod environment;
mod load;
mod look;
mod parse;
mod place;
mod stack;

use clap::{Args, Parser, Subcommand};

pub use self::load::{Fault, Load, Report, ReportFormat, Runs, Scenario, Verify};
pub use self::look::{Alerts, Source, Trace, Window};
pub use self::place::{Healthcheck, Part, Render, Rendered};
pub use self::stack::{Awaited, Collect, Down, Logs, Picture, Restart, Serve, Status, Up, Wait, Watch};
use crate::exit;

/// Launch a shop of microservices, drive load at it, and see in one terminal what happens and why.
#[derive(Debug, Parser)]
#[command(name = "mallctl", version, about, after_help = exit::help(), propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Print results as JSON (schema 1), live output as JSON lines.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Everything that `mallctl` can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start the shop and the collector, and open the console.
    Up(Up),
    /// Stop a stack; no error when none runs.
    Down(Down),
    /// What runs, where, and what it uses.
    #[command(alias = "ps")]
    Status(Status),
    /// Wait until a stack is ready or down, or an alert fires.
    Wait(Wait),
    /// What the processes of a stack wrote.
    Logs(Logs),
    /// Restart replicas, one after the other.
    Restart(Restart),
    /// Drive load at a stack or a URL, and report.
    Load(Box<Load>),
    /// Receiver and console for any OpenTelemetry system, without the shop.
    Collect(Collect),
    /// The console on a running stack or collector.
    #[command(alias = "ui")]
    Watch(Watch),
    /// Scenario files.
    #[command(subcommand)]
    Scenario(Scenario),
    /// Faults on purpose; each ends by itself.
    #[command(subcommand)]
    Fault(Fault),
    /// Traces that the collector keeps.
    #[command(subcommand)]
    Trace(Trace),
    /// Breakers: accepted, rejected, distance to a trip.
    Breaker(Window),
    /// Balance: picks, loads and forced picks of every replica.
    P2c(Window),
    /// Shedders and limits: processor share, requests in flight, what was refused.
    Shed(Window),
    /// Alert rules and their states.
    #[command(subcommand)]
    Alerts(Alerts),
    /// Recorded load runs.
    #[command(subcommand)]
    Runs(Runs),
    /// The report of a recorded run.
    Report(Report),
    /// Judge orders, stock and money against the histories of the load runs.
    Verify(Verify),
    /// Write the shop down for containers: the files that are in this repository, or others like them.
    Render(Render),
    /// Whether this machine is ready for a stack.
    Doctor,
    /// Completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The version.
    Version,
    /// Whether a process answers; what images without a shell run as their health check.
    #[command(hide = true)]
    Healthcheck(Healthcheck),
    /// One service of the shop; what `up` and containers run.
    #[command(hide = true)]
    Serve(Serve),
    /// The supervisor; what `up` and `collect` start.
    #[command(hide = true)]
    Supervise(Stack),
}

/// The stack that is meant when none is named.
pub const DEFAULT_STACK: &str = "default";

/// Which stack.
#[derive(Debug, Clone, Args)]
pub struct Stack {
    /// Name of the stack.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STACK)]
    pub stack: String,
}

/// Ports of a collector.
#[derive(Debug, Clone, Args)]
pub struct Ports {
    /// OTLP over gRPC; 0 lets the system choose.
    #[arg(long, value_name = "PORT", default_value_t = 4317)]
    pub otlp_grpc: u16,
    /// OTLP over HTTP; 0 lets the system choose.
    #[arg(long, value_name = "PORT", default_value_t = 4318)]
    pub otlp_http: u16,
    /// Console protocol and control; 0 lets the system choose.
    #[arg(long, value_name = "PORT", default_value_t = 4320)]
    pub console_port: u16,
    /// Let the system choose every port that is not given.
    #[arg(long)]
    pub isolated: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every argument of every verb that a variable of the environment gives too, with the variable.
    fn by_variable(command: &clap::Command) -> Vec<(clap::Arg, String)> {
        let variable = |argument: &clap::Arg| Some(argument.get_env()?.to_string_lossy().into_owned());
        let own = command.get_arguments().filter_map(|one| Some((one.clone(), variable(one)?)));
        own.chain(command.get_subcommands().flat_map(by_variable)).collect()
    }

    #[test]
    fn help_holds_no_value_of_the_environment() {
        let arguments = by_variable(&Cli::command());
        assert!(!arguments.is_empty());
        for (argument, variable) in arguments {
            assert!(argument.is_hide_env_values_set(), "{variable}");
        }
    }

    #[test]
    fn no_variable_means_one_thing_here_and_another_in_compose() {
        let compose = include_str!("../docker-compose.yaml");
        let read: Vec<&str> =
            compose.split("${").skip(1).filter_map(|rest| rest.split([':', '}', '?', '-']).next()).collect();
        assert!(read.contains(&"MALL_COMPOSE_REGISTRY"), "{read:?}");
        for (_, variable) in by_variable(&Cli::command()) {
            assert!(!read.contains(&variable.as_str()), "{variable}");
        }
    }

    #[test]
    fn what_does_not_exist_yet_is_not_accepted() {
        for line in ["mallctl up --policy hardened", "mallctl scale pay=4"] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
