//! Rule files: Prometheus' YAML into rules, and reasons for those that cannot be used.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use super::promql::Expression;
use super::template::Template;

/// A rule file that cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("rule file {file} is not valid: {reason}")]
pub struct RuleFileError {
    /// Name of the file.
    pub file: String,
    /// What is wrong with it, with line and column.
    pub reason: String,
}

/// A rule that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the file.
    pub file: String,
    /// Name of the alert or the recorded series.
    pub rule: String,
    /// Why it cannot be used.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} in {}: {}", self.rule, self.file, self.reason)
    }
}

/// One alerting rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name of the alert.
    pub name: Arc<str>,
    /// When it is active.
    pub expression: Expression,
    /// How long it must be active before it fires, nanoseconds.
    pub for_ns: u64,
    /// How long it keeps firing after it ceased to be active, nanoseconds.
    pub keep_firing_for_ns: u64,
    /// Labels that the rule adds.
    pub(super) labels: BTreeMap<String, Template>,
    /// What it tells people.
    pub(super) annotations: BTreeMap<String, Template>,
}

/// Rules that are evaluated together.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Between evaluations, nanoseconds.
    pub interval_ns: u64,
    /// Alerts that one rule of it may have; 0 is no limit of the file's.
    pub limit: usize,
    /// Its rules in the order of the file.
    pub rules: Vec<Rule>,
}

/// What rule files say.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Groups in the order of the files.
    pub groups: Vec<Group>,
    /// Rules that cannot be used.
    pub refused: Vec<Refusal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    #[serde(default)]
    groups: Vec<GroupText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupText {
    name: String,
    interval: Option<String>,
    #[serde(default)]
    limit: usize,
    #[serde(default)]
    rules: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    alert: Option<String>,
    record: Option<String>,
    expr: String,
    #[serde(rename = "for")]
    hold: Option<String>,
    keep_firing_for: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Prometheus' evaluation interval where a group says none.
const DEFAULT_INTERVAL_NS: u64 = 60_000_000_000;

impl Rules {
    /// Reads one rule file. A rule that cannot be evaluated is refused by name; the others stay.
    pub fn parse(file: &str, text: &str) -> Result<Self, RuleFileError> {
        let invalid = |reason: String| RuleFileError { file: file.to_owned(), reason };
        let parsed: FileText = serde_saphyr::from_str(text).map_err(|cause| invalid(first_line(&cause.to_string())))?;
        let mut rules = Self::default();
        for group in parsed.groups {
            let interval_ns = duration_ns(group.interval.as_deref(), DEFAULT_INTERVAL_NS)
                .map_err(|reason| invalid(format!("interval of group {}: {reason}", group.name)))?;
            let mut accepted = Vec::new();
            for rule in group.rules {
                let name =
                    rule.alert.clone().or_else(|| rule.record.clone()).unwrap_or_else(|| "unnamed rule".to_owned());
                match rule.build() {
                    Ok(rule) => accepted.push(rule),
                    Err(reason) => rules.refused.push(Refusal { file: file.to_owned(), rule: name, reason }),
                }
            }
            rules.groups.push(Group { name: group.name, interval_ns, limit: group.limit, rules: accepted });
        }
        Ok(rules)
    }

    /// Adds what another file says.
    pub fn merge(&mut self, other: Self) {
        self.groups.extend(other.groups);
        self.refused.extend(other.refused);
    }

    /// Names of the alerts, in the order of the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flat_map(|group| &group.rules).map(|rule| &*rule.name)
    }
}

impl RuleText {
    fn build(self) -> Result<Rule, String> {
        if self.record.is_some() {
            return Err("recording rules are not supported".to_owned());
        }
        let name = self.alert.ok_or("a rule needs `alert`")?;
        let expression = Expression::parse(&self.expr).map_err(|cause| cause.to_string())?;
        let templates = |texts: BTreeMap<String, String>| -> Result<BTreeMap<String, Template>, String> {
            texts.into_iter().map(|(key, text)| Template::parse(&text).map(|template| (key, template))).collect()
        };
        Ok(Rule {
            name: Arc::from(name),
            expression,
            for_ns: duration_ns(self.hold.as_deref(), 0).map_err(|reason| format!("for: {reason}"))?,
            keep_firing_for_ns: duration_ns(self.keep_firing_for.as_deref(), 0)
                .map_err(|reason| format!("keep_firing_for: {reason}"))?,
            labels: templates(self.labels)?,
            annotations: templates(self.annotations)?,
        })
    }
}

/// The YAML reader's message without the picture of the place that it draws below.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn duration_ns(text: Option<&str>, default: u64) -> Result<u64, String> {
    let Some(text) = text else { return Ok(default) };
    if text == "0" {
        return Ok(0);
    }
    let duration = promql_parser::util::parse_duration(text)?;
    u64::try_from(duration.as_nanos()).map_err(|_| format!("{text} is too long"))
}
