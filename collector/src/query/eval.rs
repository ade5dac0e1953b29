//! Whether a trace satisfies a query.

use std::borrow::Cow;
use std::sync::Arc;

use super::Query;
use super::ast::{AttributeTest, CountField, DurationField, Expr, Order, Test, TextField, TextTest};
use crate::model::{Span, Value, find};

/// What `trace.*` speaks of.
struct Facts {
    duration_ns: u64,
    spans: u64,
    errors: u64,
    services: u64,
}

impl Query {
    /// Whether any span of the trace satisfies the whole expression. An empty query matches everything, also no spans.
    ///
    /// Cost: O(spans × conditions); only conditions over other things than text allocate.
    pub fn matches(&self, spans: &[Arc<Span>]) -> bool {
        let Some(root) = &self.root else { return true };
        let facts = Facts::of(spans);
        spans.iter().any(|span| holds(root, span, &facts))
    }

    /// Whether the query asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }
}

impl Facts {
    fn of(spans: &[Arc<Span>]) -> Self {
        let start = spans.iter().map(|span| span.start_ns).min().unwrap_or_default();
        let end = spans.iter().map(|span| span.end_ns.max(span.start_ns)).max().unwrap_or_default();
        let mut services: Vec<&str> = spans.iter().map(|span| &*span.resource.service).collect();
        services.sort_unstable();
        services.dedup();
        Self {
            duration_ns: end - start,
            spans: spans.len() as u64,
            errors: spans.iter().filter(|span| span.is_error()).count() as u64,
            services: services.len() as u64,
        }
    }
}

fn holds(expr: &Expr, span: &Span, facts: &Facts) -> bool {
    match expr {
        Expr::Or(parts) => parts.iter().any(|part| holds(part, span, facts)),
        Expr::And(parts) => parts.iter().all(|part| holds(part, span, facts)),
        Expr::Not(inner) => !holds(inner, span, facts),
        Expr::Test(test) => passes(test, span, facts),
    }
}

fn passes(test: &Test, span: &Span, facts: &Facts) -> bool {
    match test {
        Test::Word(word) => has_word(span, word),
        Test::Text(field, test) => text_passes(*field, test, span),
        Test::Kind { is, kind } => (span.kind == *kind) == *is,
        Test::Status { is, status } => (span.status == *status) == *is,
        Test::Duration(DurationField::Span, order, ns) => order.holds(&span.duration_ns(), ns),
        Test::Duration(DurationField::Trace, order, ns) => order.holds(&facts.duration_ns, ns),
        Test::Count(field, order, count) => order.holds(&facts.count(*field), count),
        Test::HasAttribute(key) => attribute(span, key).is_some(),
        Test::Attribute(key, test) => attribute_passes(attribute(span, key), test),
    }
}

impl Facts {
    fn count(&self, field: CountField) -> u64 {
        match field {
            CountField::Spans => self.spans,
            CountField::Errors => self.errors,
            CountField::Services => self.services,
        }
    }
}

fn text_passes(field: TextField, test: &TextTest, span: &Span) -> bool {
    match field {
        TextField::Service => test.passes(&span.resource.service),
        TextField::Name => test.passes(&span.name),
        TextField::Instance => test.passes(&span.resource.instance),
        TextField::TraceId => test.passes(&span.trace_id.to_string()),
        // Of several events one is enough; a negation asks that none is such.
        TextField::Event if test.is_negative() => span.events.iter().all(|event| test.passes(&event.name)),
        TextField::Event => span.events.iter().any(|event| test.passes(&event.name)),
    }
}

impl TextTest {
    fn passes(&self, text: &str) -> bool {
        match self {
            Self::Is(wanted) => text == wanted,
            Self::IsNot(unwanted) => text != unwanted,
            Self::Matches(pattern) => pattern.0.is_match(text),
            Self::MatchesNot(pattern) => !pattern.0.is_match(text),
        }
    }

    fn is_negative(&self) -> bool {
        matches!(self, Self::IsNot(_) | Self::MatchesNot(_))
    }
}

/// An attribute of the span, of its resource, or of one of its events, in this order.
fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    let of_resource = || find(&span.resource.attributes, key);
    let of_events = || span.events.iter().find_map(|event| event.get(key));
    span.get(key).or_else(of_resource).or_else(of_events)
}

fn attribute_passes(value: Option<&Value>, test: &AttributeTest) -> bool {
    match (value, test) {
        (Some(value), AttributeTest::Text(test)) => test.passes(&text_of(value)),
        (Some(value), AttributeTest::Number(order, number)) => match value.as_float() {
            Some(float) => order.holds(&float, number),
            None => *order == Order::Unequal,
        },
        // What is not there differs from everything.
        (None, AttributeTest::Text(test)) => test.is_negative(),
        (None, AttributeTest::Number(order, _)) => *order == Order::Unequal,
    }
}

fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) | Value::Json(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn has_word(span: &Span, word: &str) -> bool {
    let is_in = |text: &str| contains(text, word);
    is_in(&span.resource.service)
        || is_in(&span.name)
        || span.attributes.iter().any(|attribute| is_in(&text_of(&attribute.value)))
}

/// Whether a text contains a word regardless of case.
fn contains(text: &str, word: &str) -> bool {
    if text.is_ascii() && word.is_ascii() {
        let wanted = word.as_bytes();
        return wanted.is_empty()
            || text.as_bytes().windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted));
    }
    text.to_lowercase().contains(&word.to_lowercase())
}
