//! Figures by key for the last seconds, merged on demand.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::names::Bounded;

/// Figures that add up.
pub trait Merge: Default {
    /// Adds all that the other counted.
    fn merge(&mut self, other: &Self);
}

impl Merge for u64 {
    fn merge(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

/// One cell per key and second, for the newest `keep_s` seconds; keys beyond a limit are the caller's to rename.
#[derive(Debug, Clone)]
pub struct Window<K, V> {
    seconds: BTreeMap<u64, HashMap<K, V>>,
    keep_s: u64,
    keys: Bounded<K>,
}

impl<K: Eq + Hash + Clone, V: Merge> Window<K, V> {
    /// An empty window of `keep_s` seconds and `key_limit` keys.
    pub fn new(keep_s: u64, key_limit: usize) -> Self {
        Self { seconds: BTreeMap::new(), keep_s: keep_s.max(1), keys: Bounded::new(key_limit) }
    }

    /// The cell of a key in a second, under `overflow` when the key does not fit. `None` when the second has left.
    pub fn cell(&mut self, second: u64, key: K, overflow: impl FnOnce(&K) -> K) -> Option<&mut V> {
        let newest = self.seconds.last_key_value().map_or(second, |(newest, _)| (*newest).max(second));
        if second + self.keep_s <= newest {
            return None;
        }
        while self.seconds.first_key_value().is_some_and(|(oldest, _)| oldest + self.keep_s <= newest) {
            self.seconds.pop_first();
        }
        let key = if self.keys.admit(&key) { key } else { overflow(&key) };
        Some(self.seconds.entry(second).or_default().entry(key).or_default())
    }

    /// Every cell in `[from, to]`, by second.
    pub fn range(&self, from: u64, to: u64) -> impl Iterator<Item = (&K, &V)> {
        let seconds = if from <= to { Some(self.seconds.range(from..=to)) } else { None };
        seconds.into_iter().flatten().flat_map(|(_, cells)| cells)
    }

    /// Everything in `[from, to]`, merged by key.
    pub fn merged(&self, from: u64, to: u64) -> HashMap<K, V> {
        let mut merged: HashMap<K, V> = HashMap::new();
        if from > to {
            return merged;
        }
        for cells in self.seconds.range(from..=to).map(|(_, cells)| cells) {
            for (key, cell) in cells {
                merged.entry(key.clone()).or_default().merge(cell);
            }
        }
        merged
    }

    /// How often a key did not fit.
    pub fn overflowed(&self) -> u64 {
        self.keys.overflowed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(window: &mut Window<&'static str, u64>, second: u64, key: &'static str) -> bool {
        match window.cell(second, key, |_| "other") {
            Some(cell) => {
                *cell += 1;
                true
            }
            None => false,
        }
    }

    #[test]
    fn a_window_keeps_its_seconds_and_merges_a_range() {
        let mut window = Window::new(3, 8);
        for second in 1..=5 {
            assert!(add(&mut window, second, "a"));
        }
        assert!(!add(&mut window, 2, "a"), "second 2 has left");
        assert!(add(&mut window, 4, "a"), "a late one still fits");
        assert_eq!(window.merged(0, 9).get("a"), Some(&4));
        assert_eq!(window.merged(5, 5).get("a"), Some(&1));
        assert!(window.merged(5, 4).is_empty());
    }

    #[test]
    fn keys_that_do_not_fit_are_counted_together() {
        let mut window = Window::new(3, 1);
        add(&mut window, 1, "a");
        add(&mut window, 1, "b");
        add(&mut window, 1, "c");
        assert_eq!(window.merged(1, 1).get("other"), Some(&2));
        assert_eq!(window.overflowed(), 2);
    }
}
