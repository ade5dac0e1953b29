//! What is wrong with a scenario, and where.

use std::fmt;
use std::path::PathBuf;

/// Why a scenario cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: String,
    },
    /// No shipped scenario has this name.
    #[error("no scenario is called `{name}`; shipped are {}{}", known.join(", "), suggestion_text(suggestion.as_deref()))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest name.
        suggestion: Option<String>,
        /// All names.
        known: Vec<String>,
    },
    /// The text is no scenario.
    #[error(transparent)]
    Mistake(#[from] Mistake),
}

/// A mistake at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// File, as given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Field that holds the mistake; empty when the text is no TOML.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// The nearest valid value.
    pub suggestion: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.field.is_empty() {
            write!(out, "field `{}`: ", self.field)?;
        }
        write!(out, "{}{}", self.what, suggestion_text(self.suggestion.as_deref()))
    }
}

impl std::error::Error for Mistake {}

fn suggestion_text(suggestion: Option<&str>) -> String {
    suggestion.map(|value| format!("; did you mean `{value}`?")).unwrap_or_default()
}
