//! Verbs of containers: what writes their files, and what asks them how they are.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::parse::{host_port, replicas};
use crate::duration;

/// `mallctl render`
#[derive(Debug, Args)]
pub struct Render {
    /// What to write.
    pub what: Rendered,
    /// Folder to write below; a file there that this verb did not write is never overwritten.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Only this part.
    #[arg(long, value_name = "PART")]
    pub only: Option<Part>,
    /// Services find each other through Consul alone, instead of etcd (compose).
    #[arg(long)]
    pub consul: bool,
    /// Replicas of the RPC services, such as `order=3,pay=5`.
    #[arg(long, value_name = "SVC=N,…", value_delimiter = ',', value_parser = replicas)]
    pub replicas: Vec<(String, u32)>,
}

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rendered {
    /// docker-compose.yaml with the configurations of the services.
    Compose,
    /// A Kustomize base with the configurations of the services.
    K8s,
}

/// A part of what can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The collector without the shop.
    Collector,
}

/// `mallctl healthcheck`
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Ask grpc.health.v1 at this address; a collector's on 127.0.0.1:4320 unless told.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port, conflicts_with = "http")]
    pub grpc: Option<String>,
    /// The gRPC service that is asked for, such as `mall.Pay`; the whole process unless told.
    #[arg(long, value_name = "NAME", default_value = "", conflicts_with = "http")]
    pub service: String,
    /// GET this instead, and want a 2xx.
    #[arg(long, value_name = "URL")]
    pub http: Option<String>,
    /// How long the answer may take.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration::parse)]
    pub timeout: Duration,
}
