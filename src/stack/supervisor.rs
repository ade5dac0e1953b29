//! The supervisor: one process that holds the lock, runs the collector, starts the shop in order, keeps it running, and
//! stops it in order.
//!
//! Order of starting: lock, ports, collector and control, migration, all replicas at once, the proxy that somebody else
//! runs. Order of stopping: load, what answers HTTP, RPC services, collector last, so that the last spans of every process
//! still arrive.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use collector::{Collector, Config, RuleSource};
use futures::future::join_all;
use mall::config::{Role, Secret};
use mall_api::control::control_server::ControlServer;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::board::Board;
use super::configs::{POLICY, Writer, random_secret};
use super::control::ControlService;
use super::edge::Edge;
use super::faults::Faults;
use super::instance::Instance;
use super::jobs::{migrate, run_load};
use super::order::{LoadOrder, Order, Report, Shop};
use super::outages::Outages;
use super::ports::{self, Wanted};
use super::presence::{self, Presence};
use super::process::{self, Mark};
use super::registry::Registry;
use super::replica::Replica;
use super::rules;
use super::shared::{Shared, unix_ns};
use super::stack_file::{Addresses, SCHEMA, StackFile};
use super::stand::Stand;
use super::state::{Lock, StateFolder};
use crate::exit::{Exit, Failure};
use crate::hint;
use crate::topology::Apis;

/// Byte budget of the trace store.
const STORE_BYTES: usize = 192 << 20;

/// How long the collector may take to end once everything else has.
const COLLECTOR_LIMIT: Duration = Duration::from_secs(2);

/// Runs a stack from its order to its end.
pub async fn supervise(folder: StateFolder, order: Order, parent_lost: watch::Receiver<bool>) -> Result<(), Failure> {
    let started = Instant::now() - Duration::from_nanos(unix_ns().saturating_sub(order.started_unix_ns));
    folder.create()?;
    let _lock: Lock = folder.try_lock()?.ok_or_else(|| already_running(&folder))?;
    check_ports(&order)?;
    let token = random_secret();
    let collector = bind(&folder, &order, &token).await?;
    let (shared, requests) = share(folder, order, &token, &collector);
    let mut stack = Running::start(&shared, collector);
    shared.write_stack_file()?;
    Report::Listening { addresses: shared.addresses.borrow().clone(), token }.send();
    stack.background(watch_parent(Arc::clone(&shared), parent_lost));

    let outcome = match shared.order.shop.clone() {
        Some(shop) => stack.run_shop(&shop, requests, started).await,
        None => stack.run_collector(started).await,
    };
    stack.stop().await;
    outcome
}

/// What runs while a stack is up.
struct Running {
    shared: Arc<Shared>,
    collector: JoinHandle<()>,
    collector_stop: CancellationToken,
    background: Vec<JoinHandle<()>>,
    replicas: Vec<(Instance, CancellationToken, JoinHandle<()>)>,
    load: Option<(CancellationToken, JoinHandle<()>)>,
}

type Requests = Vec<(Instance, mpsc::Receiver<super::replica::RestartRequest>)>;

impl Running {
    fn start(shared: &Arc<Shared>, collector: Collector) -> Self {
        let collector_stop = CancellationToken::new();
        let control = ControlServer::new(ControlService::new(Arc::clone(shared)))
            .max_decoding_message_size(mall_api::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(mall_api::MAX_MESSAGE_BYTES);
        // Its status for the whole process is `serving` as long as it answers at all.
        let (_, health) = tonic_health::server::health_reporter();
        let serve = collector.serve(Routes::new(control).add_service(health), collector_stop.clone());
        let stop = shared.stop.clone();
        let collector = tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the collector ended, so the stack stops");
                stop.cancel();
            }
        });
        let mut running = Self {
            shared: Arc::clone(shared),
            collector,
            collector_stop,
            background: Vec::new(),
            replicas: Vec::new(),
            load: None,
        };
        let registry = Arc::clone(shared);
        running.background(async move { registry.registry.keep_clean().await });
        running.background(Arc::clone(shared).keep_faults());
        running.background(stop_on_signal(Arc::clone(shared)));
        running.background(keep_stack_file(Arc::clone(shared)));
        running
    }

    fn background(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.background.push(tokio::spawn(task));
    }

    async fn run_collector(&mut self, started: Instant) -> Result<(), Failure> {
        self.ready(started);
        self.shared.stop.cancelled().await;
        Ok(())
    }

    async fn run_shop(&mut self, shop: &Shop, requests: Requests, started: Instant) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let writer = Writer::new(&shared, shop);
        shared.board.set_phase("migrating");
        let data_id = tokio::select! {
            migrated = migrate(&shared, &writer) => migrated?,
            () = shared.stop.cancelled() => return Ok(()),
        };
        shared.board.set_phase("starting");
        for (instance, restarts) in requests {
            let config = writer.replica(instance, &data_id)?;
            let stop = CancellationToken::new();
            let replica = Replica { instance, config, restarts, stop: stop.clone() };
            self.replicas.push((instance, stop, tokio::spawn(replica.run(Arc::clone(&shared)))));
        }
        tokio::select! {
            () = all_ready(&shared.board) => {}
            () = shared.stop.cancelled() => return Ok(()),
        }
        self.background(Arc::clone(&shared).watch_edge());
        self.background(Arc::clone(&shared).watch_servers());
        tokio::select! {
            () = shared.edge.opened() => {}
            () = shared.stop.cancelled() => return Ok(()),
        }
        self.ready(started);
        if let Some(load) = shared.order.load.clone() {
            self.start_load(&load);
        }
        shared.stop.cancelled().await;
        Ok(())
    }

    fn ready(&self, started: Instant) {
        let ready_ms = started.elapsed().as_millis() as u64;
        self.shared.board.set_ready(ready_ms);
        if let Err(failure) = self.shared.write_stack_file() {
            tracing::warn!("{failure}");
        }
        tracing::info!(ready_ms, "ready");
        Report::Ready { ready_ms }.send();
    }

    fn start_load(&mut self, load: &LoadOrder) {
        let stop = CancellationToken::new();
        let task = run_load(Arc::clone(&self.shared), load.clone(), stop.clone());
        self.load = Some((stop, tokio::spawn(task)));
    }

    /// Stops everything, in order.
    async fn stop(mut self) {
        let shared = Arc::clone(&self.shared);
        shared.stop.cancel();
        shared.board.changed();
        if let Some((stop, task)) = self.load.take() {
            stop.cancel();
            // A task that panicked has ended too.
            let _ = task.await;
            shared.say_farewell("load stopped");
        }
        for role in [&[Role::Gateway][..], &Role::API[..], &Role::RPC[..]] {
            let (now, later): (Vec<_>, Vec<_>) =
                self.replicas.drain(..).partition(|(instance, ..)| role.contains(&instance.role));
            self.replicas = later;
            let count = now.len();
            join_all(now.into_iter().map(|(_, stop, task)| {
                stop.cancel();
                task
            }))
            .await;
            if count > 0 {
                let names: Vec<&str> = role.iter().map(|role| role.name()).collect();
                shared.say_farewell(format!("{} stopped ({count})", names.join(", ")));
            }
        }
        shared.say_farewell("collector stopped last");
        for task in &self.background {
            task.abort();
        }
        // One that was just writing `stack.json` must have ended before its last state is written.
        join_all(self.background).await;
        if let Err(failure) = shared.write_stack_file() {
            tracing::warn!("{failure}");
        }
        self.collector_stop.cancel();
        // Consoles may hold their streams open; they see the stack go either way.
        let _ = tokio::time::timeout(COLLECTOR_LIMIT, self.collector).await;
    }
}

impl Shared {
    fn write_stack_file(&self) -> Result<(), Failure> {
        self.folder.write(|| self.stack_file())
    }

    fn stack_file(&self) -> StackFile {
        let (_, ready_ms) = self.board.phase();
        let mut topology = BTreeMap::new();
        for instance in self.board.instances() {
            *topology.entry(instance.role.name().to_owned()).or_insert(0) += 1;
        }
        let shop = self.order.shop.as_ref();
        let places = shop.map(|shop| shop.topology.clone());
        StackFile {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            stack: self.folder.stack().to_owned(),
            shop: shop.is_some(),
            boot_id: process::boot_id(),
            supervisor: self.own.unwrap_or(Mark { pid: std::process::id(), start_ticks: 0 }),
            started_unix_ns: self.order.started_unix_ns,
            ready_ms,
            addresses: self.addresses.borrow().clone(),
            data_sources: places.as_ref().map(|topology| topology.store.sources(&self.folder.data())),
            data: self.data(),
            places,
            earlier: self.earlier.clone(),
            token: self.token.expose().to_owned(),
            policy: POLICY.to_owned(),
            seed: self.order.seed,
            topology,
            replicas: self.board.marks(),
        }
    }
}

fn already_running(folder: &StateFolder) -> Failure {
    let holder = folder.read().ok().flatten().map_or_else(String::new, |file| format!("pid {}", file.supervisor.pid));
    let stack = folder.stack();
    Failure::new(Exit::Conflict, format!("stack '{stack}' is already running"))
        .because(if holder.is_empty() { "another supervisor is starting".to_owned() } else { holder })
        .mend(format!(
            "see {}, stop it with {}, or start another with `--stack NAME --isolated`",
            hint::command(stack, "status"),
            hint::command(stack, "down")
        ))
}

fn check_ports(order: &Order) -> Result<(), Failure> {
    let mut wanted = vec![
        Wanted { purpose: "OTLP over gRPC", flag: "--otlp-grpc", port: order.otlp_grpc },
        Wanted { purpose: "OTLP over HTTP", flag: "--otlp-http", port: order.otlp_http },
        Wanted { purpose: "console", flag: "--console-port", port: order.console },
    ];
    if let Some(shop) = &order.shop {
        match shop.topology.apis {
            Apis::One => {
                wanted.insert(0, Wanted { purpose: "gateway", flag: "--gateway-port", port: shop.gateway_port });
            }
            Apis::Three => {
                let apis = ["user-api", "order-api", "pay-api"].into_iter().zip(shop.api_ports);
                wanted.extend(apis.map(|(purpose, port)| Wanted { purpose, flag: "--api-ports", port }));
            }
        }
    }
    ports::check(order.bind, &wanted)
}

async fn bind(folder: &StateFolder, order: &Order, token: &str) -> Result<Collector, Failure> {
    let config = Config {
        stack: folder.stack().to_owned(),
        bind: order.bind,
        otlp_grpc: order.otlp_grpc,
        otlp_http: order.otlp_http,
        console: order.console,
        store_bytes: STORE_BYTES,
        keep: order.keep,
        rules: rules::shipped(rules::PROFILE)
            .into_iter()
            .map(|(name, text)| RuleSource { name: name.to_owned(), text: text.to_owned() })
            .collect(),
        rules_profile: rules::PROFILE.to_owned(),
        token: Some(token.to_owned()),
        version: env!("CARGO_PKG_VERSION"),
        has_control: true,
    };
    Collector::bind(config).await.map_err(|error| {
        Failure::new(Exit::Conflict, "the collector cannot start")
            .because(error)
            .mend("choose other ports, or let the system choose with --isolated")
    })
}

fn share(folder: StateFolder, order: Order, token: &str, collector: &Collector) -> (Arc<Shared>, Requests) {
    let instances = order.shop.as_ref().map(Shop::instances).unwrap_or_default();
    let (senders, requests): (BTreeMap<_, _>, Requests) = instances
        .iter()
        .map(|instance| {
            let (sender, receiver) = mpsc::channel(1);
            ((*instance, sender), (*instance, receiver))
        })
        .unzip();
    let here = collector.addresses();
    let text = |address: SocketAddr| address.to_string();
    let addresses = Addresses {
        gateway: String::new(),
        otlp_grpc: text(here.otlp_grpc),
        otlp_http: text(here.otlp_http),
        console: text(here.console),
    };
    let now = order.shop.as_ref().map(|shop| (&shop.topology.store, &shop.topology.cache));
    let (earlier, known) = Stand::before(folder.read().ok().flatten(), now);
    let shared = Shared {
        folder,
        token: Secret::new(token),
        own: Mark::own(),
        board: Board::new(instances),
        registry: Registry::new(),
        faults: Faults::default(),
        presence: Presence::new(order.detached, presence::GRACE),
        edge: Edge::new(order.shop.as_ref().and_then(|shop| shop.edge.clone())),
        outages: Outages::default(),
        data: std::sync::Mutex::new(known),
        earlier,
        hub: collector.hub(),
        addresses: watch::Sender::new(addresses),
        stop: CancellationToken::new(),
        farewell: watch::Sender::new(Vec::new()),
        restarts: senders,
        spawn_times: std::sync::Mutex::default(),
        order,
    };
    (Arc::new(shared), requests)
}

async fn all_ready(board: &Board) {
    let mut changes = board.watch();
    while !board.all_ready() {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn watch_parent(shared: Arc<Shared>, mut lost: watch::Receiver<bool>) {
    if lost.wait_for(|lost| *lost).await.is_ok() {
        shared.presence.parent_lost();
        shared.board.changed();
    }
    shared.presence.abandoned().await;
    tracing::warn!("nobody came back for the stack, so it stops");
    shared.stop.cancel();
}

async fn stop_on_signal(shared: Arc<Shared>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("cannot listen for signals; use {}", hint::command(shared.folder.stack(), "down"));
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shared.stop.cancel();
}

/// Writes `stack.json` anew when a process or an address changed.
async fn keep_stack_file(shared: Arc<Shared>) {
    let mut changes = shared.board.watch();
    let mut written = Vec::new();
    while changes.changed().await.is_ok() {
        let marks = shared.board.marks();
        if marks != written {
            written = marks;
            if let Err(failure) = shared.write_stack_file() {
                tracing::warn!("{failure}");
            }
        }
        // Replicas start together: their changes are written together.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
