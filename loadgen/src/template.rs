//! `{{…}}` in scenario texts, and `$.path` into answers.
//!
//! A template is text with variables. Nothing is typed: a template that is a whole JSON string stays a string. Variables:
//! `{{user.mobile}}` (field of a row), `{{token}}` (saved by a step), `{{uuid}}` (random, new at every place),
//! `{{seq}}` (number of the flow start), `{{sent.Header-Name}}` (a header of the request, in records), `{{env.NAME}}`.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// Text with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// What a variable stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Variable {
    /// A random identity.
    Uuid,
    /// Number of the flow start in its run.
    Seq,
    /// Environment variable; its value is never recorded.
    Env(String),
    /// Header of the request that is recorded, in lower case.
    Sent(String),
    /// Saved by a step.
    Saved(String),
    /// Field of a row.
    Field {
        /// Name of the source.
        source: String,
        /// Field of the row.
        field: String,
    },
}

/// Gives the values of variables.
pub trait Values {
    /// The value, or `None` when nothing has it.
    fn value(&mut self, variable: &Variable) -> Option<Cow<'_, str>>;
}

/// A variable has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{{{{{0}}}}}` has no value")]
pub struct Missing(pub Variable);

impl fmt::Display for Variable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid => out.write_str("uuid"),
            Self::Seq => out.write_str("seq"),
            Self::Env(name) => write!(out, "env.{name}"),
            Self::Sent(name) => write!(out, "sent.{name}"),
            Self::Saved(name) => out.write_str(name),
            Self::Field { source, field } => write!(out, "{source}.{field}"),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => out.write_str(text),
            Part::Variable(variable) => write!(out, "{{{{{variable}}}}}"),
        })
    }
}

impl Template {
    /// Reads a template. The error says what is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((inside, behind)) = after.split_once("}}") else {
                return Err(format!("`{{{{{after}` is not closed: end it with `}}}}`"));
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Variable(variable(inside.trim())?));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(variable),
            Part::Text(_) => None,
        })
    }

    /// The text with every variable replaced by its value.
    pub fn render(&self, values: &mut dyn Values) -> Result<String, Missing> {
        let mut rendered = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Variable(variable) => match values.value(variable) {
                    Some(value) => rendered.push_str(&value),
                    None => return Err(Missing(variable.clone())),
                },
            }
        }
        Ok(rendered)
    }
}

fn variable(name: &str) -> Result<Variable, String> {
    let valid = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    match name.split_once('.') {
        None if name == "uuid" => Ok(Variable::Uuid),
        None if name == "seq" => Ok(Variable::Seq),
        None if valid(name) => Ok(Variable::Saved(name.to_owned())),
        Some(("env", rest)) if valid(rest) => Ok(Variable::Env(rest.to_owned())),
        Some(("sent", rest)) if valid(rest) => Ok(Variable::Sent(rest.to_ascii_lowercase())),
        Some((source, field)) if valid(source) && valid(field) => {
            Ok(Variable::Field { source: source.to_owned(), field: field.to_owned() })
        }
        _ => Err(format!(
            "`{{{{{name}}}}}` is no variable: write `{{{{source.field}}}}`, `{{{{saved}}}}` or `{{{{uuid}}}}`"
        )),
    }
}

/// JSON whose strings are templates.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonTemplate {
    /// A string.
    Text(Template),
    /// Anything that holds no string.
    Fixed(Value),
    /// An array.
    List(Vec<JsonTemplate>),
    /// An object, in the order it was written.
    Map(Vec<(String, JsonTemplate)>),
}

impl JsonTemplate {
    /// Reads the strings of a TOML value as templates.
    pub fn from_toml(value: &toml::Value) -> Result<Self, String> {
        Ok(match value {
            toml::Value::String(text) => Self::Text(Template::parse(text)?),
            toml::Value::Integer(number) => Self::Fixed((*number).into()),
            toml::Value::Float(number) => Self::Fixed((*number).into()),
            toml::Value::Boolean(flag) => Self::Fixed((*flag).into()),
            toml::Value::Datetime(instant) => Self::Fixed(instant.to_string().into()),
            toml::Value::Array(items) => Self::List(items.iter().map(Self::from_toml).collect::<Result<_, _>>()?),
            toml::Value::Table(table) => Self::Map(
                table
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), Self::from_toml(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
        })
    }

    /// All variables inside.
    pub fn variables(&self) -> Vec<&Variable> {
        match self {
            Self::Text(template) => template.variables().collect(),
            Self::Fixed(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::variables).collect(),
            Self::Map(fields) => fields.iter().flat_map(|(_, value)| value.variables()).collect(),
        }
    }

    /// The JSON with every variable replaced by its value.
    pub fn render(&self, values: &mut dyn Values) -> Result<Value, Missing> {
        Ok(match self {
            Self::Text(template) => Value::String(template.render(values)?),
            Self::Fixed(value) => value.clone(),
            Self::List(items) => Value::Array(items.iter().map(|item| item.render(values)).collect::<Result<_, _>>()?),
            Self::Map(fields) => Value::Object(
                fields.iter().map(|(key, value)| Ok((key.clone(), value.render(values)?))).collect::<Result<_, _>>()?,
            ),
        })
    }
}

/// A path into JSON: `$.items[0].id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    keys: Vec<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Name(String),
    Index(usize),
}

impl JsonPath {
    /// Reads a path. The error says what is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no path into an answer: write `$.name` or `$.items[0].id`");
        let mut rest = text.strip_prefix('$').ok_or_else(wrong)?;
        let mut keys = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, behind) = after.split_at(end);
                if name.is_empty() {
                    return Err(wrong());
                }
                keys.push(Key::Name(name.to_owned()));
                rest = behind;
            } else {
                let (index, behind) =
                    rest.strip_prefix('[').and_then(|after| after.split_once(']')).ok_or_else(wrong)?;
                keys.push(Key::Index(index.parse().map_err(|_| wrong())?));
                rest = behind;
            }
        }
        Ok(Self { keys })
    }

    /// The value at the path.
    pub fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.keys.iter().try_fold(value, |at, key| match key {
            Key::Name(name) => at.get(name),
            Key::Index(index) => at.get(index),
        })
    }

    /// The value at the path as text: a string without its quotes, anything else as JSON.
    pub fn text(&self, value: &Value) -> Option<String> {
        match self.get(value)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    struct Fixed;

    impl Values for Fixed {
        fn value(&mut self, variable: &Variable) -> Option<Cow<'_, str>> {
            match variable {
                Variable::Saved(name) if name == "none" => None,
                other => Some(other.to_string().into()),
            }
        }
    }

    #[test]
    fn variables_are_replaced() {
        let template = Template::parse("Bearer {{token}} of {{ user.mobile }}/{{uuid}}").unwrap();
        assert_eq!(template.render(&mut Fixed).unwrap(), "Bearer token of user.mobile/uuid");
        let sent = Template::parse("{{sent.Idempotency-Key}}").unwrap();
        assert_eq!(sent.variables().collect::<Vec<_>>(), [&Variable::Sent("idempotency-key".into())]);
    }

    #[test]
    fn a_missing_value_is_named() {
        let missing = Template::parse("{{none}}").unwrap().render(&mut Fixed).unwrap_err();
        assert_eq!(missing.to_string(), "`{{none}}` has no value");
    }

    #[test]
    fn a_whole_template_stays_text() {
        let written: toml::Value =
            toml::from_str(r#"items = [ { product_id = "{{product.id}}", quantity = 1 } ]"#).unwrap();
        let rendered = JsonTemplate::from_toml(&written).unwrap().render(&mut Fixed).unwrap();
        assert_eq!(rendered, json!({ "items": [{ "product_id": "product.id", "quantity": 1 }] }));
    }

    #[test]
    fn paths_reach_into_answers() {
        let answer = json!({ "items": [{ "id": 7 }], "token": "t", "none": null });
        assert_eq!(JsonPath::parse("$.items[0].id").unwrap().text(&answer).as_deref(), Some("7"));
        assert_eq!(JsonPath::parse("$.token").unwrap().text(&answer).as_deref(), Some("t"));
        assert_eq!(JsonPath::parse("$.none").unwrap().text(&answer), None);
        assert_eq!(JsonPath::parse("$.items[3].id").unwrap().text(&answer), None);
        assert!(
            JsonPath::parse("items.id").is_err()
                && JsonPath::parse("$..a").is_err()
                && JsonPath::parse("$[x]").is_err()
        );
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "[{}.$\\[\\]a-z0-9 -]{0,40}|\\PC{0,20}") {
            let _ = JsonPath::parse(&text);
            if let Ok(template) = Template::parse(&text) {
                let _ = template.render(&mut Fixed);
            }
        }

        #[test]
        fn text_without_braces_is_kept(text in "[^{}]{0,40}") {
            prop_assert_eq!(Template::parse(&text).unwrap().render(&mut Fixed).unwrap(), text);
        }
    }
}
