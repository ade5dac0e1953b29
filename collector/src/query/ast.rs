//! A parsed query.

use std::fmt;

use regex::Regex;

use crate::model::{Kind, Status};

/// A parsed query; its text form parses to an equal query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    /// `None` matches every trace.
    pub(super) root: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Test(Test),
}

/// What is asked of one span.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// Substring of service, operation or any attribute's value, regardless of case.
    Word(String),
    Text(TextField, TextTest),
    Kind {
        is: bool,
        kind: Kind,
    },
    Status {
        is: bool,
        status: Status,
    },
    /// A duration of the span or the trace, in nanoseconds.
    Duration(DurationField, Order, u64),
    Count(CountField, Order, u64),
    HasAttribute(String),
    Attribute(String, AttributeTest),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextField {
    Service,
    Name,
    Instance,
    Event,
    TraceId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DurationField {
    Span,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CountField {
    Spans,
    Errors,
    Services,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TextTest {
    Is(String),
    IsNot(String),
    Matches(Pattern),
    MatchesNot(Pattern),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum AttributeTest {
    Text(TextTest),
    Number(Order, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A regular expression, found anywhere in a text; equal when written equally.
#[derive(Debug, Clone)]
pub(super) struct Pattern(pub(super) Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Order {
    pub(super) fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// Every field that may stand before a comparison, with its meaning; attributes begin with a dot.
pub(super) const FIELDS: &[(&str, Field)] = &[
    ("service", Field::Text(TextField::Service)),
    ("name", Field::Text(TextField::Name)),
    ("operation", Field::Text(TextField::Name)),
    ("instance", Field::Text(TextField::Instance)),
    ("event", Field::Text(TextField::Event)),
    ("kind", Field::Kind),
    ("status", Field::Status),
    ("duration", Field::Duration(DurationField::Span)),
    ("trace.duration", Field::Duration(DurationField::Trace)),
    ("trace.spans", Field::Count(CountField::Spans)),
    ("spans", Field::Count(CountField::Spans)),
    ("trace.errors", Field::Count(CountField::Errors)),
    ("trace.services", Field::Count(CountField::Services)),
    ("trace.id", Field::Text(TextField::TraceId)),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Text(TextField),
    Kind,
    Status,
    Duration(DurationField),
    Count(CountField),
}

pub(super) const KINDS: &[(&str, Kind)] = &[
    ("server", Kind::Server),
    ("client", Kind::Client),
    ("internal", Kind::Internal),
    ("producer", Kind::Producer),
    ("consumer", Kind::Consumer),
    ("unspecified", Kind::Unspecified),
];

pub(super) const STATUSES: &[(&str, Status)] =
    &[("error", Status::Error), ("ok", Status::Ok), ("unset", Status::Unset)];

/// The first word that a table has for a value.
fn word_of<T: PartialEq + Copy>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|(_, entry)| *entry == value).map_or("", |(word, _)| word)
}

impl fmt::Display for Query {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.as_ref().map_or(Ok(()), |root| root.fmt(out))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(parts) => join(out, parts, " || "),
            Self::And(parts) => join(out, parts, " && "),
            Self::Not(inner) => {
                out.write_str("!")?;
                group(out, inner)
            }
            Self::Test(test) => test.fmt(out),
        }
    }
}

fn join(out: &mut fmt::Formatter<'_>, parts: &[Expr], between: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.write_str(between)?;
        }
        group(out, part)?;
    }
    Ok(())
}

fn group(out: &mut fmt::Formatter<'_>, inner: &Expr) -> fmt::Result {
    match inner {
        Expr::Or(_) | Expr::And(_) => write!(out, "({inner})"),
        Expr::Not(_) | Expr::Test(_) => write!(out, "{inner}"),
    }
}

impl fmt::Display for Test {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => quoted(out, word),
            Self::Text(field, test) => {
                out.write_str(word_of(FIELDS, Field::Text(*field)))?;
                test.fmt(out)
            }
            Self::Kind { is, kind } => write!(out, "kind{}{}", sign(*is), word_of(KINDS, *kind)),
            Self::Status { is, status } => write!(out, "status{}{}", sign(*is), word_of(STATUSES, *status)),
            Self::Duration(field, order, ns) => {
                write!(out, "{}{}{ns}ns", word_of(FIELDS, Field::Duration(*field)), order.sign())
            }
            Self::Count(field, order, count) => {
                write!(out, "{}{}{count}", word_of(FIELDS, Field::Count(*field)), order.sign())
            }
            Self::HasAttribute(key) => write!(out, ".{key}"),
            Self::Attribute(key, AttributeTest::Text(test)) => write!(out, ".{key}{test}"),
            Self::Attribute(key, AttributeTest::Number(order, number)) => write!(out, ".{key}{}{number}", order.sign()),
        }
    }
}

impl fmt::Display for TextTest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, text) = match self {
            Self::Is(text) => ("=", text.as_str()),
            Self::IsNot(text) => ("!=", text.as_str()),
            Self::Matches(pattern) => ("~=", pattern.0.as_str()),
            Self::MatchesNot(pattern) => ("!~", pattern.0.as_str()),
        };
        out.write_str(sign)?;
        quoted(out, text)
    }
}

fn sign(is: bool) -> &'static str {
    if is { "=" } else { "!=" }
}

fn quoted(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(out, "\\{character}")?,
            _ => write!(out, "{character}")?,
        }
    }
    out.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::FIELDS;

    #[test]
    fn the_document_lists_every_field() {
        let document = include_str!("../../../docs/query.md");
        for (field, _) in FIELDS {
            assert!(document.contains(&format!("`{field}`")), "docs/query.md does not list {field}");
        }
    }
}
