//! Sets of labels.

use std::fmt;
use std::sync::Arc;

use crate::model::{Attribute, Resource, Value};
use collector_api::prometheus::label_name;

/// The label that holds a metric's name.
pub const NAME: &str = "__name__";

/// Labels of a series, sorted by name, none empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Labels(Vec<(Arc<str>, Arc<str>)>);

impl Labels {
    /// Labels from pairs in any order; of one name the last counts, and an empty value is no label.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.set(name.into(), value.into());
        }
        labels
    }

    /// The labels of a point: its attributes, `job` and `instance`.
    pub(super) fn of_point(attributes: &[Attribute], resource: &Resource) -> Self {
        let mut labels = Self::default();
        for attribute in attributes {
            labels.add_attribute(attribute);
        }
        labels.set_target(resource);
        labels
    }

    /// The labels of a process's `target_info`.
    pub(super) fn of_target(resource: &Resource) -> Self {
        let mut labels = Self::default();
        let others = resource
            .attributes
            .iter()
            .filter(|attribute| !matches!(&*attribute.key, "service.name" | "service.instance.id"));
        for attribute in others {
            labels.add_attribute(attribute);
        }
        labels.set_target(resource);
        labels.set(Arc::from(NAME), Arc::from("target_info"));
        labels
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).ok().and_then(|at| self.0.get(at)).map(|(_, value)| &**value)
    }

    /// Pairs in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These labels and one more, or one replaced; an empty value removes it.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut labels = self.clone();
        labels.set(Arc::from(name), Arc::from(value));
        labels
    }

    /// These labels with a metric's name.
    pub fn named(&self, name: &str) -> Self {
        self.with(NAME, name)
    }

    /// Only the labels whose names are accepted.
    pub fn filtered(&self, accepts: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| accepts(name)).cloned().collect())
    }

    /// These labels without the metric's name.
    pub fn unnamed(&self) -> Self {
        self.filtered(|name| name != NAME)
    }

    /// The shared value of a label.
    pub(super) fn shared(&self, name: &str) -> Option<Arc<str>> {
        self.find(name).ok().and_then(|at| self.0.get(at)).map(|(_, value)| Arc::clone(value))
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }

    fn set(&mut self, name: Arc<str>, value: Arc<str>) {
        match (self.find(&name), value.is_empty()) {
            (Ok(at), true) => {
                self.0.remove(at);
            }
            (Ok(at), false) => {
                if let Some(pair) = self.0.get_mut(at) {
                    pair.1 = value;
                }
            }
            (Err(_), true) => {}
            (Err(at), false) => self.0.insert(at, (name, value)),
        }
    }

    /// Two attributes whose names become one label join their values, as OpenTelemetry prescribes.
    fn add_attribute(&mut self, attribute: &Attribute) {
        let name = match label_name(&attribute.key) {
            name if matches!(name.as_str(), "job" | "instance" | NAME) => format!("exported_{name}"),
            name => name,
        };
        let value = match &attribute.value {
            Value::Text(text) => Arc::clone(text),
            other => Arc::from(other.to_string()),
        };
        let joined = self.get(&name).map(|earlier| Arc::from(format!("{earlier};{value}")));
        self.set(Arc::from(name), joined.unwrap_or(value));
    }

    fn set_target(&mut self, resource: &Resource) {
        self.set(Arc::from("job"), Arc::clone(&resource.service));
        self.set(Arc::from("instance"), Arc::clone(&resource.instance));
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.get(NAME).unwrap_or_default())?;
        out.write_str("{")?;
        for (at, (name, value)) in self.iter().filter(|(name, _)| *name != NAME).enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(out, "{comma}{name}={value:?}")?;
        }
        out.write_str("}")
    }
}
