//! Tokens into a query: `or := and ("||" and)*`, `and := unary ("&&"? unary)*`, `unary := "!" unary | "(" or ")" | test`.

use regex::RegexBuilder;

use super::QueryError;
use super::ast::{AttributeTest, Expr, FIELDS, Field, KINDS, Order, Pattern, Query, STATUSES, Test, TextTest};
use super::lexer::{Placed, Token, tokens};

/// Longest query, in bytes.
const MAX_BYTES: usize = 4096;
/// Deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 64;
/// Memory that a compiled regular expression may take.
const MAX_PATTERN_BYTES: usize = 256 << 10;

/// Parses a query; empty text matches every trace.
pub fn parse(text: &str) -> Result<Query, QueryError> {
    if text.len() > MAX_BYTES {
        return Err(error(0, format!("the query is longer than {MAX_BYTES} bytes"), None));
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Query::default());
    }
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), end: text.chars().count(), depth: 0 };
    let root = parser.or()?;
    match parser.tokens.next() {
        None => Ok(Query { root: Some(root) }),
        Some(placed) => Err(error(placed.position, "this `)` closes nothing", None)),
    }
}

fn error(position: usize, message: impl Into<String>, suggestion: Option<String>) -> QueryError {
    QueryError { position, message: message.into(), suggestion }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Placed>>,
    /// Characters of the whole text.
    end: usize,
    depth: usize,
}

impl Parser {
    fn position(&mut self) -> usize {
        self.tokens.peek().map_or(self.end, |placed| placed.position)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        self.tokens.next_if(|placed| placed.token == *wanted).is_some()
    }

    fn or(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.and()?];
        while self.take(&Token::Or) {
            parts.push(self.and()?);
        }
        Ok(flatten(parts, Expr::Or, |part| match part {
            Expr::Or(inner) => Ok(inner),
            other => Err(other),
        }))
    }

    fn and(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.unary()?];
        loop {
            let is_said = self.take(&Token::And);
            let ends = matches!(self.tokens.peek().map(|placed| &placed.token), None | Some(Token::Or | Token::Close));
            if ends && !is_said {
                break;
            }
            parts.push(self.unary()?);
        }
        Ok(flatten(parts, Expr::And, |part| match part {
            Expr::And(inner) => Ok(inner),
            other => Err(other),
        }))
    }

    fn unary(&mut self) -> Result<Expr, QueryError> {
        let position = self.position();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(error(position, format!("the query is nested deeper than {MAX_DEPTH}"), None));
        }
        let expr = if self.take(&Token::Not) {
            Expr::Not(Box::new(self.unary()?))
        } else if self.take(&Token::Open) {
            let inner = self.or()?;
            let end = self.position();
            if !self.take(&Token::Close) {
                return Err(error(
                    end,
                    format!("the `(` at character {} is not closed", position + 1),
                    Some("add )".to_owned()),
                ));
            }
            inner
        } else {
            Expr::Test(self.test()?)
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn test(&mut self) -> Result<Test, QueryError> {
        let position = self.position();
        let word = match self.tokens.next().map(|placed| placed.token) {
            Some(Token::Quoted(text)) => return Ok(Test::Word(text)),
            Some(Token::Word(word)) => word,
            Some(_) => {
                return Err(error(
                    position,
                    "a condition is expected here",
                    Some("such as service=gateway".to_owned()),
                ));
            }
            None => {
                return Err(error(
                    position,
                    "the query ends where a condition is expected",
                    Some("such as service=gateway".to_owned()),
                ));
            }
        };
        let attribute = word.strip_prefix('.').filter(|key| !key.is_empty());
        let Some(comparison) = self.comparison() else {
            return Ok(attribute.map_or_else(|| Test::Word(word.clone()), |key| Test::HasAttribute(key.to_owned())));
        };
        let value_at = self.position();
        let value = self.value()?;
        let operand = Operand { comparison, value, position: value_at };
        if let Some(key) = attribute {
            return Ok(Test::Attribute(key.to_owned(), operand.attribute()?));
        }
        let known = FIELDS.iter().find(|(name, _)| *name == word);
        let Some((_, field)) = known else {
            return Err(error(position, format!("there is no field `{word}`"), field_suggestion(&word)));
        };
        operand.test(&word, *field)
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let comparison = comparison_of(&self.tokens.peek()?.token)?;
        self.tokens.next();
        Some(comparison)
    }

    fn value(&mut self) -> Result<String, QueryError> {
        let position = self.position();
        match self.tokens.next().map(|placed| placed.token) {
            Some(Token::Word(text) | Token::Quoted(text)) => Ok(text),
            _ => Err(error(
                position,
                "a value is expected after the comparison",
                Some("quote text with special characters".to_owned()),
            )),
        }
    }
}

/// A chain of one operator as one node, so that the text form parses to the same tree.
fn flatten(parts: Vec<Expr>, node: fn(Vec<Expr>) -> Expr, inner: fn(Expr) -> Result<Vec<Expr>, Expr>) -> Expr {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match inner(part) {
            Ok(same) => flat.extend(same),
            Err(other) => flat.push(other),
        }
    }
    match flat.len() {
        1 => flat.swap_remove(0),
        _ => node(flat),
    }
}

#[derive(Clone, Copy)]
enum Comparison {
    Order(Order),
    Matches,
    MatchesNot,
}

fn comparison_of(token: &Token) -> Option<Comparison> {
    let comparison = match token {
        Token::Equal => Comparison::Order(Order::Equal),
        Token::Unequal => Comparison::Order(Order::Unequal),
        Token::Less => Comparison::Order(Order::Less),
        Token::AtMost => Comparison::Order(Order::AtMost),
        Token::More => Comparison::Order(Order::More),
        Token::AtLeast => Comparison::Order(Order::AtLeast),
        Token::Matches => Comparison::Matches,
        Token::MatchesNot => Comparison::MatchesNot,
        _ => return None,
    };
    Some(comparison)
}

/// What stands after a field.
struct Operand {
    comparison: Comparison,
    value: String,
    position: usize,
}

impl Operand {
    fn test(self, name: &str, field: Field) -> Result<Test, QueryError> {
        match field {
            Field::Text(field) => Ok(Test::Text(field, self.text(name)?)),
            Field::Kind => Ok(Test::Kind { is: self.equality(name)?, kind: self.choice(name, KINDS)? }),
            Field::Status => Ok(Test::Status { is: self.equality(name)?, status: self.choice(name, STATUSES)? }),
            Field::Duration(field) => Ok(Test::Duration(field, self.order(name)?, self.duration()?)),
            Field::Count(field) => Ok(Test::Count(field, self.order(name)?, self.count(name)?)),
        }
    }

    fn text(&self, name: &str) -> Result<TextTest, QueryError> {
        match self.comparison {
            Comparison::Order(Order::Equal) => Ok(TextTest::Is(self.value.clone())),
            Comparison::Order(Order::Unequal) => Ok(TextTest::IsNot(self.value.clone())),
            Comparison::Matches => Ok(TextTest::Matches(self.pattern()?)),
            Comparison::MatchesNot => Ok(TextTest::MatchesNot(self.pattern()?)),
            Comparison::Order(_) => Err(error(
                self.position,
                format!("`{name}` is text and has no order"),
                Some("use = != ~= or !~".to_owned()),
            )),
        }
    }

    fn attribute(&self) -> Result<AttributeTest, QueryError> {
        let number = self.value.parse::<f64>().ok().filter(|number| number.is_finite());
        match (self.comparison, number) {
            (Comparison::Order(order), Some(number)) => Ok(AttributeTest::Number(order, number)),
            (Comparison::Order(Order::Less | Order::AtMost | Order::More | Order::AtLeast), None) => Err(error(
                self.position,
                format!("`{}` is not a number", self.value),
                Some("compare text with = != ~= or !~".to_owned()),
            )),
            _ => self.text("attribute").map(AttributeTest::Text),
        }
    }

    fn pattern(&self) -> Result<Pattern, QueryError> {
        let compiled = RegexBuilder::new(&self.value).size_limit(MAX_PATTERN_BYTES).build();
        compiled.map(Pattern).map_err(|cause| {
            let reason = cause.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            error(self.position, format!("`{}` is no regular expression: {reason}", self.value), None)
        })
    }

    fn equality(&self, name: &str) -> Result<bool, QueryError> {
        match self.comparison {
            Comparison::Order(Order::Equal) => Ok(true),
            Comparison::Order(Order::Unequal) => Ok(false),
            _ => Err(error(self.position, format!("`{name}` is one of a few words"), Some("use = or !=".to_owned()))),
        }
    }

    fn order(&self, name: &str) -> Result<Order, QueryError> {
        match self.comparison {
            Comparison::Order(order) => Ok(order),
            Comparison::Matches | Comparison::MatchesNot => {
                Err(error(self.position, format!("`{name}` is a number"), Some("use = != < <= > or >=".to_owned())))
            }
        }
    }

    fn choice<T: Copy>(&self, name: &str, table: &[(&str, T)]) -> Result<T, QueryError> {
        let chosen = table.iter().find(|(word, _)| word.eq_ignore_ascii_case(&self.value));
        chosen.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = table.iter().map(|(word, _)| *word).collect();
            error(
                self.position,
                format!("`{name}` is never `{}`", self.value),
                Some(format!("one of {}", words.join(", "))),
            )
        })
    }

    fn duration(&self) -> Result<u64, QueryError> {
        duration_ns(&self.value).ok_or_else(|| {
            error(
                self.position,
                format!("`{}` is not a duration", self.value),
                Some("a number with ns, us, ms, s, m or h, such as 50ms".to_owned()),
            )
        })
    }

    fn count(&self, name: &str) -> Result<u64, QueryError> {
        self.value
            .parse()
            .map_err(|_| error(self.position, format!("`{name}` is a whole number, not `{}`", self.value), None))
    }
}

/// `50ms`, `1.5s`, `200us`: nanoseconds.
fn duration_ns(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let scale: u64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let scaled = number.parse::<f64>().ok()? * scale as f64;
    (scaled < u64::MAX as f64).then_some(scaled.round() as u64)
}

/// The field that was probably meant.
fn field_suggestion(word: &str) -> Option<String> {
    if word.contains('.') && !word.starts_with("trace.") {
        return Some(format!("attributes begin with a dot: .{word}"));
    }
    let nearest = FIELDS.iter().map(|(name, _)| (distance(word, name), *name)).min()?;
    Some(match nearest {
        (0..=3, name) => format!("did you mean {name}"),
        _ => format!("attributes begin with a dot: .{word}"),
    })
}

/// Edits that turn one word into another.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, character) in from.chars().enumerate() {
        let mut next = vec![at + 1];
        for ((above_left, above), other) in row.iter().zip(row.iter().skip(1)).zip(&to) {
            let left = next.last().copied().unwrap_or_default();
            next.push((above_left + usize::from(character != *other)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
