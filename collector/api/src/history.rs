//! The history of a load run: what was asked, and what was answered.
//!
//! One JSON object a line, appended by the load tool, read by `verify`. An operation begins with an `invoke` and ends
//! with one of `ok`, `fail` or `info` of the same `process` and `index`. `fail` means that the server said that it
//! definitely did nothing; `info` means that nobody knows (a timeout, a reset, a 5xx after sending). A file that ends in
//! a torn line is legal: the run died, and the open operation is `info`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the record's shape.
pub const SCHEMA: u32 = 1;

/// What a line says about its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// About to be sent.
    Invoke,
    /// Acknowledged: its effect must be there for ever.
    Ok,
    /// Refused: its effect must not be there.
    Fail,
    /// Unknown: its effect may be there.
    Info,
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Run that wrote the line.
    pub run_id: String,
    /// Number of the operation in its run, from 0.
    pub index: u64,
    /// What the line says.
    pub kind: Kind,
    /// What was done, such as `order.create`.
    pub op: String,
    /// The idempotency key, or whatever names the operation's target.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// What was asked: the scenario's `args`, rendered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, serde_json::Value>,
    /// What came back: the scenario's `result`, extracted; on `ok`, and where present on `info`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub result: BTreeMap<String, serde_json::Value>,
    /// Wall clock, nanoseconds since the epoch.
    pub unix_ns: u64,
    /// Trace of the request, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
    /// Why it failed or is unknown: the answer's `reason`, or `timeout`, `connect`, `status 502`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// First line of a history file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Run that writes the file.
    pub run_id: String,
    /// Its scenario.
    pub scenario: String,
    /// Identity of the data the run was made against (changes when a stack's data is purged).
    pub data_id: String,
    /// When it started, nanoseconds since the epoch.
    pub started_unix_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_line() {
        let record = Record {
            run_id: "r1".into(),
            index: 7,
            kind: Kind::Ok,
            op: "order.create".into(),
            key: "k".into(),
            args: [("product_id".to_owned(), serde_json::json!("12"))].into(),
            result: [("order_id".to_owned(), serde_json::json!(99))].into(),
            unix_ns: 5,
            trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
            reason: String::new(),
        };
        let line = serde_json::to_string(&record).expect("serialises");
        assert!(!line.contains('\n') && line.contains(r#""kind":"ok""#));
        assert_eq!(serde_json::from_str::<Record>(&line).expect("parses"), record);
    }
}
