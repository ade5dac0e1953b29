//! What a run found out.

/// The result of one run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Gates that did not hold.
    pub gates_failed: usize,
    /// The generator could not keep its own schedule, so the figures say more about it than about the target.
    pub generator_limited: bool,
    /// The run was stopped before its end.
    pub interrupted: bool,
    /// Why the run stopped itself; `None` when it did not.
    pub aborted: Option<String>,
}

impl Report {
    /// `run.json`, schema 1.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "schema": 1 })
    }

    /// The report for people: aligned, without colour.
    pub fn to_text(&self) -> String {
        String::new()
    }
}
