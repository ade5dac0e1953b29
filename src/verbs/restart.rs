//! `mallctl restart`: replicas, one after the other.

use mall_api::control::RestartRequest;
use serde_json::json;

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, SCHEMA};
use crate::stack::client::{Client, failure};

/// Restarts a service or one replica and waits until it is ready again.
pub async fn run(args: cli::Restart, json: bool) -> Outcome {
    let (service, replica) = match args.target.split_once('/') {
        None => (args.target.as_str(), 0),
        Some((service, number)) => match number.parse::<u32>() {
            Ok(number @ 1..) => (service, number),
            _ => {
                return Err(Failure::usage(format!("'{}' is no replica", args.target))
                    .mend("write a service such as pay-rpc, or a replica such as pay-rpc/1"));
            }
        },
    };
    let client = Client::to_stack(&args.stack.stack).await?;
    let request = RestartRequest { service: service.to_owned(), replica };
    let reply = client.control().restart(request).await.map_err(|status| failure(&status))?.into_inner();
    if json {
        output::json(&json!({ "schema": SCHEMA, "restarted": reply.restarted }))?;
    } else {
        for instance in &reply.restarted {
            output::line(&format!("{instance} restarted"));
        }
    }
    Ok(Exit::Ok)
}
