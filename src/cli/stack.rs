//! Verbs that start, stop and look after a stack.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::parse::{ApiPorts, api_ports, apis, awaited, host_port, ratio, replicas, size};
use super::{Ports, Stack};
use crate::duration;
use crate::topology::{Apis, CacheAt, RegistryAt, StoreAt};

/// `mallctl up`
#[derive(Debug, Args)]
pub struct Up {
    /// Start this load when the shop is ready: a shipped scenario, or a file.
    #[arg(long, value_name = "SCENARIO")]
    pub load: Option<String>,
    /// Start in the background and print the addresses.
    #[arg(long, short, conflicts_with = "headless")]
    pub detach: bool,
    /// Lines instead of the console; with --load: run, report, stop.
    #[arg(long)]
    pub headless: bool,
    #[command(flatten)]
    pub stack: Stack,
    /// HTTP port of the shop; 0 lets the system choose.
    #[arg(long, value_name = "PORT", default_value_t = 8888)]
    pub gateway_port: u16,
    #[command(flatten)]
    pub ports: Ports,
    /// Databases: `sqlite`, or `mysql://user:pass@host:port[/prefix]`, which MariaDB answers as well.
    #[arg(long, value_name = "WHERE", default_value = "sqlite", env = "MALL_STORE", hide_env_values = true)]
    pub store: StoreAt,
    /// Cache, rate limits and order events: `embedded`, or `redis://[user:pass@]host:port[/0]`.
    #[arg(long, value_name = "WHERE", default_value = "embedded", env = "MALL_CACHE", hide_env_values = true)]
    pub cache: CacheAt,
    /// How services find each other: `embedded`, `etcd://host:port[,host:port…][/prefix]` or `consul://host:port[/prefix]`.
    #[arg(long, value_name = "WHERE", default_value = "embedded", env = "MALL_REGISTRY", hide_env_values = true)]
    pub registry: RegistryAt,
    /// What answers HTTP: one gateway, or user-api, order-api and pay-api behind a proxy.
    #[arg(long, value_name = "1|3", default_value = "1", value_parser = apis)]
    pub apis: Apis,
    /// HTTP ports of user-api, order-api and pay-api; 0 lets the system choose.
    #[arg(long, value_name = "A,B,C", default_value = "0,0,0", value_parser = api_ports)]
    pub api_ports: ApiPorts,
    /// The proxy that joins the three APIs; you run it, `up` waits for it and sends load to it.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port)]
    pub edge: Option<String>,
    /// Replicas of the RPC services, such as `order=3,pay=5`.
    #[arg(long, value_name = "SVC=N,…", value_delimiter = ',', value_parser = replicas)]
    pub replicas: Vec<(String, u32)>,
    /// Share of the traces to keep beside all that fail, are slow, pay or are marked; every one is counted.
    #[arg(long, value_name = "RATIO", default_value = "1", value_parser = ratio)]
    pub keep: f64,
    /// Governs picks and jitter.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// `mallctl down`
#[derive(Debug, Args)]
pub struct Down {
    #[command(flatten)]
    pub stack: Stack,
    /// Every stack of this user.
    #[arg(long, conflicts_with = "stack")]
    pub all: bool,
    /// Remove data and histories too.
    #[arg(long)]
    pub purge: bool,
}

/// `mallctl status`
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub stack: Stack,
    /// Go on, once after every change.
    #[arg(long)]
    pub watch: bool,
}

/// `mallctl wait`
#[derive(Debug, Args)]
pub struct Wait {
    #[command(flatten)]
    pub stack: Stack,
    /// `ready`, `down` or `alert:NAME`.
    #[arg(long = "for", value_name = "WHAT", value_parser = awaited)]
    pub awaited: Awaited,
    /// How long.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
}

/// What can be waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// Every process is ready.
    Ready,
    /// No supervisor runs.
    Down,
    /// An alert with this name fires.
    Alert(String),
}

/// `mallctl logs`
#[derive(Debug, Args)]
pub struct Logs {
    #[command(flatten)]
    pub stack: Stack,
    /// `pay-rpc`, `pay-rpc/1`, `supervisor`, `load`; all when none is given.
    #[arg(value_name = "SVC")]
    pub services: Vec<String>,
    /// Go on with what is written from now on.
    #[arg(long, short)]
    pub follow: bool,
    /// Only lines of this trace.
    #[arg(long, value_name = "ID")]
    pub trace: Option<String>,
}

/// `mallctl restart`
#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    pub stack: Stack,
    /// `pay-rpc` (every replica) or `pay-rpc/1`.
    #[arg(value_name = "SVC[/N]")]
    pub target: String,
}

/// `mallctl collect`
#[derive(Debug, Args)]
pub struct Collect {
    #[command(flatten)]
    pub stack: Stack,
    /// Start in the background and print the addresses.
    #[arg(long, short)]
    pub detach: bool,
    /// Address to listen on; anything but loopback lets others send and read.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    #[command(flatten)]
    pub ports: Ports,
    /// Share of the traces to keep beside all that fail, are slow, pay or are marked; every one is counted.
    #[arg(long, value_name = "RATIO", default_value = "1", value_parser = ratio)]
    pub keep: f64,
    /// Run this with its telemetry pointed here, and end as it ends.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `mallctl watch`
#[derive(Debug, Args)]
pub struct Watch {
    #[command(flatten)]
    pub stack: Stack,
    /// Console address of a collector instead of a stack of this user.
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// The screen to open.
    #[arg(long, value_name = "NAME")]
    pub screen: Option<String>,
    /// Print one picture of the screen and end.
    #[arg(long)]
    pub once: bool,
    /// Size of the picture.
    #[arg(long, value_name = "WxH", default_value = "120x40", value_parser = size, requires = "once")]
    pub size: (u16, u16),
    /// Form of the picture.
    #[arg(short = 'f', value_name = "FORMAT", default_value = "text", requires = "once")]
    pub format: Picture,
}

/// Form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// Characters.
    Text,
    /// Characters and terminal colours.
    Ansi,
    /// A picture for documents.
    Svg,
}

/// `mallctl serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// `gateway`, `user-api`, `order-api`, `pay-api`, `user-rpc`, `order-rpc`, `pay-rpc` or `migrate`.
    pub role: String,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Only say whether the configuration is right: `ok`, or every mistake in it; also what the role needs beside it.
    #[arg(long)]
    pub check: bool,
    /// End when standard input closes: the parent has gone.
    #[arg(long)]
    pub with_parent: bool,
}
