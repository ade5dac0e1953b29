//! The OTEL_* variables, which win over the file: whoever deploys a service decides where its telemetry goes.

use super::{ConfigError, Sampling, ServiceConfig, header};
use crate::config::address::can_connect;

/// Looks up a variable of the environment.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

const DISABLED: &str = "OTEL_SDK_DISABLED";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";

const HEADERS_FORM: &str =
    "must be `name=value,…`, with letters, digits and dashes in names and no line breaks in values";

/// Applies the variables. An empty variable is as good as none.
pub(super) fn apply(config: &mut ServiceConfig, lookup: Lookup<'_>) -> Result<(), ConfigError> {
    let get = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
    let telemetry = &mut config.telemetry;
    if let Some(value) = get(DISABLED) {
        telemetry.disabled = value.eq_ignore_ascii_case("true");
    }
    if let Some(name) = get(SERVICE_NAME) {
        telemetry.name = name;
    }
    if let Some(value) = get(PROTOCOL) {
        let batcher = match value.as_str() {
            "grpc" => "otlpgrpc",
            "http/protobuf" => "otlphttp",
            _ => return Err(wrong(PROTOCOL, value, "must be `grpc` or `http/protobuf`")),
        };
        batcher.clone_into(&mut telemetry.batcher);
    }
    if let Some(value) = get(ENDPOINT) {
        telemetry.endpoint = endpoint(&value).map_err(|what| wrong(ENDPOINT, value, what))?;
    }
    if let Some(value) = get(HEADERS) {
        // The value may hold secrets, so the error does not repeat it.
        let headers = headers(&value).ok_or_else(|| wrong(HEADERS, "hidden".to_owned(), HEADERS_FORM))?;
        telemetry.otlp_headers.extend(headers);
    }
    if let Some(value) = get(SAMPLER) {
        let (sampling, kind) = match value.strip_prefix("parentbased_") {
            Some(kind) => (Sampling::ParentBased, kind),
            None => (Sampling::Own, value.as_str()),
        };
        telemetry.sampler = match kind {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => match get(SAMPLER_ARG) {
                None => 1.0,
                Some(text) => ratio(&text).ok_or_else(|| wrong(SAMPLER_ARG, text, "must be a number from 0 to 1"))?,
            },
            _ => {
                let known = "must be always_on, always_off or traceidratio, with or without parentbased_ in front";
                return Err(wrong(SAMPLER, value, known));
            }
        };
        telemetry.sampling = sampling;
    }
    Ok(())
}

fn wrong(name: &'static str, value: String, what: &str) -> ConfigError {
    ConfigError::Variable { name, value, what: what.to_owned() }
}

/// host:port of a URL without a path.
fn endpoint(url: &str) -> Result<String, &'static str> {
    if url.starts_with("https://") {
        return Err("TLS is not spoken to receivers; send to a collector near by over http://");
    }
    let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    if can_connect(address) { Ok(address.to_owned()) } else { Err("must be http://host:port") }
}

fn headers(text: &str) -> Option<Vec<(String, super::Secret)>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let parsed = pairs.map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        let is_sendable = header::name(&name).is_ok() && header::value(value.trim()).is_ok();
        is_sendable.then(|| (name, super::Secret::new(value.trim())))
    });
    parsed.collect()
}

fn ratio(text: &str) -> Option<f64> {
    text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<ServiceConfig, ConfigError> {
        let mut config = ServiceConfig::new("pay-rpc");
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        apply(&mut config, &lookup).map(|()| config)
    }

    #[test]
    fn nothing_set_changes_nothing() {
        assert_eq!(with(&[(ENDPOINT, " ")]).expect("valid"), ServiceConfig::new("pay-rpc"));
    }

    #[test]
    fn each_variable_reaches_its_key() {
        let config = with(&[
            (DISABLED, "TRUE"),
            (SERVICE_NAME, "payments"),
            (ENDPOINT, "http://collector:4318/"),
            (PROTOCOL, "http/protobuf"),
            (HEADERS, "Authorization=Basic a=, x=1"),
            (SAMPLER, "parentbased_traceidratio"),
            (SAMPLER_ARG, "0.25"),
        ])
        .expect("valid");
        let telemetry = &config.telemetry;
        assert!(telemetry.disabled);
        assert_eq!(config.service_name(), "payments");
        assert_eq!((telemetry.endpoint.as_str(), telemetry.batcher.as_str()), ("collector:4318", "otlphttp"));
        assert_eq!(telemetry.otlp_headers["authorization"].expose(), "Basic a=");
        assert!((telemetry.sampler - 0.25).abs() < f64::EPSILON);
    }

    #[test]
    fn each_sampler_follows_the_caller_or_decides_alone() {
        for (word, sampling, ratio) in [
            ("always_on", Sampling::Own, 1.0),
            ("always_off", Sampling::Own, 0.0),
            ("traceidratio", Sampling::Own, 0.25),
            ("parentbased_always_on", Sampling::ParentBased, 1.0),
            ("parentbased_always_off", Sampling::ParentBased, 0.0),
            ("parentbased_traceidratio", Sampling::ParentBased, 0.25),
        ] {
            let telemetry = with(&[(SAMPLER, word), (SAMPLER_ARG, "0.25")]).expect("valid").telemetry;
            assert_eq!((telemetry.sampling, telemetry.sampler), (sampling, ratio), "{word}");
        }
        assert_eq!(with(&[]).expect("valid").telemetry.sampling, Sampling::ParentBased);
    }

    #[test]
    fn what_cannot_be_is_told_with_the_mend() {
        for (name, value) in
            [(ENDPOINT, "https://c:4317"), (ENDPOINT, "collector"), (PROTOCOL, "http/json"), (SAMPLER, "jaeger_remote")]
        {
            let message = with(&[(name, value)]).expect_err("must be refused").to_string();
            assert!(message.starts_with(&format!("environment variable {name} is `{value}`")), "{message}");
        }
        for headers in ["hunter2", "a b=hunter2", "a=hunter\n2"] {
            let hidden = with(&[(HEADERS, headers)]).expect_err("must be refused").to_string();
            assert!(hidden.contains("name=value") && !hidden.contains("hunter"), "{hidden}");
        }
    }
}
