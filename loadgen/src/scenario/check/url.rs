//! A scenario made of one address.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{MAX_IN_FLIGHT, TIMEOUT};
use crate::scenario::error::{Mistake, ScenarioError};
use crate::scenario::{Arrival, Body, Expect, Flow, Scenario, Step, Target};
use crate::template::Template;

pub fn from_url(
    url: &str,
    method: &str,
    headers: &[(String, String)],
    body: Option<&str>,
) -> Result<Scenario, ScenarioError> {
    let wrong = |field: &str, what: String| Mistake {
        file: "command line".into(),
        line: 1,
        column: 1,
        field: field.into(),
        what,
        suggestion: None,
    };
    let parsed = reqwest::Url::parse(url).map_err(|error| wrong("url", format!("`{url}`: {error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(wrong("url", format!("`{url}` is not an http or https address")).into());
    }
    let path = parsed.query().map_or_else(|| parsed.path().to_owned(), |query| format!("{}?{query}", parsed.path()));
    let method =
        http::Method::from_bytes(method.as_bytes()).map_err(|error| wrong("method", format!("`{method}`: {error}")))?;
    let headers = headers
        .iter()
        .map(|(name, value)| {
            let name = name.parse().map_err(|error| wrong("header", format!("`{name}`: {error}")))?;
            Ok((name, Template::parse(value).map_err(|what| wrong("header", what))?))
        })
        .collect::<Result<Vec<_>, Mistake>>()?;
    let step = Step {
        name: format!("{method} {}", parsed.path()),
        method,
        path: Template::parse(&path).map_err(|what| wrong("url", what))?,
        headers,
        body: body.map_or(Body::Empty, |text| Body::Text(text.to_owned())),
        expect: Expect::default(),
        save: BTreeMap::new(),
        record: None,
        timeout: None,
    };
    Ok(Scenario {
        name: parsed.host_str().unwrap_or("url").to_owned(),
        summary: format!("requests to {url}"),
        watch: String::new(),
        target: Target::Url(parsed.origin().ascii_serialization()),
        arrival: Arrival::Constant { rate: 50.0, lasts: Duration::from_secs(10) },
        max_in_flight: MAX_IN_FLIGHT,
        timeout: TIMEOUT,
        data: BTreeMap::new(),
        flows: vec![Flow { name: "request".into(), weight: 1, once: Vec::new(), steps: vec![step] }],
        faults: Vec::new(),
        gates: Vec::new(),
        uncut: None,
    })
}
