//! Bounds on how many names are told apart.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Stands for every name that did not fit.
pub const OTHER: &str = "__other__";

/// A set that admits a limited number of values and counts those it turned away.
#[derive(Debug, Clone)]
pub struct Bounded<K> {
    known: HashSet<K>,
    limit: usize,
    overflowed: u64,
}

impl<K: Eq + Hash + Clone> Bounded<K> {
    /// Room for `limit` values.
    pub fn new(limit: usize) -> Self {
        Self { known: HashSet::new(), limit, overflowed: 0 }
    }

    /// Whether the value is known or fits; a refusal is counted.
    pub fn admit(&mut self, value: &K) -> bool {
        if self.known.contains(value) {
            return true;
        }
        if self.known.len() >= self.limit {
            self.overflowed += 1;
            return false;
        }
        self.known.insert(value.clone())
    }

    /// How often a value was turned away.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

/// The shared text of [`OTHER`].
pub fn other() -> Arc<str> {
    Arc::from(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_pass_and_the_rest_is_counted() {
        let mut names = Bounded::new(2);
        assert!(names.admit(&1) && names.admit(&2) && names.admit(&1));
        assert!(!names.admit(&3) && !names.admit(&3));
        assert_eq!(names.overflowed(), 2);
    }
}
