//! What the shape alone cannot say: kinds, references between parts, and the small languages inside strings.

mod arrival;
mod flow;
mod url;

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Spanned;

use super::error::Mistake;
use super::file::{FaultShape, GateShape, ScenarioShape, SourceShape, mistake_at};
use super::suggest::nearest;
use super::{Flow, Rows, Scenario, Skew, Source, Target, TimedFault};
use crate::gate::{Gate, Metric};

pub use url::from_url;

/// Worker pool of scenarios that do not say.
const MAX_IN_FLIGHT: u32 = 512;
/// Timeout of requests in scenarios that do not say.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Knows the file, so that every mistake can be placed.
struct Checker<'a> {
    file: &'a str,
    text: &'a str,
}

pub fn scenario(file: &str, text: &str, shape: ScenarioShape) -> Result<Scenario, Mistake> {
    let checker = Checker { file, text };
    let data = shape
        .data
        .into_iter()
        .map(|(name, source)| Ok((name, checker.source(source)?)))
        .collect::<Result<BTreeMap<_, _>, Mistake>>()?;
    if shape.flow.is_empty() {
        return Err(checker.mistake(text.len(), "flow", "a scenario needs at least one [[flow]]"));
    }
    let max_in_flight = checker.pool_size(shape.arrival.get_ref())?;
    let arrival = checker.arrival(shape.arrival)?;
    let flows = shape.flow.into_iter().map(|flow| checker.flow(flow, &data)).collect::<Result<Vec<_>, _>>()?;
    let faults =
        shape.fault.into_iter().map(|fault| checker.fault(&fault, arrival.length())).collect::<Result<Vec<_>, _>>()?;
    let gates = shape.gate.into_iter().map(|gate| checker.gate(&gate, &flows)).collect::<Result<Vec<_>, _>>()?;
    Ok(Scenario {
        name: checker.name("name", &shape.name)?,
        summary: shape.summary,
        watch: shape.watch,
        target: shape.target.map_or(Ok(Target::Role("gateway".into())), |target| checker.target(&target))?,
        arrival,
        max_in_flight,
        timeout: shape.timeout.map_or(TIMEOUT, |length| length.0),
        data,
        flows,
        faults,
        gates,
        uncut: None,
    })
}

impl Checker<'_> {
    fn mistake(&self, offset: usize, field: &str, what: impl Into<String>) -> Mistake {
        mistake_at(self.file, self.text, offset, field.to_owned(), what.into(), None)
    }

    fn at<T>(&self, place: &Spanned<T>, field: &str, what: impl Into<String>) -> Mistake {
        self.mistake(place.span().start, field, what)
    }

    fn unknown<T>(&self, place: &Spanned<T>, field: &str, written: &str, known: &[&str]) -> Mistake {
        let mut mistake = self.at(place, field, format!("`{written}` is not known; known are {}", known.join(", ")));
        mistake.suggestion = nearest(written, known.iter().copied()).map(str::to_owned);
        mistake
    }

    fn name(&self, field: &str, name: &Spanned<String>) -> Result<String, Mistake> {
        let valid = |c: char| c.is_alphanumeric() || " _-/".contains(c);
        if name.get_ref().is_empty() || name.get_ref().len() > 64 || !name.get_ref().chars().all(valid) {
            return Err(self.at(name, field, "a name has 1 to 64 letters, digits, spaces, `-`, `_` or `/`"));
        }
        Ok(name.get_ref().clone())
    }

    fn target(&self, target: &Spanned<String>) -> Result<Target, Mistake> {
        let written = target.get_ref();
        if !written.contains("://") {
            return Ok(Target::Role(written.clone()));
        }
        match reqwest::Url::parse(written) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                Ok(Target::Url(written.trim_end_matches('/').to_owned()))
            }
            Ok(_) => Err(self.at(target, "target", format!("`{written}` is not an http or https address"))),
            Err(error) => Err(self.at(target, "target", format!("`{written}`: {error}"))),
        }
    }

    fn source(&self, shape: Spanned<SourceShape>) -> Result<Source, Mistake> {
        let start = shape.span().start;
        let shape = shape.into_inner();
        let skew = match shape.skew.as_ref().map(|skew| skew.get_ref().as_str()) {
            None | Some("uniform") => Skew::Uniform,
            Some("zipf") => Skew::Zipf,
            Some(other) => {
                return Err(self.unknown(
                    shape.skew.as_ref().unwrap_or(&shape.kind),
                    "skew",
                    other,
                    &["uniform", "zipf"],
                ));
            }
        };
        let missing = |field: &str| {
            self.mistake(start, field, format!("data of kind `{}` needs `{field}`", shape.kind.get_ref()))
        };
        let rows = match shape.kind.get_ref().as_str() {
            "pool" => {
                let size = shape.size.as_ref().ok_or_else(|| missing("size"))?;
                if !(1..=1_000_000).contains(size.get_ref()) {
                    return Err(self.at(size, "size", "must be 1 to 1000000"));
                }
                Rows::Pool { name: shape.pool.clone().unwrap_or_default(), size: *size.get_ref() }
            }
            "csv" => Rows::Csv(shape.file.clone().ok_or_else(|| missing("file"))?),
            "jsonl" => Rows::JsonLines(shape.file.clone().ok_or_else(|| missing("file"))?),
            other => return Err(self.unknown(&shape.kind, "kind", other, &["pool", "csv", "jsonl"])),
        };
        Ok(Source { rows, skew })
    }

    fn fault(&self, shape: &FaultShape, length: Duration) -> Result<TimedFault, Mistake> {
        if shape.at.get_ref().0 >= length {
            return Err(self.at(
                &shape.at,
                "at",
                format!("is after the end of the schedule ({} s)", length.as_secs_f64()),
            ));
        }
        let spec = shape.add.get_ref();
        let kind = spec.split_whitespace().next().unwrap_or_default();
        if !["latency", "error", "kill"].contains(&kind) {
            return Err(self.unknown(&shape.add, "add", kind, &["latency", "error", "kill"]));
        }
        if spec.split_whitespace().count() < 2 {
            return Err(self.at(&shape.add, "add", "names no target: write `latency pay-rpc/1 p50=200ms p99=2s`"));
        }
        Ok(TimedFault { at: shape.at.get_ref().0, spec: spec.clone(), lasts: shape.lasts.0 })
    }

    fn gate(&self, shape: &GateShape, flows: &[Flow]) -> Result<Gate, Mistake> {
        let gate = Gate::parse(shape.expr.get_ref()).map_err(|error| {
            // The expression begins after its quote.
            let offset = shape.expr.span().start + error.column;
            let mut mistake = self.mistake(offset, "expr", error.what);
            mistake.suggestion = error.suggestion;
            mistake
        })?;
        if let Metric::Latency { step: Some(step), .. } = &gate.metric {
            let known: Vec<&str> = flows.iter().flat_map(|flow| &flow.steps).map(|step| step.name.as_str()).collect();
            if !known.contains(&step.as_str()) {
                return Err(self.unknown(&shape.expr, "expr", step, &known));
            }
        }
        Ok(gate)
    }
}
