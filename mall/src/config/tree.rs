//! YAML (and so JSON) as a tree that knows where each part stands.
//!
//! The reader keeps plain text: what a scalar means is decided by the key that it belongs to. Anchors and several documents
//! in one file are refused, for a configuration needs neither and both hide where a value comes from.

use granit_parser::{Event, Marker, Parser, ScalarStyle};

/// Deepest nesting that is read.
const DEEPEST: usize = 16;
/// Longest file that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Something wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Text; `is_quoted` when it cannot mean a number, a switch or nothing.
    Scalar { text: String, is_quoted: bool },
    /// Values in order.
    List(Vec<Node>),
    /// Keys in order, each with its place.
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: At,
    pub(super) key: String,
    pub(super) value: Node,
}

impl Mistake {
    pub(super) fn new(at: At, what: impl Into<String>) -> Self {
        Self { line: at.line, column: at.column, what: what.into() }
    }
}

impl Value {
    /// Nothing, as `Key:` or `Key: null` or `Key: ~` says it.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Scalar { text, is_quoted: false } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

impl From<Marker> for At {
    fn from(marker: Marker) -> Self {
        Self { line: marker.line(), column: marker.col() + 1 }
    }
}

/// Reads a file's text.
pub(super) fn read(text: &str) -> Result<Node, Mistake> {
    if text.len() > LONGEST {
        let start = At { line: 1, column: 1 };
        return Err(Mistake::new(start, format!("the file has {} bytes: at most {LONGEST} are read", text.len())));
    }
    let mut reader = Reader { events: Parser::new_from_str(text) };
    loop {
        let (event, at) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(..) => {}
            Event::StreamEnd | Event::DocumentEnd => return Err(Mistake::new(at, "the file is empty")),
            event => {
                let root = reader.node(event, at, 0)?;
                return reader.end().map(|()| root);
            }
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
}

impl<'a> Reader<'a> {
    /// The next event that is no comment.
    fn next(&mut self) -> Result<(Event<'a>, At), Mistake> {
        loop {
            match self.events.next() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => return Ok((event, span.start.into())),
                Some(Err(error)) => return Err(Mistake::new((*error.marker()).into(), error.info())),
                None => return Ok((Event::StreamEnd, At { line: 1, column: 1 })),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, at: At, depth: usize) -> Result<Node, Mistake> {
        if depth > DEEPEST {
            return Err(Mistake::new(at, format!("values are nested deeper than {DEEPEST} levels")));
        }
        let value = match event {
            Event::Scalar(text, style, 0, _) => {
                Value::Scalar { text: text.into_owned(), is_quoted: style != ScalarStyle::Plain }
            }
            Event::SequenceStart(_, 0, _) => self.list(depth)?,
            Event::MappingStart(_, 0, _) => self.table(depth)?,
            _ => return Err(Mistake::new(at, "anchors and aliases are not read; write the value out")),
        };
        Ok(Node { at, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Mistake> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn table(&mut self, depth: usize) -> Result<Value, Mistake> {
        let mut entries = Vec::new();
        loop {
            let (event, at) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Table(entries)),
                Event::Scalar(text, _, 0, _) => text.into_owned(),
                _ => return Err(Mistake::new(at, "a key must be a word")),
            };
            let (event, value_at) = self.next()?;
            entries.push(Entry { at, key, value: self.node(event, value_at, depth + 1)? });
        }
    }

    /// Nothing may follow.
    fn end(&mut self) -> Result<(), Mistake> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd, _) => {}
                (_, at) => {
                    return Err(Mistake::new(at, "a second document begins here; one file is one configuration"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(text: &str) -> Vec<(String, usize, usize)> {
        let Value::Table(entries) = read(text).expect("reads").value else { panic!("no table") };
        entries.into_iter().map(|entry| (entry.key, entry.at.line, entry.at.column)).collect()
    }

    #[test]
    fn keys_know_their_place_in_yaml_and_json() {
        let yaml = "Name: a\n# a comment\nLog:\n  Level: info\n";
        assert_eq!(entries(yaml), [("Name".to_owned(), 1, 1), ("Log".to_owned(), 3, 1)]);
        assert_eq!(entries("{\"Name\": \"a\",\n \"Port\": 1}")[1], ("Port".to_owned(), 2, 2));
    }

    #[test]
    fn what_a_configuration_needs_not_is_refused_by_place() {
        let refused = |text: &str| read(text).expect_err("must be refused");
        assert_eq!(refused("a: &x 1\nb: *x\n").line, 1);
        assert!(refused("a: 1\n---\nb: 2\n").what.contains("second document"));
        assert!(refused("").what.contains("empty"));
        assert!(!refused("a: [1, 2\n").what.is_empty());
        assert!(refused(&format!("a: {}1{}", "[".repeat(40), "]".repeat(40))).what.contains("nested"));
    }

    #[test]
    fn nothing_is_told_from_quoted_nothing() {
        let Value::Table(entries) = read("a:\nb: ~\nc: \"\"\nd: '~'\n").expect("reads").value else { panic!() };
        let nothing: Vec<bool> = entries.iter().map(|entry| entry.value.value.is_nothing()).collect();
        assert_eq!(nothing, [true, true, false, false]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[ -~\n\t]{0,200}") {
            let _ = read(&text);
        }
    }
}
