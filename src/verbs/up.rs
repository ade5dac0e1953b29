//! `mallctl up`: start the shop and the collector; console, lines or background.

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr};

use loadgen::new_run_id;

use super::load::text_beside;
use super::scenario::{Meaning, read};
use super::session::Session;
use crate::cli::{self, Ports};
use crate::exit::{Exit, Failure, Outcome};
use crate::hint;
use crate::output;
use crate::stack::order::{LoadOrder, Order, Shop};
use crate::stack::servers;
use crate::stack::shared::unix_ns;
use crate::stack::state::StateFolder;
use crate::topology::{Apis, Topology};
use tui::Launch;

/// Ports that are taken unless told otherwise; `--isolated` leaves them to the system.
const GATEWAY: u16 = 8888;

/// Runs the verb.
pub async fn run(args: cli::Up, json: bool) -> Outcome {
    let folder = StateFolder::of(&args.stack.stack)?;
    let load = args.load.as_deref().map(|word| load_order(word, &folder)).transpose()?;
    let has_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let shop = shop(&args)?;
    servers::check(&shop.topology).await?;
    let order = order(&args, shop, load.clone());
    if args.detach {
        return Session::start(folder, &order).await?.detach(json).await;
    }
    if has_terminal && !args.headless {
        announce(&folder, &order);
        let session = Session::start(folder, &order).await?;
        return session.console_until_left(Launch::Up { can_stop: true }).await;
    }
    announce(&folder, &order);
    let session = Session::start(folder.clone(), &order).await?;
    let (exit, _) = session.lines_until_done(json, load.is_some(), std::future::pending()).await?;
    match load {
        Some(load) => report(&folder, &load, exit, json),
        None => Ok(exit),
    }
}

fn shop(args: &cli::Up) -> Result<Shop, Failure> {
    match (args.apis, &args.edge) {
        (Apis::Three, None) => {
            return Err(Failure::usage("three APIs need a proxy that joins them").mend(
                "start one that knows their ports and name both: --apis 3 --api-ports 8801,8802,8803 --edge HOST:PORT; \
                 `deploy/local/run` does it with nginx",
            ));
        }
        (Apis::One, Some(_)) => {
            return Err(Failure::usage("--edge names the proxy in front of three APIs").mend("add --apis 3"));
        }
        _ => {}
    }
    let topology = Topology {
        replicas: args.replicas.iter().cloned().collect(),
        apis: args.apis,
        store: args.store.clone(),
        cache: args.cache.clone(),
        registry: args.registry.clone(),
    };
    Ok(Shop {
        topology: topology.of_stack(&args.stack.stack, cli::DEFAULT_STACK),
        gateway_port: isolated(args.gateway_port, GATEWAY, args.ports.isolated),
        api_ports: args.api_ports,
        edge: args.edge.clone(),
    })
}

fn order(args: &cli::Up, shop: Shop, load: Option<LoadOrder>) -> Order {
    let [otlp_grpc, otlp_http, console] = ports(&args.ports);
    Order {
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        otlp_grpc,
        otlp_http,
        console,
        shop: Some(shop),
        keep: args.keep,
        seed: args.seed,
        detached: args.detach,
        load,
        started_unix_ns: unix_ns(),
    }
}

/// The three ports of a collector, in the order of the flags.
pub fn ports(ports: &Ports) -> [u16; 3] {
    [
        isolated(ports.otlp_grpc, 4317, ports.isolated),
        isolated(ports.otlp_http, 4318, ports.isolated),
        isolated(ports.console_port, 4320, ports.isolated),
    ]
}

/// A port that was not chosen is left to the system when the stack shall be isolated.
fn isolated(port: u16, default: u16, isolated: bool) -> u16 {
    if isolated && port == default { 0 } else { port }
}

fn load_order(word: &str, folder: &StateFolder) -> Result<LoadOrder, Failure> {
    // A typo must be told before anything starts.
    read(word)?;
    let what = match Meaning::of(word) {
        Meaning::File(path) => std::path::absolute(&path)
            .map_err(|error| Failure::usage(format!("cannot find {word}")).because(error))?
            .display()
            .to_string(),
        Meaning::Shipped(_) | Meaning::Url(_) => word.to_owned(),
    };
    let run_id = new_run_id();
    let out = folder.runs().join(format!("{run_id}.json"));
    Ok(LoadOrder { what, run_id, out })
}

fn announce(folder: &StateFolder, order: &Order) {
    let processes = order.shop.as_ref().map_or(0, |shop| shop.instances().len()) + 1;
    output::progress(&format!(
        "mallctl {}: {processes} processes, state in {}; Ctrl-C or {} stops them",
        env!("CARGO_PKG_VERSION"),
        folder.root().display(),
        hint::command(folder.stack(), "down")
    ));
}

/// The end of `up --load --headless`: what the load reported, and its exit code.
fn report(folder: &StateFolder, load: &LoadOrder, exit: Exit, json: bool) -> Outcome {
    let path = if json { load.out.clone() } else { text_beside(&load.out) };
    let Ok(text) = std::fs::read_to_string(&path) else {
        let log = std::fs::read_to_string(folder.logs().join("load.log")).unwrap_or_default();
        let exit = if exit == Exit::Ok { Exit::Failure } else { exit };
        return Err(Failure::new(exit, "the load left no report")
            .because(collector_api::text::clean(last_words(&log)).into_owned())
            .mend(format!("{} shows all that it said", hint::command(folder.stack(), "logs load"))));
    };
    output::line(text.trim_end());
    output::progress(&format!(
        "run written to {}; next: {}, {}",
        load.out.display(),
        hint::command(folder.stack(), "verify"),
        hint::command(folder.stack(), "report latest")
    ));
    Ok(exit)
}

/// The last line that stands for itself; a mend is indented below it.
fn last_words(log: &str) -> &str {
    log.lines().rev().find(|line| !line.trim().is_empty() && !line.starts_with(' ')).unwrap_or("it said nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isolation_frees_only_what_was_not_chosen() {
        assert_eq!(isolated(4317, 4317, true), 0);
        assert_eq!(isolated(5000, 4317, true), 5000);
        assert_eq!(isolated(4317, 4317, false), 4317);
    }
}
