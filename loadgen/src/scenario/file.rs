//! The TOML shape of a scenario. Fields that do not exist are refused here, with the nearest that does.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::error::Mistake;
use super::suggest::nearest;
use super::text::Length;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioShape {
    pub name: Spanned<String>,
    #[serde(default)]
    pub summary: String,
    #[serde(default)]
    pub watch: String,
    pub target: Option<Spanned<String>>,
    pub timeout: Option<Length>,
    pub arrival: Spanned<ArrivalShape>,
    #[serde(default)]
    pub data: BTreeMap<String, Spanned<SourceShape>>,
    #[serde(default)]
    pub flow: Vec<Spanned<FlowShape>>,
    #[serde(default)]
    pub fault: Vec<FaultShape>,
    #[serde(default)]
    pub gate: Vec<GateShape>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrivalShape {
    pub kind: Spanned<String>,
    pub rate: Option<Spanned<f64>>,
    #[serde(rename = "for")]
    pub lasts: Option<Length>,
    pub stages: Option<Vec<StageShape>>,
    pub users: Option<Spanned<u32>>,
    pub max_in_flight: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageShape {
    pub rate: Spanned<f64>,
    pub ramp: Option<Length>,
    #[serde(rename = "for")]
    pub lasts: Length,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceShape {
    pub kind: Spanned<String>,
    pub size: Option<Spanned<u32>>,
    pub pool: Option<String>,
    pub file: Option<PathBuf>,
    pub skew: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowShape {
    pub name: Spanned<String>,
    pub weight: Option<Spanned<u32>>,
    #[serde(default)]
    pub once: Vec<StepShape>,
    #[serde(default)]
    pub step: Vec<StepShape>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepShape {
    pub name: Spanned<String>,
    pub request: Spanned<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, Spanned<String>>,
    pub json: Option<Spanned<toml::Value>>,
    pub timeout: Option<Length>,
    #[serde(default)]
    pub expect: ExpectShape,
    #[serde(default)]
    pub save: BTreeMap<String, Spanned<String>>,
    pub record: Option<RecordShape>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectShape {
    #[serde(default)]
    pub status: Statuses,
    #[serde(default)]
    pub allow_status: Statuses,
    #[serde(default)]
    pub allow_reasons: Vec<Spanned<String>>,
}

/// One status, or a list of them.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "OneOrMore")]
pub struct Statuses(pub Vec<u16>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u16),
    More(Vec<u16>),
}

impl From<OneOrMore> for Statuses {
    fn from(statuses: OneOrMore) -> Self {
        match statuses {
            OneOrMore::One(status) => Self(vec![status]),
            OneOrMore::More(statuses) => Self(statuses),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordShape {
    pub op: Spanned<String>,
    pub key: Option<Spanned<String>>,
    #[serde(default)]
    pub args: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    pub result: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultShape {
    pub at: Spanned<Length>,
    pub add: Spanned<String>,
    #[serde(rename = "for")]
    pub lasts: Length,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateShape {
    pub expr: Spanned<String>,
}

/// Reads the shape.
pub fn parse(file: &str, text: &str) -> Result<ScenarioShape, Mistake> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let (what, suggestion) = explain(error.message());
        let field = field_at(text, offset);
        mistake_at(file, text, offset, field, what, suggestion)
    })
}

/// A mistake at a byte offset of the text.
pub fn mistake_at(
    file: &str,
    text: &str,
    offset: usize,
    field: String,
    what: String,
    suggestion: Option<String>,
) -> Mistake {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Mistake {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        field,
        what,
        suggestion,
    }
}

/// The key that begins at an offset, or the first of its line: what a reader looks for.
fn field_at(text: &str, offset: usize) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let here = text.get(offset..).unwrap_or_default();
    let key_here = here.split(|c: char| !is_bare(c)).next().unwrap_or_default();
    if !key_here.is_empty() && here.get(key_here.len()..).unwrap_or_default().trim_start().starts_with(['=', '.']) {
        return key_here.to_owned();
    }
    let line_start = text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default().trim();
    match line.split_once('=') {
        Some((key, _)) => key.trim().to_owned(),
        None => line.trim_matches(['[', ']']).to_owned(),
    }
}

/// Shortens serde's list of expected fields to the nearest one.
fn explain(message: &str) -> (String, Option<String>) {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((written, known)) if message.starts_with("unknown field") => {
            let suggestion = nearest(written, known.iter().copied()).map(str::to_owned);
            (format!("there is no such field; fields here are {}", known.join(", ")), suggestion)
        }
        _ => (message.lines().collect::<Vec<_>>().join(" "), None),
    }
}
