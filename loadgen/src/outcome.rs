//! What became of a request. Pure: an answer and an expectation in, a verdict out.

use collector_api::history::Kind;
use serde_json::Value;

use crate::scenario::Expect;

/// Longest reason that is kept from an answer, in bytes.
const LONGEST_REASON: usize = 40;

/// How a request ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A whole response.
    Response {
        /// Its status.
        status: u16,
        /// Its body, when that is JSON.
        body: Option<Value>,
    },
    /// No whole response in time.
    Timeout,
    /// No connection: nothing was sent.
    Unsent,
    /// The connection broke after sending.
    Broken,
}

/// What the answer means.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// `ok`, or why it failed: a reason (`breaker/client`, `timeout`), `status 502`, `connect`, `reset`.
    pub outcome: String,
    /// As expected, and a success.
    pub ok: bool,
    /// Failed in a way that the scenario does not allow.
    pub unexpected: bool,
    /// Whether anything reached the target.
    pub sent: bool,
    /// Place of the breaker that refused the request.
    pub rejected_by: Option<String>,
    /// What the history says.
    pub kind: Kind,
}

/// Judges an answer.
pub fn judge(answer: &Answer, expect: &Expect) -> Verdict {
    let sent = *answer != Answer::Unsent;
    let (status, reason, place) = match answer {
        Answer::Response { status, body } => {
            let text =
                |key: &str| body.as_ref().and_then(|body| body.get(key)).and_then(Value::as_str).filter(|s| is_word(s));
            (Some(*status), text("reason").map(str::to_owned), text("place").map(str::to_owned))
        }
        Answer::Timeout => (None, Some("timeout".to_owned()), None),
        Answer::Unsent => (None, Some("connect".to_owned()), None),
        Answer::Broken => (None, Some("reset".to_owned()), None),
    };
    let ok = status.is_some_and(|status| {
        if expect.status.is_empty() { (200..300).contains(&status) } else { expect.status.contains(&status) }
    });
    let rejected_by = if ok || reason.as_deref() != Some("breaker") { None } else { place };
    let outcome = match (ok, &reason, &rejected_by, status) {
        (true, ..) => "ok".to_owned(),
        (false, Some(reason), Some(place), _) => format!("{reason}/{place}"),
        (false, Some(reason), None, _) => reason.clone(),
        (false, None, _, Some(status)) => format!("status {status}"),
        (false, None, _, None) => "reset".to_owned(),
    };
    let allowed = reason.is_some_and(|reason| expect.allow_reasons.contains(&reason))
        || status.is_some_and(|status| expect.allow_status.contains(&status));
    Verdict { outcome, ok, unexpected: !ok && !allowed, sent, rejected_by, kind: kind(status, sent) }
}

/// What is known about the effect of a request: a refusal did nothing, a server's failure may have done anything.
fn kind(status: Option<u16>, sent: bool) -> Kind {
    match status {
        Some(200..400) => Kind::Ok,
        Some(400..500) => Kind::Fail,
        None if !sent => Kind::Fail,
        _ => Kind::Info,
    }
}

/// Outcomes are counted by name, so a stranger must not be able to invent names without end.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_REASON && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn response(status: u16, body: Value) -> Answer {
        Answer::Response { status, body: Some(body) }
    }

    #[test]
    fn a_success_is_ok_and_a_refusal_names_its_reason() {
        let expect = Expect::default();
        assert_eq!(judge(&response(200, json!({})), &expect).outcome, "ok");
        let refused = judge(&response(409, json!({ "reason": "conflict" })), &expect);
        assert_eq!((refused.outcome.as_str(), refused.kind, refused.unexpected), ("conflict", Kind::Fail, true));
        let plain = judge(&Answer::Response { status: 502, body: None }, &expect);
        assert_eq!((plain.outcome.as_str(), plain.kind), ("status 502", Kind::Info));
    }

    #[test]
    fn a_rejection_names_the_breaker_by_its_place() {
        let expect = Expect { allow_reasons: vec!["breaker".into()], ..Expect::default() };
        let verdict = judge(&response(503, json!({ "reason": "breaker", "place": "client" })), &expect);
        assert_eq!(verdict.outcome, "breaker/client");
        assert_eq!(verdict.rejected_by.as_deref(), Some("client"));
        assert!(!verdict.ok && !verdict.unexpected);
    }

    #[test]
    fn only_a_refused_connection_is_unsent() {
        let expect = Expect::default();
        let unsent = judge(&Answer::Unsent, &expect);
        assert_eq!((unsent.outcome.as_str(), unsent.sent, unsent.kind), ("connect", false, Kind::Fail));
        let timeout = judge(&Answer::Timeout, &expect);
        assert_eq!((timeout.outcome.as_str(), timeout.sent, timeout.kind), ("timeout", true, Kind::Info));
        assert_eq!(judge(&Answer::Broken, &expect).kind, Kind::Info);
    }

    #[test]
    fn an_expected_refusal_is_a_success() {
        let expect = Expect { status: vec![404], ..Expect::default() };
        let verdict = judge(&response(404, json!({ "reason": "not_found" })), &expect);
        assert!(verdict.ok && verdict.kind == Kind::Fail && verdict.outcome == "ok");
        assert!(!judge(&response(200, json!({})), &expect).ok);
    }

    #[test]
    fn reasons_from_the_wire_are_words_or_nothing() {
        let hostile = judge(&response(500, json!({ "reason": "\u{1b}[31m" })), &Expect::default());
        assert_eq!(hostile.outcome, "status 500");
    }
}
