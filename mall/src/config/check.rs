//! A tree against the schema: every mistake at once, and what the good rest says.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::address::{can_connect, can_listen};
use super::schema::{Field, HEADER, Kind, Section, has};
use super::tree::{At, Entry, Mistake, Node, Value};
use crate::nearest::nearest;

/// What a tree says.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// The values, by the schema's own spelling of the keys.
    pub(super) values: Map<String, Json>,
    /// What is wrong.
    pub(super) mistakes: Vec<Mistake>,
    /// What is accepted and has no effect.
    pub(super) notes: Vec<Mistake>,
    /// Keys whose value is refused, by path, and those that they stand in.
    wrong: BTreeSet<String>,
}

impl Checked {
    /// Whether something under a path is refused already.
    pub(super) fn is_wrong(&self, path: &str) -> bool {
        self.wrong.contains(path)
    }

    /// Whether the file says something under a path such as `Auth.AccessSecret`, be it right or refused already.
    pub(super) fn says(&self, path: &str) -> bool {
        if self.is_wrong(path) {
            return true;
        }
        let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut names = section.split('.').filter(|name| !name.is_empty());
        let section = names.try_fold(&self.values, |section, name| section.get(name).and_then(Json::as_object));
        section.is_some_and(|section| has(section, key))
    }
}

/// Looks up a variable of the environment.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Checks a whole file.
pub(super) fn check(root: &Node, schema: &Section, lookup: Lookup<'_>) -> Checked {
    let mut checker = Checker { lookup, mistakes: Vec::new(), notes: Vec::new(), wrong: BTreeSet::new() };
    let values = if let Value::Table(entries) = &root.value {
        checker.table(root.at, entries, schema, "")
    } else {
        checker.wrong(root.at, "a configuration is keys with values, such as `Name: pay-rpc`");
        Map::new()
    };
    let Checker { mistakes, notes, wrong, .. } = checker;
    Checked { values, mistakes, notes, wrong }
}

struct Checker<'a> {
    lookup: Lookup<'a>,
    mistakes: Vec<Mistake>,
    notes: Vec<Mistake>,
    wrong: BTreeSet<String>,
}

impl Checker<'_> {
    fn wrong(&mut self, at: At, what: impl Into<String>) {
        self.mistakes.push(Mistake::new(at, what));
    }

    fn table(&mut self, at: At, entries: &[Entry], section: &Section, path: &str) -> Map<String, Json> {
        let mut values = Map::new();
        let mut is_whole = true;
        for entry in entries {
            let Some(field) = find(section, &entry.key) else {
                self.unknown(entry, section);
                is_whole = false;
                continue;
            };
            let before = self.mistakes.len();
            if values.contains_key(field.key) {
                self.wrong(entry.at, format!("`{}` stands here a second time", field.key));
            } else if let Some(value) = self.field(entry, field, path) {
                values.insert(field.key.to_owned(), value);
            }
            // What is wrong within a group is not missing here.
            let is_group = matches!(field.kind, Kind::Table(_) | Kind::Tables(_));
            is_whole &= is_group || self.mistakes.len() == before;
        }
        // A rule would only repeat in other words what is said already.
        if is_whole && let Some(what) = (section.rule)(&values) {
            self.wrong(at, what);
        }
        values
    }

    fn unknown(&mut self, entry: &Entry, section: &Section) {
        let keys = section.fields.iter().filter(|field| !matches!(field.kind, Kind::Inert(_) | Kind::Refused(_)));
        let hint = nearest(&entry.key, keys.map(|field| field.key));
        let hint = hint.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default();
        self.wrong(entry.at, format!("unknown key `{}`{hint}", entry.key));
    }

    fn field(&mut self, entry: &Entry, field: &Field, path: &str) -> Option<Json> {
        if entry.value.value.is_nothing() {
            return None;
        }
        match &field.kind {
            Kind::Inert(why) => {
                self.notes.push(Mistake::new(entry.at, format!("`{}` has no effect: {why}", field.key)));
                None
            }
            Kind::Refused(why) => {
                let is_off =
                    matches!(&entry.value.value, Value::Scalar { text, .. } if text == "false" || text.is_empty());
                if !is_off {
                    self.wrong(entry.at, format!("`{}` cannot be had: {why}", field.key));
                }
                None
            }
            kind => {
                let name = if path.is_empty() { field.key.to_owned() } else { format!("{path}.{}", field.key) };
                let before = self.mistakes.len();
                let value = self.value(&entry.value, kind, &name);
                if self.mistakes.len() > before {
                    self.wrong.insert(name);
                }
                value
            }
        }
    }

    fn value(&mut self, node: &Node, kind: &Kind, name: &str) -> Option<Json> {
        match (kind, &node.value) {
            (Kind::Table(section), Value::Table(entries)) => {
                Some(Json::Object(self.table(node.at, entries, section, name)))
            }
            (Kind::Tables(section), Value::List(items)) => {
                let mut list = Vec::new();
                for item in items {
                    list.extend(self.value(item, &Kind::Table(section), name));
                }
                Some(Json::Array(list))
            }
            (Kind::Texts, Value::List(items)) => Some(self.list(items, &Kind::Text, name)),
            (Kind::Addresses, Value::List(items)) => Some(self.list(items, &Kind::Address, name)),
            (Kind::Secrets, Value::Table(entries)) => {
                let mut values = Map::new();
                for entry in entries {
                    if let Err(what) = super::header::name(&entry.key) {
                        self.wrong(entry.at, format!("`{name}.{}` {what}", entry.key));
                    } else if let Some(value) =
                        self.value(&entry.value, &Kind::Formed(&HEADER), &format!("{name}.{}", entry.key))
                    {
                        values.insert(entry.key.clone(), value);
                    }
                }
                Some(Json::Object(values))
            }
            (_, Value::Scalar { text, is_quoted }) => self.scalar(node.at, text, *is_quoted, kind, name),
            (kind, found) => {
                self.wrong(node.at, format!("`{name}` is {}: must be {}", found.name(), kind.expected()));
                None
            }
        }
    }

    fn list(&mut self, items: &[Node], kind: &Kind, name: &str) -> Json {
        let mut list = Vec::new();
        for item in items {
            list.extend(self.value(item, kind, name));
        }
        Json::Array(list)
    }

    fn scalar(&mut self, at: At, text: &str, is_quoted: bool, kind: &Kind, name: &str) -> Option<Json> {
        let text = match expand(text, self.lookup) {
            Ok(text) => text,
            Err(variable) => {
                self.wrong(at, format!("`{name}` asks for the environment variable `{variable}`, which is not set"));
                return None;
            }
        };
        let must_be = |expected: String| format!("`{name}` is `{text}`: must be {expected}");
        let wrong = match kind {
            Kind::Text | Kind::Secret => return Some(Json::String(text)),
            // As good as absent: whoever writes files writes every key.
            Kind::Formed(_) if text.is_empty() => return None,
            Kind::Formed(form) => match (form.check)(&text) {
                Ok(()) => return Some(Json::String(text)),
                Err(what) if form.is_secret => format!("`{name}` {what}"),
                Err(what) => format!("`{name}` is `{text}`: {what}"),
            },
            Kind::Word(words) if words.contains(&text.as_str()) => return Some(Json::String(text)),
            Kind::Word(words) => {
                let hint = nearest(&text, words.iter().copied());
                let hint = hint.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
                format!("{}{hint}", must_be(kind.expected()))
            }
            Kind::Whole(least, most) => match text.parse::<u64>() {
                Ok(number) if !is_quoted && (*least..=*most).contains(&number) => return Some(number.into()),
                _ => must_be(kind.expected()),
            },
            Kind::Ratio => match text.parse::<f64>() {
                Ok(ratio) if !is_quoted && (0.0..=1.0).contains(&ratio) => return Some(ratio.into()),
                _ => must_be(kind.expected()),
            },
            Kind::Switch => match text.as_str() {
                "true" if !is_quoted => return Some(true.into()),
                "false" if !is_quoted => return Some(false.into()),
                _ => must_be(kind.expected()),
            },
            // As a formed text.
            Kind::Address | Kind::Listen if text.is_empty() => return Some(Json::String(text)),
            Kind::Address | Kind::Listen => match text.split_once("://") {
                Some((_, address)) => {
                    let address = address.trim_end_matches('/');
                    format!("`{name}` is `{text}`: must be host:port without a scheme; did you mean `{address}`?")
                }
                None if matches!(kind, Kind::Listen) && can_listen(&text) => return Some(Json::String(text)),
                None if matches!(kind, Kind::Address) && can_connect(&text) => return Some(Json::String(text)),
                None => must_be(kind.expected()),
            },
            kind => must_be(kind.expected()),
        };
        self.wrong(at, wrong);
        None
    }
}

impl Kind {
    fn expected(&self) -> String {
        match self {
            Self::Text | Self::Secret | Self::Formed(_) => "text".to_owned(),
            Self::Word(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                match words.split_last() {
                    Some((last, [])) => last.clone(),
                    Some((last, others)) => format!("{} or {last}", others.join(", ")),
                    None => "nothing".to_owned(),
                }
            }
            Self::Whole(least, u64::MAX) => format!("a whole number from {least}"),
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Ratio => "a number from 0 to 1".to_owned(),
            Self::Switch => "`true` or `false`".to_owned(),
            Self::Listen => "host:port".to_owned(),
            Self::Address => "host:port with a port above 0".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::Addresses => "a list of host:port".to_owned(),
            Self::Secrets => "texts by name".to_owned(),
            Self::Table(section) => {
                format!("keys such as `{}`", section.fields.first().map_or("Name", |field| field.key))
            }
            Self::Tables(section) => {
                format!("a list of keys such as `{}`", section.fields.first().map_or("Name", |field| field.key))
            }
            Self::Inert(_) | Self::Refused(_) => "left out".to_owned(),
        }
    }
}

impl Value {
    fn name(&self) -> &'static str {
        match self {
            Self::Scalar { .. } => "a single value",
            Self::List(_) => "a list",
            Self::Table(_) => "a group of keys",
        }
    }
}

/// A key whatever its case, as go-zero finds it; the exact spelling first.
fn find(section: &Section, key: &str) -> Option<&'static Field> {
    let exact = section.fields.iter().find(|field| field.key == key);
    exact.or_else(|| section.fields.iter().find(|field| field.key.eq_ignore_ascii_case(key)))
}

/// Replaces each `${NAME}`; the error is the name of a variable that is not set.
fn expand(text: &str, lookup: Lookup<'_>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        expanded.push_str(before);
        expanded.push_str(&lookup(name).ok_or_else(|| name.to_owned())?);
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_must_exist() {
        let lookup = |name: &str| (name == "PASS").then(|| "s3cret".to_owned());
        assert_eq!(expand("a:${PASS}@b", &lookup), Ok("a:s3cret@b".to_owned()));
        assert_eq!(expand("${USER}", &lookup), Err("USER".to_owned()));
        assert_eq!(expand("costs $5 ${", &lookup), Ok("costs $5 ${".to_owned()));
    }
}
