//! Every key that a configuration may have: what it holds and what it is for. Reader, errors and `docs/config.md` are made
//! from this table.

use serde_json::{Map, Value};

/// A key.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub key: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it is for, with unit and default.
    pub doc: &'static str,
}

/// What a key holds.
#[derive(Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// Any text, which no error repeats.
    Secret,
    /// Text of a form of its own.
    Formed(&'static Form),
    /// One of some words.
    Word(&'static [&'static str]),
    /// A whole number between two bounds.
    Whole(u64, u64),
    /// A number from 0 to 1.
    Ratio,
    /// `true` or `false`.
    Switch,
    /// host:port to listen on; an empty host is every address, port 0 a free one.
    Listen,
    /// host:port to connect to, without a scheme.
    Address,
    /// A list of texts.
    Texts,
    /// A list of host:port.
    Addresses,
    /// Texts by name, which no error repeats.
    Secrets,
    /// Keys below this one.
    Table(&'static Section),
    /// A list of such.
    Tables(&'static Section),
    /// go-zero knows the key; here it is accepted and does nothing, for this reason.
    Inert(&'static str),
    /// go-zero knows the key; here it is refused unless it is switched off, for this reason.
    Refused(&'static str),
}

/// Text that must be readable by what it is for.
#[derive(Debug)]
pub struct Form {
    /// What it holds, as the document says it.
    pub holds: &'static str,
    /// Whether no error may repeat it.
    pub is_secret: bool,
    /// The error says what is wrong and what would be right, and repeats no secret.
    pub check: fn(&str) -> Result<(), String>,
}

/// Keys that stand together.
pub struct Section {
    /// The keys.
    pub fields: &'static [Field],
    /// What must hold between them: the text says what does not.
    pub rule: fn(&Map<String, Value>) -> Option<String>,
}

impl std::fmt::Debug for Section {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.fields.iter().map(|field| field.key)).finish()
    }
}

macro_rules! section {
    ($name:ident, $rule:expr; $($key:literal $kind:expr, $doc:literal;)*) => {
        pub(super) static $name: Section = Section { fields: &[$(Field { key: $key, kind: $kind, doc: $doc }),*], rule: $rule };
    };
}

use Kind::{
    Address, Addresses, Formed, Inert, Listen, Ratio, Refused, Secret, Secrets, Switch, Table, Tables, Text, Texts,
    Whole, Word,
};

const NO_TLS: &str = "TLS is not spoken here; let a proxy in front do it";
const HOST_LOGS: &str = "rotating and pruning logs is left to the host";
const SECONDS: u64 = 366 * 86_400;

static LEVEL: Form =
    Form { holds: "level or filter", is_secret: false, check: |text| super::level::filter(text).map(drop) };

static SOURCE: Form = Form { holds: "secret text", is_secret: true, check: crate::store::check_source };

static TARGET: Form = Form { holds: "text", is_secret: false, check: crate::discovery::check_target };

/// A secret that is sent.
pub(super) static HEADER: Form = Form { holds: "secret text", is_secret: true, check: super::header::value };

fn free(_: &Map<String, Value>) -> Option<String> {
    None
}

/// Whether something that means something stands under a key.
pub(super) fn has(section: &Map<String, Value>, key: &str) -> bool {
    match section.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(_) => true,
    }
}

fn needs(section: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    keys.iter().find(|key| !has(section, key)).map(|key| format!("`{key}` is missing here"))
}

/// The keys of a whole file.
pub static ROOT: Section = Section {
    fields: &[
        Field {
            key: "Name",
            kind: Text,
            doc: "Name of the service: in the registry, in logs and in telemetry. Required.",
        },
        Field {
            key: "Mode",
            kind: Word(&["dev", "test", "rt", "pre", "pro"]),
            doc: "Only in `pro`, the default, requests are shed.",
        },
        Field {
            key: "ListenOn",
            kind: Listen,
            doc: "Where an RPC service listens; port 0 takes a free one. `127.0.0.1:0`.",
        },
        Field { key: "Host", kind: Text, doc: "Address that a gateway or API listens on. `127.0.0.1`." },
        Field {
            key: "Port",
            kind: Whole(0, 65_535),
            doc: "Port that a gateway or API listens on; 0 takes a free one. 0.",
        },
        Field {
            key: "Timeout",
            kind: Whole(0, 3_600_000),
            doc: "Longest time of one request, milliseconds; 0 means no limit. 2000, for a gateway or API 3000.",
        },
        Field {
            key: "MaxBytes",
            kind: Whole(1, 1 << 30),
            doc: "Largest request body, bytes, before and after decompression. 1048576.",
        },
        Field {
            key: "MaxConns",
            kind: Whole(0, 1 << 20),
            doc: "Requests that one route serves at once; 0 means no limit. 10000.",
        },
        Field {
            key: "CpuThreshold",
            kind: Whole(0, 999),
            doc: "Thousandths of the processor share from which requests may be shed; 0 sheds nothing. 900.",
        },
        Field { key: "Auth", kind: Table(&AUTH), doc: "Access tokens (JWT) of a gateway or API." },
        Field {
            key: "DataSource",
            kind: Formed(&SOURCE),
            doc: "Database: `sqlite:///data/pay.db`, `mysql://user:pass@host:3306/mall_pay` or `user:pass@tcp(host:3306)/mall_pay`.",
        },
        Field { key: "Database", kind: Table(&DATABASE), doc: "Pool of connections to the database." },
        Field {
            key: "CacheRedis",
            kind: Tables(&CACHE_NODE),
            doc: "Nodes of the cache; without any, each process caches in its own memory.",
        },
        Field {
            key: "Redis",
            kind: Table(&REDIS),
            doc: "Redis of rate limits and order events; without it both stay within the shop's own means.",
        },
        Field { key: "Etcd", kind: Table(&ETCD), doc: "Where an RPC service announces itself." },
        Field { key: "Consul", kind: Table(&CONSUL), doc: "Where an RPC service announces itself." },
        Field { key: "UserRpc", kind: Table(&CLIENT), doc: "How user-rpc is found." },
        Field { key: "OrderRpc", kind: Table(&CLIENT), doc: "How order-rpc is found." },
        Field { key: "PayRpc", kind: Table(&CLIENT), doc: "How pay-rpc is found." },
        Field { key: "Telemetry", kind: Table(&TELEMETRY), doc: "Where spans, metrics and logs go." },
        Field { key: "Log", kind: Table(&LOG), doc: "The process's own log lines." },
        Field { key: "Prometheus", kind: Table(&PROMETHEUS), doc: "Metrics for a scraper; absent serves none." },
        Field {
            key: "DevServer",
            kind: Table(&DEV_SERVER),
            doc: "Metrics and health on a port for people who look after the process; absent opens none.",
        },
        Field { key: "Mall", kind: Table(&MALL), doc: "What go-zero has no key for." },
        Field { key: "Health", kind: Inert("gRPC health is always served"), doc: "" },
        Field { key: "Middlewares", kind: Inert("every duty of a gateway is always on"), doc: "" },
        Field { key: "MetricsUrl", kind: Inert("metrics go over OTLP, or are scraped"), doc: "" },
        Field { key: "TraceIgnorePaths", kind: Inert("health checks are never traced, everything else is"), doc: "" },
        Field { key: "Verbose", kind: Inert("`Log.Level: debug` logs every request"), doc: "" },
        Field { key: "StrictControl", kind: Inert("RPC calls carry no application token"), doc: "" },
        Field { key: "CertFile", kind: Refused(NO_TLS), doc: "" },
        Field { key: "KeyFile", kind: Refused(NO_TLS), doc: "" },
        Field { key: "Signature", kind: Refused("signatures of requests are not checked"), doc: "" },
    ],
    rule: |root| {
        let database = root.get("Database").and_then(Value::as_object);
        let both = has(root, "DataSource") && database.is_some_and(|database| has(database, "DataSource"));
        if both {
            return Some("`DataSource` and `Database.DataSource` both name the database; keep one".to_owned());
        }
        let both = has(root, "Etcd") && has(root, "Consul");
        both.then(|| "`Etcd` and `Consul` both announce the service; keep one".to_owned())
    },
};

section! { AUTH, |auth| {
    let short = ["AccessSecret", "PrevSecret"].into_iter().find(|key| {
        auth.get(*key).and_then(Value::as_str).is_some_and(|secret| !secret.is_empty() && secret.chars().count() < 8)
    });
    short.map(|key| format!("`{key}` has fewer than 8 characters; take a longer one"))
};
    "AccessSecret" Secret, "Key that tokens are signed with (HMAC), at least 8 characters.";
    "AccessExpire" Whole(1, SECONDS), "Life of a token, seconds. 86400.";
    "PrevSecret" Secret, "Key that tokens were signed with before: still accepted, never signed with.";
}
section! { DATABASE, free;
    "DataSource" Formed(&SOURCE), "As `DataSource` of the service; one of the two is enough.";
    "MaxOpenConns" Whole(1, 10_000), "Connections at most. 64.";
    "MaxIdleConns" Whole(0, 10_000), "Idle connections that are kept. 64.";
    "MaxLifetime" Whole(0, SECONDS), "Seconds after which a connection is replaced; 0 never. 60.";
}
section! { CACHE_NODE, |node| needs(node, &["Host"]);
    "Host" Address, "Redis of this node.";
    "Type" Word(&["node"]), "Only single nodes; list several to share the keys.";
    "User" Text, "Name of a user, where Redis asks for one.";
    "Pass" Secret, "The user's password.";
    "Weight" Whole(1, 10_000), "Share of the keys beside those of the other nodes. 100.";
    "Tls" Refused(NO_TLS), "";
    "NonBlock" Inert("a Redis that is away never keeps the service from starting"), "";
    "PingTimeout" Inert("a Redis that is away never keeps the service from starting"), "";
}
section! { REDIS, |redis| needs(redis, &["Host"]);
    "Host" Address, "The server.";
    "Type" Word(&["node"]), "Only single nodes.";
    "User" Text, "Name of a user, where Redis asks for one.";
    "Pass" Secret, "The user's password.";
    "Key" Inert("RPC calls carry no application token"), "";
    "Tls" Refused(NO_TLS), "";
    "NonBlock" Inert("a Redis that is away never keeps the service from starting"), "";
    "PingTimeout" Inert("a Redis that is away never keeps the service from starting"), "";
}
section! { ETCD, |etcd| needs(etcd, &["Hosts", "Key"]);
    "Hosts" Addresses, "Every member.";
    "Key" Text, "Replicas stand at `<Key>/<lease>`.";
    "ID" Whole(0, i64::MAX as u64), "Stands in the key instead of the lease when it is not 0.";
    "User" Text, "Name of a user, where etcd asks for one.";
    "Pass" Secret, "The user's password.";
    "CertFile" Refused(NO_TLS), "";
    "CertKeyFile" Refused(NO_TLS), "";
    "CACertFile" Refused(NO_TLS), "";
    "InsecureSkipVerify" Inert(NO_TLS), "";
}
section! { CONSUL, |consul| needs(consul, &["Host", "Key"]);
    "Host" Address, "The agent.";
    "Key" Text, "Name of the service.";
    "Token" Formed(&HEADER), "ACL token, where Consul asks for one.";
}
section! { CLIENT, |client| {
    let ways = ["Etcd", "Consul", "Endpoints", "Target"].into_iter().filter(|way| has(client, way));
    let ways: Vec<String> = ways.map(|way| format!("`{way}`")).collect();
    (ways.len() > 1).then(|| format!("{} all say where the service is; keep one", ways.join(" and ")))
};
    "Etcd" Table(&ETCD), "Found in etcd.";
    "Consul" Table(&CONSUL), "Found in Consul.";
    "Endpoints" Addresses, "Every replica.";
    "Target" Formed(&TARGET), "`etcd://hosts/key`, `consul://host/key`, `direct:///host:port,host:port` or `dns:///name:port`.";
    "Timeout" Whole(0, 3_600_000), "Longest time of one call, milliseconds; 0 means no limit. 2000.";
    "NonBlock" Switch, "Whether the process starts before a replica is connected. true.";
    "BalancerName" Word(&["p2c_ewma"]), "Only power of two choices.";
    "App" Inert("RPC calls carry no application token"), "";
    "Token" Inert("RPC calls carry no application token"), "";
    "KeepaliveTime" Inert("a connection that breaks is opened again at once"), "";
    "Middlewares" Inert("every duty of a client is always on"), "";
}
section! { TELEMETRY, |telemetry| {
    let path = telemetry.get("OtlpHttpPath").and_then(Value::as_str).unwrap_or_default();
    let by_http = telemetry.get("Batcher").and_then(Value::as_str) == Some("otlphttp");
    (!path.is_empty() && !by_http).then(|| "`OtlpHttpPath` is of `Batcher: otlphttp` only".to_owned())
};
    "Name" Text, "`service.name`; the service's own name when absent.";
    "Endpoint" Address, "OTLP receiver, without a scheme; absent exports nothing, ids are still made.";
    "Sampler" Ratio, "Share of the traces beginning here that are sampled. 1.0.";
    "Batcher" Word(&["otlpgrpc", "otlphttp"]), "Protocol of the export. `otlpgrpc`.";
    "OtlpHeaders" Secrets, "Sent with every export, as gRPC metadata or HTTP headers.";
    "OtlpHttpPath" Text, "Path of spans over `otlphttp`; metrics and logs stand beside it. `/v1/traces`.";
    "Disabled" Switch, "No telemetry at all. false.";
    "OtlpHttpSecure" Refused(NO_TLS), "";
}
section! { LOG, free;
    "ServiceName" Text, "Name of the file of `file`; the service's own name when absent.";
    "Mode" Word(&["console", "file"]), "`console` writes to standard error, `file` appends to `<Path>/<ServiceName>.log`. `console`.";
    "Level" Formed(&LEVEL), "`debug`, `info`, `warn`, `error`, `severe` (as `error`), `trace`, `off`, or a filter such as `info,mall=debug`. `info`.";
    "Encoding" Word(&["json", "plain"]), "`json`.";
    "Path" Text, "Folder of `file`. `logs`.";
    "Stat" Inert("figures go over OTLP, or are scraped"), "";
    "KeepDays" Inert(HOST_LOGS), "";
    "MaxBackups" Inert(HOST_LOGS), "";
    "MaxSize" Inert(HOST_LOGS), "";
    "Rotation" Inert(HOST_LOGS), "";
    "Compress" Inert(HOST_LOGS), "";
    "TimeFormat" Inert("times are RFC 3339 in UTC"), "";
    "MaxContentLength" Inert("lines are bounded where they are made"), "";
    "StackCooldownMillis" Inert("no stacks are logged"), "";
}
section! { PROMETHEUS, free;
    "Host" Text, "Address to listen on; absent serves no metrics.";
    "Port" Whole(0, 65_535), "9101.";
    "Path" Text, "`/metrics`.";
}
section! { DEV_SERVER, free;
    "Enabled" Switch, "true.";
    "Host" Text, "Address to listen on; absent is every address.";
    "Port" Whole(0, 65_535), "6060.";
    "MetricsPath" Text, "`/metrics`.";
    "HealthPath" Text, "`/healthz`.";
    "HealthResponse" Text, "What a healthy process answers. `OK`.";
    "EnableMetrics" Switch, "true.";
    "EnablePprof" Inert("there is no Go runtime to profile"), "";
}
section! { MALL, free;
    "Instance" Text, "`service.instance.id`, such as `pay-rpc/1`: stable over restarts. `Name` when absent.";
    "Control" Table(&CONTROL), "The supervisor that started the process.";
    "Policy" Word(&["go-zero"]), "Policy of breakers and balancers.";
    "Namespace" Text, "Begins every key in Redis, so that shops can share a server. `mall`.";
    "Seed" Whole(0, u64::MAX), "Seed of every random decision of the process. 0.";
    "Cors" Table(&CORS), "Which pages of other origins may call a gateway.";
    "Limits" Tables(&LIMIT), "Rate limits of a gateway or API.";
    "Cache" Table(&CACHE), "How long the cache keeps rows.";
    "ShedBy" Word(&["process", "cgroup"]), "Whose processor share the shedder looks at: of this process, or of the whole container as in go-zero. `process`.";
}
section! { CONTROL, free;
    "Endpoint" Address, "Absent runs without a supervisor.";
    "Token" Formed(&HEADER), "Token of the stack.";
}
section! { CORS, free;
    "Origins" Texts, "Allowed origins, each with its subdomains; none, or `*`, allows all.";
}
section! { LIMIT, |limit| {
    let number = |key: &str| limit.get(key).and_then(Value::as_u64).unwrap_or(0);
    let (quota, period, rate, burst) = (number("Quota"), number("Period"), number("Rate"), number("Burst"));
    match (quota > 0 && period > 0, rate > 0 && burst > 0) {
        (true, false) if rate == 0 && burst == 0 => None,
        (false, true) if quota == 0 && period == 0 && burst * 2 >= rate => None,
        (false, true) if quota == 0 && period == 0 => {
            Some(format!("`Burst` is {burst}: at least half of `Rate` {rate}, or Redis cannot keep the bucket"))
        }
        _ => Some("a limit is `Quota` with `Period`, or `Rate` with `Burst`".to_owned()),
    }
    .or_else(|| needs(limit, &["Route"]))
};
    "Route" Text, "`POST /api/order/create`, or `*`: each route for itself.";
    "Per" Word(&["route", "user"]), "Whether the route's requests are counted together, or each user's for themselves. `route`.";
    "Quota" Whole(0, 1 << 40), "Requests in each period.";
    "Period" Whole(0, SECONDS), "Length of a period, seconds.";
    "Rate" Whole(0, 1 << 40), "Tokens that flow in per second.";
    "Burst" Whole(0, 1 << 40), "Tokens that the bucket holds, at least half of `Rate`.";
}
section! { CACHE, free;
    "Expiry" Whole(1, SECONDS), "Seconds that a row is kept, give or take 5 %. 604800.";
    "NotFoundExpiry" Whole(1, SECONDS), "Seconds that the absence of a row is kept, give or take 5 %. 60.";
}
