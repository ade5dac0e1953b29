//! A contract server that stands for Consul's agent. It is not Consul: it knows the four requests that discovery makes, and
//! refuses whatever Consul would refuse, and also what Consul would pass over in silence: an unknown field or parameter, a
//! check without an end, an index without a wait. What it refused is kept, for a client that retries would hide it.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a PUT of a service may hold, as far as it makes sense for one that reports by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    name: String,
    address: String,
    port: u16,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    meta: HashMap<String, String>,
    check: Check,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Check {
    #[serde(rename = "TTL")]
    ttl: String,
    status: Status,
    deregister_critical_service_after: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Passing,
    Warning,
    Critical,
}

#[derive(Default)]
struct Catalog {
    services: BTreeMap<String, Service>,
    violations: Vec<String>,
    passes: u64,
}

/// The agent. Clones are the same one.
#[derive(Clone)]
pub struct Contract {
    catalog: Arc<Mutex<Catalog>>,
    index: watch::Sender<u64>,
    token: Option<&'static str>,
}

/// A refusal: code and text.
type Refusal = (StatusCode, String);

impl Contract {
    /// An agent that knows nothing; with `token`, only who has it may write or sees anything.
    pub fn new(token: Option<&'static str>) -> Self {
        Self { catalog: Arc::default(), index: watch::Sender::new(100), token }
    }

    /// Serves on `listener` until the answer is cancelled, which also breaks every connection.
    pub fn start(&self, listener: TcpListener) -> CancellationToken {
        let router = Router::new().fallback(answer).with_state(self.clone());
        let stop = CancellationToken::new();
        let service = tower::ServiceExt::map_request(router, |request: http::Request<hyper::body::Incoming>| {
            request.map(axum::body::Body::new)
        });
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve(listener, service, stop.clone())));
        stop
    }

    /// Identities of the registered services.
    pub fn registered(&self) -> Vec<String> {
        self.catalog().services.keys().cloned().collect()
    }

    /// Checks that were passed.
    pub fn passes(&self) -> u64 {
        self.catalog().passes
    }

    /// Everything that was refused.
    pub fn violations(&self) -> Vec<String> {
        self.catalog().violations.clone()
    }

    /// The index, now and after every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.index.subscribe()
    }

    /// What the end of its TTL does to a service.
    pub fn end_ttl(&self, id: &str) {
        self.catalog().services.get_mut(id).expect("registered").check.status = Status::Critical;
        self.index.send_modify(|index| *index += 1);
    }

    /// What the loss of its data does to an agent: nothing is known, and the index begins anew.
    pub fn forget(&self) {
        self.catalog().services.clear();
        self.index.send_replace(1);
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().expect("not poisoned")
    }

    async fn handle(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
        let parameters = parameters(uri)?;
        let allow = |allowed: &[&str]| match parameters.keys().find(|key| !allowed.contains(&key.as_str())) {
            Some(key) => Err(bad(format!("unknown parameter {key}"))),
            None => Ok(()),
        };
        let may = self.token.is_none_or(|token| headers.get("x-consul-token").is_some_and(|given| given == token));
        let path = uri.path();
        let only = |wanted: Method| {
            let refusal = (StatusCode::METHOD_NOT_ALLOWED, format!("method {method} not allowed"));
            (method == wanted).then_some(()).ok_or(refusal)
        };
        if let Some(name) = path.strip_prefix("/v1/health/service/") {
            only(Method::GET)?;
            allow(&["passing", "index", "wait"])?;
            return self.health(&decoded(name)?, &parameters, may).await;
        }
        let denied = || (StatusCode::FORBIDDEN, "Permission denied".to_owned());
        if path == "/v1/agent/service/register" {
            only(Method::PUT)?;
            allow(&["replace-existing-checks"])?;
            may.then_some(()).ok_or_else(denied)?;
            return self.register(headers, body);
        }
        if let Some(id) = path.strip_prefix("/v1/agent/service/deregister/") {
            only(Method::PUT)?;
            allow(&[])?;
            may.then_some(()).ok_or_else(denied)?;
            return self.deregister(&decoded(id)?);
        }
        if let Some(id) = path.strip_prefix("/v1/agent/check/pass/") {
            only(Method::PUT)?;
            allow(&["note"])?;
            may.then_some(()).ok_or_else(denied)?;
            return self.pass(&decoded(id)?);
        }
        Err((StatusCode::NOT_FOUND, format!("no such path {path}")))
    }

    fn register(&self, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
        if headers.get("content-type").is_none_or(|kind| kind != "application/json") {
            return Err(bad("the body is no application/json"));
        }
        let service: Service = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
        if service.name.is_empty() || service.id.is_empty() {
            return Err(bad("Missing service name"));
        }
        if service.port == 0 || service.address.parse::<std::net::IpAddr>().is_err() {
            return Err(bad("Invalid service address"));
        }
        let ttl = duration(&service.check.ttl).ok_or_else(|| bad("Invalid check: TTL must be > 0 for TTL checks"))?;
        if let Some(after) = &service.check.deregister_critical_service_after {
            // Consul knows no shorter time than a minute.
            let after = duration(after).ok_or_else(|| bad("invalid DeregisterCriticalServiceAfter"))?;
            if after < Duration::from_mins(1) || after < ttl {
                return Err(bad("DeregisterCriticalServiceAfter is below a minute"));
            }
        }
        let is_long = |(key, value): (&String, &String)| key.len() > 128 || value.len() > 512;
        if service.meta.len() > 64 || service.meta.iter().any(is_long) || service.tags.iter().any(String::is_empty) {
            return Err(bad("Invalid Service Meta"));
        }
        self.catalog().services.insert(service.id.clone(), service);
        self.index.send_modify(|index| *index += 1);
        Ok(StatusCode::OK.into_response())
    }

    fn deregister(&self, id: &str) -> Result<Response, Refusal> {
        let removed = self.catalog().services.remove(id);
        removed.ok_or_else(|| (StatusCode::NOT_FOUND, format!("Unknown service ID {id:?}.")))?;
        self.index.send_modify(|index| *index += 1);
        Ok(StatusCode::OK.into_response())
    }

    fn pass(&self, check: &str) -> Result<Response, Refusal> {
        let unknown = || (StatusCode::NOT_FOUND, format!("Unknown check ID {check:?}."));
        let id = check.strip_prefix("service:").ok_or_else(unknown)?;
        let was = {
            let mut catalog = self.catalog();
            let service = catalog.services.get_mut(id).ok_or_else(unknown)?;
            let was = std::mem::replace(&mut service.check.status, Status::Passing);
            catalog.passes += 1;
            was
        };
        self.index.send_modify(|index| *index += u64::from(was != Status::Passing));
        Ok(StatusCode::OK.into_response())
    }

    async fn health(&self, name: &str, parameters: &HashMap<String, String>, may: bool) -> Result<Response, Refusal> {
        if let Some(index) = parameters.get("index") {
            let index: u64 = index.parse().map_err(|_| bad("Invalid index"))?;
            let wait = parameters.get("wait").ok_or_else(|| bad("a blocking query without a wait"))?;
            let wait = duration(wait).filter(|wait| *wait <= Duration::from_mins(10));
            let wait = wait.ok_or_else(|| bad("Invalid wait time"))?;
            if index == 0 {
                return Err(bad("an index of 0 never waits"));
            }
            let mut changes = self.index.subscribe();
            let _ = tokio::time::timeout(wait, changes.wait_for(|now| *now != index)).await;
        }
        let only_passing = match parameters.get("passing").map(String::as_str) {
            Some("" | "1" | "true") => true,
            None => false,
            Some(_) => return Err(bad("Invalid value for ?passing")),
        };
        let index = *self.index.borrow();
        let catalog = self.catalog();
        let of_name = catalog.services.values().filter(|service| service.name == name && may);
        let listed = of_name.filter(|service| !only_passing || service.check.status == Status::Passing);
        let entries: Vec<Value> = listed.map(entry).collect();
        let headers = [("x-consul-index", index.to_string()), ("x-consul-knownleader", "true".to_owned())];
        Ok((headers, axum::Json(entries)).into_response())
    }
}

async fn answer(
    State(contract): State<Contract>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match contract.handle(&method, &uri, &headers, &body).await {
        Ok(response) => response,
        Err((status, text)) => {
            contract.catalog().violations.push(format!("{status}: {text}"));
            (status, text).into_response()
        }
    }
}

async fn serve<S>(listener: TcpListener, service: S, stop: CancellationToken)
where
    S: tower::Service<http::Request<hyper::body::Incoming>, Response = Response, Error = std::convert::Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    while let Ok((stream, _)) = listener.accept().await {
        let service = hyper_util::service::TowerToHyperService::new(service.clone());
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), service);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            // A client may leave in the midst of a blocking query.
            let _ = connection.await;
        }));
    }
}

fn entry(service: &Service) -> Value {
    let check = format!("service:{}", service.id);
    let status = if service.check.status == Status::Passing { "passing" } else { "critical" };
    json!({
        "Node": { "ID": "c0ffee", "Node": "contract", "Address": "10.255.255.1", "Datacenter": "dc1" },
        "Service": {
            "ID": service.id, "Service": service.name, "Tags": service.tags, "Address": service.address,
            "Port": service.port, "Meta": service.meta, "Weights": { "Passing": 1, "Warning": 1 },
        },
        "Checks": [{ "Node": "contract", "CheckID": check, "Status": status, "ServiceID": service.id }],
    })
}

fn bad(text: impl Into<String>) -> Refusal {
    (StatusCode::BAD_REQUEST, text.into())
}

fn parameters(uri: &Uri) -> Result<HashMap<String, String>, Refusal> {
    let mut parameters = HashMap::new();
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if parameters.insert(decoded(key)?, decoded(value)?).is_some() {
            return Err(bad(format!("parameter {key} stands twice")));
        }
    }
    Ok(parameters)
}

fn decoded(text: &str) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).map_err(|_| bad("a % without two digits"))?
            }
            b'/' => return Err(bad("a slash in a name")),
            other => other,
        };
        bytes.push(byte);
    }
    let text = String::from_utf8(bytes).map_err(|_| bad("no UTF-8"))?;
    if text.is_empty() { Err(bad("an empty name")) } else { Ok(text) }
}

/// Go's notation, as far as one number and one unit go. Nothing else, and not 0.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(60 * number),
        _ => return None,
    };
    (!duration.is_zero()).then_some(duration)
}
