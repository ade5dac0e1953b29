//! `mallctl healthcheck`: whether a process answers, for images that have no shell and no curl.
//!
//! One question, one answer, exit code 0 or 1; nothing is retried, for whoever asks does that.

use std::time::Duration;

use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::stack::probe;

/// Where a collector answers: what the image runs when it is told nothing.
const COLLECTOR: &str = "127.0.0.1:4320";

/// Runs the verb.
pub async fn run(args: cli::Healthcheck) -> Outcome {
    let limit = args.timeout;
    let check = async {
        match &args.http {
            Some(url) => http(url).await,
            None => grpc(args.grpc.as_deref().unwrap_or(COLLECTOR), &args.service).await,
        }
    };
    let answer = tokio::time::timeout(limit, check).await.unwrap_or_else(|_| Err(unhealthy(late(limit))))?;
    output::line(&answer);
    Ok(Exit::Ok)
}

async fn grpc(address: &str, service: &str) -> Result<String, Failure> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| Failure::usage(format!("'{address}' is no address")).because(error).mend("write HOST:PORT"))?;
    let channel = endpoint.connect().await.map_err(|error| unhealthy(format!("{address}: {}", root(&error))))?;
    let request = HealthCheckRequest { service: service.to_owned() };
    let reply = HealthClient::new(channel)
        .check(request)
        .await
        .map_err(|status| unhealthy(format!("{address}: {:?}: {}", status.code(), status.message())))?;
    match reply.into_inner().status() {
        ServingStatus::Serving => Ok(format!("{address}: serving")),
        other => Err(unhealthy(format!("{address}: {}", other.as_str_name().to_ascii_lowercase()))),
    }
}

async fn http(url: &str) -> Result<String, Failure> {
    let (host, path) = split(url)
        .ok_or_else(|| Failure::usage(format!("'{url}' cannot be asked")).mend("write http://HOST:PORT/PATH"))?;
    let answer = probe::get(host, path).await.map_err(|error| unhealthy(format!("{url}: {error}")))?;
    if (200..300).contains(&answer.status) {
        Ok(format!("{url}: {}", answer.status))
    } else {
        Err(unhealthy(format!("{url}: {}", answer.status)))
    }
}

/// host:port and path of `http://host:port/path`.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
    (host.contains(':') && is_plain(host) && is_plain(path)).then_some((host, path))
}

fn late(limit: Duration) -> String {
    format!("no answer within {limit:?}")
}

fn unhealthy(why: String) -> Failure {
    Failure::new(Exit::Failure, "unhealthy").because(why)
}

/// What lies beneath a transport error, which by itself says only that there was one.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_split_into_host_and_path() {
        assert_eq!(split("http://127.0.0.1:8888/readyz"), Some(("127.0.0.1:8888", "/readyz")));
        assert_eq!(split("http://api:80"), Some(("api:80", "/")));
        for url in ["https://api:443/", "http://api/", "api:80", "http://a:1/x\r\nHost: b"] {
            assert_eq!(split(url), None, "{url}");
        }
    }
}
