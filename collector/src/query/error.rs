//! What is wrong with a query, where, and the mend.

use thiserror::Error;

/// A mistake in a query.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} at character {}{}", position + 1, suggestion.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
pub struct QueryError {
    /// Characters before the mistake.
    pub position: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where it is known.
    pub suggestion: Option<String>,
}
