//! Flows and their steps: templates, paths, and where every variable comes from.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::Checker;
use crate::scenario::error::Mistake;
use crate::scenario::file::{FlowShape, RecordShape, StepShape};
use crate::scenario::suggest::nearest;
use crate::scenario::text;
use crate::scenario::{Body, Expect, Flow, RecordAs, Source, Step};
use crate::template::{JsonPath, JsonTemplate, Template, Variable};

impl Checker<'_> {
    pub(super) fn flow(&self, shape: Spanned<FlowShape>, data: &BTreeMap<String, Source>) -> Result<Flow, Mistake> {
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
}
