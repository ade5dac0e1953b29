//! `once` steps: done for every row before the measured window, and not measured.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use reqwest::Client;

use super::call::{failed, read, render};
use super::values::Context;
use crate::data::Table;
use crate::error::LoadError;
use crate::outcome::{Answer, judge};
use crate::scenario::{Body, Flow, Scenario, Step};
use crate::template::Variable;

/// Requests at once: password hashing keeps every core busy with few.
const CONCURRENCY: usize = 4;
/// Attempts for each request.
const ATTEMPTS: u32 = 3;

/// Checks that every variable has a value, then does every `once` step for every row of the source that it uses.
///
/// What is saved goes to the row; what uses no row is done a single time and saved for the whole run, which is returned.
pub async fn prepare(
    scenario: &Scenario,
    tables: &mut [Table],
    base_url: &str,
    client: &Client,
    mut progress: impl FnMut(&str, u64, u64) + Send,
) -> Result<BTreeMap<String, String>, LoadError> {
    check_variables(scenario, tables)?;
    let mut shared = BTreeMap::new();
    let mut done: Vec<&[Step]> = Vec::new();
    for flow in scenario.flows.iter().filter(|flow| !flow.once.is_empty()) {
        // Flows that prepare alike share what was prepared.
        if done.contains(&flow.once.as_slice()) {
            continue;
        }
        done.push(&flow.once);
        let source = driving_source(flow, tables)?;
        let rows = source.map_or(1, |at| tables.get(at).map_or(0, |table| table.rows.len()));
        let what = flow.once.first().map_or_else(String::new, |step| plural(&step.name));
        let run = Preparation { flow, tables, base_url, client, shared: &shared, timeout: scenario.timeout };
        let mut results = stream::iter(0..rows).map(|row| run.row(source, row)).buffer_unordered(CONCURRENCY);
        let mut saved_rows = Vec::with_capacity(rows);
        while let Some(result) = results.next().await {
            saved_rows.push(result?);
            progress(&what, saved_rows.len() as u64, rows as u64);
        }
        drop(results);
        for (row, saved) in saved_rows {
            match source.and_then(|at| tables.get_mut(at)).and_then(|table| table.saved.get_mut(row)) {
                Some(place) => place.extend(saved),
                None => shared.extend(saved),
            }
        }
    }
    Ok(shared)
}

struct Preparation<'a> {
    flow: &'a Flow,
    tables: &'a [Table],
    base_url: &'a str,
    client: &'a Client,
    shared: &'a BTreeMap<String, String>,
    timeout: Duration,
}

impl Preparation<'_> {
    async fn row(&self, source: Option<usize>, row: usize) -> Result<(usize, BTreeMap<String, String>), LoadError> {
        let mut rows = vec![0; self.tables.len()];
        if let Some(place) = source.and_then(|at| rows.get_mut(at)) {
            *place = row as u32;
        }
        let mut context = Context {
            tables: self.tables,
            rows: &rows,
            shared: self.shared,
            saved: BTreeMap::new(),
            seq: row as u64,
            sent: None,
        };
        for step in &self.flow.once {
            self.step(step, &mut context).await?;
        }
        Ok((row, context.saved))
    }

    async fn step(&self, step: &Step, context: &mut Context<'_>) -> Result<(), LoadError> {
        let wrong = |why: String| LoadError::Prepare { step: step.name.clone(), why };
        let mut attempt = 1;
        let body = loop {
            let call = render(step, self.base_url, context).map_err(wrong)?;
            let builder = call.builder(self.client, &step.method, step.timeout.unwrap_or(self.timeout));
            let answer = match builder.send().await {
                Ok(response) => read(Ok(response), true).await,
                Err(error) => failed(&error),
            };
            let verdict = judge(&answer, &step.expect);
            if verdict.ok {
                break match answer {
                    Answer::Response { body, .. } => body.unwrap_or_default(),
                    _ => serde_json::Value::Null,
                };
            }
            if attempt == ATTEMPTS || matches!(answer, Answer::Response { status: 400..=499, .. }) {
                return Err(wrong(describe(&answer, &verdict.outcome)));
            }
            tokio::time::sleep(Duration::from_millis(200) * attempt).await;
            attempt += 1;
        };
        for (name, path) in &step.save {
            let value =
                path.text(&body).ok_or_else(|| wrong(format!("the answer holds nothing to save as `{name}`")))?;
            context.saved.insert(name.clone(), value);
        }
        Ok(())
    }
}

fn describe(answer: &Answer, outcome: &str) -> String {
    let Answer::Response { status, body } = answer else { return format!("no answer ({outcome})") };
    let message = body.as_ref().and_then(|body| body.get("message")).and_then(serde_json::Value::as_str);
    match message {
        Some(message) => format!("answered {status}: {}", collector_api::text::clean(message)),
        None => format!("answered {status}"),
    }
}

/// The source whose rows a flow's `once` steps are done for: the one that they use.
fn driving_source(flow: &Flow, tables: &[Table]) -> Result<Option<usize>, LoadError> {
    let used: BTreeSet<&String> = flow
        .once
        .iter()
        .flat_map(step_variables)
        .filter_map(|variable| match variable {
            Variable::Field { source, .. } => Some(source),
            _ => None,
        })
        .collect();
    match used.len() {
        0 | 1 => Ok(used.first().and_then(|name| tables.iter().position(|table| table.name == **name))),
        _ => Err(LoadError::Prepare {
            step: flow.name.clone(),
            why: "its `once` steps use rows of more than one source; use one".into(),
        }),
    }
}

fn check_variables(scenario: &Scenario, tables: &[Table]) -> Result<(), LoadError> {
    let steps = scenario.flows.iter().flat_map(|flow| flow.once.iter().chain(&flow.steps));
    for variable in steps.flat_map(step_variables) {
        match variable {
            Variable::Env(name) if std::env::var_os(name).is_none() => {
                return Err(LoadError::Option(format!("the scenario needs the environment variable `{name}`")));
            }
            Variable::Field { source, field } => {
                let Some(table) = tables.iter().find(|table| table.name == *source) else { continue };
                if let Some(row) = table.rows.iter().find(|row| !row.contains_key(field)) {
                    let known: Vec<&str> = row.keys().map(String::as_str).collect();
                    let why = format!("a row has no field `{field}`; its fields are {}", known.join(", "));
                    return Err(LoadError::Data { name: source.clone(), why });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn step_variables(step: &Step) -> Vec<&Variable> {
    let mut variables: Vec<&Variable> = step.path.variables().collect();
    variables.extend(step.headers.iter().flat_map(|(_, template)| template.variables()));
    if let Body::Json(template) = &step.body {
        variables.extend(template.variables());
    }
    if let Some(record) = &step.record {
        variables.extend(record.key.iter().flat_map(crate::template::Template::variables));
        variables.extend(record.args.values().flat_map(crate::template::JsonTemplate::variables));
    }
    variables
}

fn plural(name: &str) -> String {
    format!("{name}s")
}
