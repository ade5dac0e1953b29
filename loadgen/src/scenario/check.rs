//! What the shape alone cannot say: kinds, references between parts, and the small languages inside strings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use toml::Spanned;

use super::error::{Mistake, ScenarioError};
use super::file::{
    ArrivalShape, FaultShape, FlowShape, GateShape, RecordShape, ScenarioShape, SourceShape, StepShape, mistake_at,
};
use super::suggest::nearest;
use super::text;
use super::{Arrival, Body, Expect, Flow, RecordAs, Rows, Scenario, Skew, Source, Stage, Step, Target, TimedFault};
use crate::gate::{Gate, Metric};
use crate::template::{JsonPath, JsonTemplate, Template, Variable};

/// Worker pool of scenarios that do not say.
const MAX_IN_FLIGHT: u32 = 512;
/// Largest worker pool.
const LARGEST_POOL: u32 = 20_000;
/// Highest rate that is accepted, flow starts per second.
const HIGHEST_RATE: f64 = 100_000.0;
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
    })
}

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

    fn pool_size(&self, arrival: &ArrivalShape) -> Result<u32, Mistake> {
        let sizes = [("max_in_flight", &arrival.max_in_flight), ("users", &arrival.users)];
        for (field, size) in sizes {
            if let Some(size) = size
                && !(1..=LARGEST_POOL).contains(size.get_ref())
            {
                return Err(self.at(size, field, format!("must be 1 to {LARGEST_POOL}")));
            }
        }
        let given = arrival.max_in_flight.as_ref().or(arrival.users.as_ref());
        Ok(given.map_or(MAX_IN_FLIGHT, |size| *size.get_ref()))
    }

    fn arrival(&self, shape: Spanned<ArrivalShape>) -> Result<Arrival, Mistake> {
        let start = shape.span().start;
        let shape = shape.into_inner();
        let kind = shape.kind.get_ref().clone();
        let surplus = match kind.as_str() {
            "constant" | "poisson" => [("stages", shape.stages.is_some()), ("users", shape.users.is_some())],
            "stages" => [("rate", shape.rate.is_some()), ("users", shape.users.is_some())],
            "users" => [("rate", shape.rate.is_some()), ("stages", shape.stages.is_some())],
            other => return Err(self.unknown(&shape.kind, "kind", other, &["constant", "stages", "poisson", "users"])),
        };
        if let Some((field, _)) = surplus.into_iter().find(|(_, given)| *given) {
            return Err(self.mistake(start, field, format!("an arrival of kind `{kind}` has no `{field}`")));
        }
        let missing = |field: &str| self.mistake(start, field, format!("an arrival of kind `{kind}` needs `{field}`"));
        if let Some(stages) = shape.stages {
            let stages = stages
                .into_iter()
                .map(|stage| {
                    let ramp = stage.ramp.map_or(Duration::ZERO, |length| length.0);
                    Ok(Stage { rate: self.rate(&stage.rate)?, ramp, hold: stage.lasts.0 })
                })
                .collect::<Result<Vec<_>, Mistake>>()?;
            let arrival = Arrival::Stages(stages);
            if arrival.highest_rate() <= 0.0 || arrival.length().is_zero() {
                return Err(self.mistake(start, "stages", "the stages send nothing: give a rate and a length"));
            }
            return Ok(arrival);
        }
        if kind == "stages" {
            return Err(missing("stages"));
        }
        let lasts = shape.lasts.ok_or_else(|| missing("for"))?.0;
        if lasts.is_zero() {
            return Err(self.mistake(start, "for", "the arrival has no length"));
        }
        match kind.as_str() {
            "users" => Ok(Arrival::Users { users: *shape.users.ok_or_else(|| missing("users"))?.get_ref(), lasts }),
            _ => {
                let rate = shape.rate.ok_or_else(|| missing("rate"))?;
                let per_second = self.rate(&rate)?;
                if per_second <= 0.0 {
                    return Err(self.at(&rate, "rate", "must be above 0"));
                }
                Ok(if kind == "poisson" {
                    Arrival::Poisson { rate: per_second, lasts }
                } else {
                    Arrival::Constant { rate: per_second, lasts }
                })
            }
        }
    }

    fn rate(&self, rate: &Spanned<f64>) -> Result<f64, Mistake> {
        let value = *rate.get_ref();
        if (0.0..=HIGHEST_RATE).contains(&value) {
            Ok(value)
        } else {
            Err(self.at(rate, "rate", format!("must be 0 to {HIGHEST_RATE} flow starts per second")))
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

    fn flow(&self, shape: Spanned<FlowShape>, data: &BTreeMap<String, Source>) -> Result<Flow, Mistake> {
        let start = shape.span().start;
        let shape = shape.into_inner();
        let name = self.name("name", &shape.name)?;
        let weight = shape.weight.as_ref().map_or(1, |weight| *weight.get_ref());
        if weight == 0 || weight > 10_000 {
            return Err(self.mistake(start, "weight", "must be 1 to 10000"));
        }
        if shape.step.is_empty() {
            return Err(self.mistake(start, "step", format!("flow `{name}` needs at least one [[flow.step]]")));
        }
        let mut saved = BTreeSet::new();
        let mut known = |step: StepShape| {
            let step = self.step(step, data, &saved)?;
            saved.extend(step.save.keys().cloned());
            Ok(step)
        };
        let once = shape.once.into_iter().map(&mut known).collect::<Result<Vec<_>, Mistake>>()?;
        let steps = shape.step.into_iter().map(&mut known).collect::<Result<Vec<_>, Mistake>>()?;
        Ok(Flow { name, weight, once, steps })
    }

    fn step(
        &self,
        shape: StepShape,
        data: &BTreeMap<String, Source>,
        saved: &BTreeSet<String>,
    ) -> Result<Step, Mistake> {
        let (method, path) =
            text::request(shape.request.get_ref()).map_err(|what| self.at(&shape.request, "request", what))?;
        let path = Template::parse(path).map_err(|what| self.at(&shape.request, "request", what))?;
        self.variables(path.variables(), &shape.request, "request", data, saved, false)?;
        let mut headers = Vec::new();
        for (name, value) in &shape.headers {
            let header = name.parse().map_err(|_| self.at(value, name, "is no header name"))?;
            let template = Template::parse(value.get_ref()).map_err(|what| self.at(value, name, what))?;
            self.variables(template.variables(), value, name, data, saved, false)?;
            headers.push((header, template));
        }
        let body = match &shape.json {
            None => Body::Empty,
            Some(json) => {
                let template = JsonTemplate::from_toml(json.get_ref()).map_err(|what| self.at(json, "json", what))?;
                self.variables(template.variables().into_iter(), json, "json", data, saved, false)?;
                Body::Json(template)
            }
        };
        let save = self.paths(&shape.save)?;
        let record = shape.record.map(|record| self.record(&record, data, saved)).transpose()?;
        let expect = Expect {
            status: shape.expect.status.0,
            allow_status: shape.expect.allow_status.0,
            allow_reasons: shape.expect.allow_reasons.into_iter().map(Spanned::into_inner).collect(),
        };
        let name = self.name("name", &shape.name)?;
        Ok(Step {
            name,
            method,
            path,
            headers,
            body,
            expect,
            save,
            record,
            timeout: shape.timeout.map(|length| length.0),
        })
    }

    fn record(
        &self,
        shape: &RecordShape,
        data: &BTreeMap<String, Source>,
        saved: &BTreeSet<String>,
    ) -> Result<RecordAs, Mistake> {
        let key = match &shape.key {
            None => None,
            Some(key) => {
                let template = Template::parse(key.get_ref()).map_err(|what| self.at(key, "key", what))?;
                self.variables(template.variables(), key, "key", data, saved, true)?;
                Some(template)
            }
        };
        let mut args = BTreeMap::new();
        for (name, value) in &shape.args {
            let template = JsonTemplate::from_toml(value.get_ref()).map_err(|what| self.at(value, name, what))?;
            self.variables(template.variables().into_iter(), value, name, data, saved, true)?;
            args.insert(name.clone(), template);
        }
        Ok(RecordAs { op: self.operation(&shape.op)?, key, args, result: self.paths(&shape.result)? })
    }

    fn operation(&self, op: &Spanned<String>) -> Result<String, Mistake> {
        if op.get_ref().is_empty() {
            return Err(self.at(op, "op", "names the operation, such as `order.create`"));
        }
        Ok(op.get_ref().clone())
    }

    fn paths(&self, written: &BTreeMap<String, Spanned<String>>) -> Result<BTreeMap<String, JsonPath>, Mistake> {
        written
            .iter()
            .map(|(name, path)| {
                Ok((name.clone(), JsonPath::parse(path.get_ref()).map_err(|what| self.at(path, name, what))?))
            })
            .collect()
    }

    /// Every variable must come from somewhere.
    fn variables<'v, T>(
        &self,
        variables: impl Iterator<Item = &'v Variable>,
        place: &Spanned<T>,
        field: &str,
        data: &BTreeMap<String, Source>,
        saved: &BTreeSet<String>,
        in_record: bool,
    ) -> Result<(), Mistake> {
        for variable in variables {
            let (written, known): (&str, Vec<&str>) = match variable {
                Variable::Field { source, .. } if !data.contains_key(source) => {
                    (source, data.keys().map(String::as_str).collect())
                }
                Variable::Saved(name) if !saved.contains(name) => {
                    (name, saved.iter().map(String::as_str).chain(["uuid", "seq"]).collect())
                }
                Variable::Sent(name) if !in_record => (name, vec!["uuid", "seq"]),
                _ => continue,
            };
            let offset = self.offset_of(&variable.to_string(), place);
            let why = match variable {
                Variable::Field { .. } => format!("`{{{{{variable}}}}}`: [data] has no `{written}`"),
                Variable::Sent(_) => format!("`{{{{{variable}}}}}` has a value only in `record`"),
                _ => format!("`{{{{{variable}}}}}`: no earlier step saves `{written}`"),
            };
            let mut mistake = self.mistake(offset, field, why);
            mistake.suggestion = nearest(written, known).map(str::to_owned);
            return Err(mistake);
        }
        Ok(())
    }

    /// Where a variable stands inside a value: its own line when it can be found, else the value's.
    fn offset_of<T>(&self, variable: &str, place: &Spanned<T>) -> usize {
        let span = place.span();
        let inside = self.text.get(span.clone()).unwrap_or_default();
        span.start + inside.find(variable).unwrap_or(0)
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
