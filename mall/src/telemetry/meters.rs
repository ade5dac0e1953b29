//! The metrics of a process: go-zero's names beside the semantic conventions' own.
//!
//! Every counter that an alert reads exists at zero from the start: a series that begins with its first increment hides
//! that increment from `rate` and `increase`.

use collector_api::vocabulary as word;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};
use std::sync::Arc;
use std::time::Duration;

const HTTP_MS: [f64; 9] = [5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 750.0, 1_000.0];
const RPC_MS: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_000.0, 5_000.0];
const SQL_MS: [f64; 18] = [
    0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0,
    15_000.0,
];
/// The semantic conventions' advice for durations of requests, in seconds.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// The same for database operations.
const DB_SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 15.0];

/// Status codes that every route's counter has from the start: a success, a client's error, both server errors.
const HTTP_CODES: [&str; 4] = ["200", "400", "500", "503"];

/// Every instrument that requests write to. Cheap to clone.
#[derive(Clone)]
pub struct Meters {
    inner: Arc<Instruments>,
}

struct Instruments {
    meter: Meter,
    http_ms: Histogram<f64>,
    http_codes: Counter<u64>,
    http_seconds: Histogram<f64>,
    rpc_server: Rpc,
    rpc_client: Rpc,
    sql_ms: Histogram<f64>,
    store_retries: Counter<u64>,
    db_seconds: Histogram<f64>,
    trips: Counter<u64>,
    rejections: Counter<u64>,
    calls: Counter<u64>,
    picks: Counter<u64>,
    limiter_rejections: Counter<u64>,
    limiter_passes: Counter<u64>,
    shed_drops: Counter<u64>,
    shed_passes: Counter<u64>,
}

struct Rpc {
    milliseconds: Histogram<f64>,
    codes: Counter<u64>,
    seconds: Histogram<f64>,
}

/// Which end of a call a measurement was taken at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The caller.
    Client,
    /// The callee.
    Server,
}

impl Meters {
    /// Creates every instrument on `meter`.
    pub fn new(meter: Meter) -> Self {
        let counter = |name: &'static str| meter.u64_counter(name).build();
        let histogram = |name: &'static str, unit: &'static str, edges: &[f64]| {
            meter.f64_histogram(name).with_unit(unit).with_boundaries(edges.to_vec()).build()
        };
        // The go-zero names carry their unit already; a unit would be appended to them a second time.
        let milliseconds =
            |name: &'static str, edges: &[f64]| meter.f64_histogram(name).with_boundaries(edges.to_vec()).build();
        let inner = Instruments {
            http_ms: milliseconds("http_server_requests_duration_ms", &HTTP_MS),
            http_codes: counter("http_server_requests_code_total"),
            http_seconds: histogram("http.server.request.duration", "s", &SECONDS),
            rpc_server: Rpc {
                milliseconds: milliseconds("rpc_server_requests_duration_ms", &RPC_MS),
                codes: counter("rpc_server_requests_code_total"),
                seconds: histogram("rpc.server.call.duration", "s", &SECONDS),
            },
            rpc_client: Rpc {
                milliseconds: milliseconds("rpc_client_requests_duration_ms", &RPC_MS),
                codes: counter("rpc_client_requests_code_total"),
                seconds: histogram("rpc.client.call.duration", "s", &SECONDS),
            },
            sql_ms: milliseconds("sql_client_requests_duration_ms", &SQL_MS),
            store_retries: counter(word::STORE_RETRIES),
            db_seconds: histogram("db.client.operation.duration", "s", &DB_SECONDS),
            trips: counter(word::BREAKER_TRIPS),
            rejections: counter(word::BREAKER_REJECTIONS),
            calls: counter(word::BREAKER_CALLS),
            picks: counter(word::P2C_PICKS),
            limiter_rejections: counter(word::LIMITER_REJECTIONS),
            limiter_passes: counter(word::LIMITER_PASSES),
            shed_drops: counter(word::SHED_DROPS),
            shed_passes: counter(word::SHED_PASSES),
            meter,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Meters whose measurements go nowhere.
    pub fn disabled() -> Self {
        use opentelemetry::metrics::MeterProvider as _;
        Self::new(opentelemetry::metrics::NoopMeterProvider::new().meter("mall"))
    }

    /// The meter, for observable instruments.
    pub fn meter(&self) -> &Meter {
        &self.inner.meter
    }

    /// Creates the request counters of every `(method, route)` at zero.
    pub fn register_routes(&self, routes: &[(&'static str, &'static str)]) {
        for (method, route) in routes {
            for code in HTTP_CODES {
                self.inner.http_codes.add(0, &http_key(method, route, code.to_owned()));
            }
        }
    }

    /// Records one HTTP request; `route` is the pattern, never the path.
    pub fn http_server(&self, method: &'static str, route: &'static str, status: u16, elapsed: Duration) {
        let key = http_key(method, route, status.to_string());
        self.inner.http_codes.add(1, &key);
        self.inner.http_ms.record(whole_milliseconds(elapsed), &key);
        let conventions = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        self.inner.http_seconds.record(elapsed.as_secs_f64(), &conventions);
    }

    /// Creates the counters of an RPC method at zero: OK, and what a failing dependency answers.
    pub fn register_rpc(&self, side: Side, method: &RpcMethod) {
        for code in [tonic::Code::Ok, tonic::Code::DeadlineExceeded, tonic::Code::Unavailable] {
            self.rpc(side).codes.add(0, &method.key(code));
        }
    }

    /// Records one RPC.
    pub fn rpc_call(&self, side: Side, method: &RpcMethod, code: tonic::Code, elapsed: Duration) {
        let rpc = self.rpc(side);
        let key = method.key(code);
        rpc.codes.add(1, &key);
        let [method_key, _] = &key;
        rpc.milliseconds.record(whole_milliseconds(elapsed), std::slice::from_ref(method_key));
        rpc.seconds.record(elapsed.as_secs_f64(), &method.conventions(code));
    }

    /// Counts a transaction that is run again because of what other transactions did to it (`deadlock`, `unique`).
    pub(crate) fn store_retry(&self, transaction: &'static str, cause: &'static str) {
        let attributes =
            [KeyValue::new("db.query.summary", transaction), KeyValue::new(word::STORE_RETRY_CAUSE, cause)];
        self.inner.store_retries.add(1, &attributes);
        super::span::event(word::STORE_RETRY, || vec![KeyValue::new(word::STORE_RETRY_CAUSE, cause)]);
    }

    /// Records one SQL statement: the database's kind (`mariadb`), go-zero's `command` (`exec`, `query`), the operation
    /// (`INSERT`) and its table.
    pub fn sql(
        &self,
        system: &'static str,
        command: &'static str,
        operation: &'static str,
        table: &'static str,
        elapsed: Duration,
    ) {
        self.inner.sql_ms.record(elapsed.as_secs_f64() * 1e3, &[KeyValue::new("command", command)]);
        let conventions = [
            KeyValue::new("db.system.name", system),
            KeyValue::new("db.operation.name", operation),
            KeyValue::new("db.collection.name", table),
        ];
        self.inner.db_seconds.record(elapsed.as_secs_f64(), &conventions);
    }

    /// Durations of another store's operations: under go-zero's `name` in milliseconds, with the edges that SQL has there,
    /// and under the conventions' in seconds.
    pub(crate) fn store_durations(&self, name: &'static str) -> (Histogram<f64>, Histogram<f64>) {
        let milliseconds = self.inner.meter.f64_histogram(name).with_boundaries(SQL_MS.to_vec()).build();
        (milliseconds, self.inner.db_seconds.clone())
    }

    /// Counters of limits: requests that passed, requests that were refused.
    pub(crate) fn limiter(&self) -> (Counter<u64>, Counter<u64>) {
        (self.inner.limiter_passes.clone(), self.inner.limiter_rejections.clone())
    }

    pub(crate) fn trips(&self) -> &Counter<u64> {
        &self.inner.trips
    }

    pub(crate) fn rejections(&self) -> &Counter<u64> {
        &self.inner.rejections
    }

    pub(crate) fn calls(&self) -> &Counter<u64> {
        &self.inner.calls
    }

    pub(crate) fn picks(&self) -> &Counter<u64> {
        &self.inner.picks
    }

    pub(crate) fn shed_drops(&self) -> &Counter<u64> {
        &self.inner.shed_drops
    }

    pub(crate) fn shed_passes(&self) -> &Counter<u64> {
        &self.inner.shed_passes
    }

    fn rpc(&self, side: Side) -> &Rpc {
        match side {
            Side::Client => &self.inner.rpc_client,
            Side::Server => &self.inner.rpc_server,
        }
    }
}

/// The attributes of one RPC method, made once.
#[derive(Debug, Clone)]
pub struct RpcMethod {
    /// `pkg.Svc/Method`.
    pub name: Arc<str>,
    legacy: KeyValue,
    system: KeyValue,
    method: KeyValue,
}

impl RpcMethod {
    /// The method of a request path such as `/pkg.Svc/Method`.
    pub fn new(path: &str) -> Self {
        let name: Arc<str> = path.trim_start_matches('/').into();
        Self {
            legacy: KeyValue::new("method", Arc::<str>::from(path)),
            system: KeyValue::new("rpc.system.name", "grpc"),
            method: KeyValue::new("rpc.method", Arc::clone(&name)),
            name,
        }
    }

    fn key(&self, code: tonic::Code) -> [KeyValue; 2] {
        [self.legacy.clone(), KeyValue::new("code", code_digits(code))]
    }

    fn conventions(&self, code: tonic::Code) -> [KeyValue; 3] {
        let code = KeyValue::new("rpc.response.status_code", crate::rpc::code_name(code));
        [self.system.clone(), self.method.clone(), code]
    }

    /// `rpc.system.name` and `rpc.method`, for spans.
    pub(crate) fn span_attributes(&self) -> [KeyValue; 2] {
        [self.system.clone(), self.method.clone()]
    }
}

fn http_key(method: &'static str, route: &'static str, code: String) -> [KeyValue; 3] {
    [KeyValue::new("path", route), KeyValue::new("method", method), KeyValue::new("code", code)]
}

/// The code's number, as go-zero's label has it.
fn code_digits(code: tonic::Code) -> &'static str {
    const DIGITS: [&str; 17] =
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];
    DIGITS.get(code as usize).copied().unwrap_or("2")
}

/// go-zero observes whole milliseconds.
fn whole_milliseconds(elapsed: Duration) -> f64 {
    elapsed.as_millis() as f64
}
