//! Equal texts share memory, within bounds.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError, RwLock};

/// What a name becomes when its set is full.
pub(super) const OTHER: &str = "__other__";

/// A set of names that stops growing at its limit.
pub(super) struct Names {
    limit: usize,
    seen: RwLock<HashSet<Arc<str>>>,
    other: Arc<str>,
}

impl Names {
    pub fn new(limit: usize) -> Self {
        Self { limit, seen: RwLock::default(), other: Arc::from(OTHER) }
    }

    /// The shared text; `None` when it is new and the set is full.
    pub fn intern(&self, text: &str) -> Option<Arc<str>> {
        if let Some(name) = self.seen.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return Some(Arc::clone(name));
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = seen.get(text) {
            return Some(Arc::clone(name));
        }
        if seen.len() >= self.limit {
            return None;
        }
        let name: Arc<str> = Arc::from(text);
        seen.insert(Arc::clone(&name));
        Some(name)
    }

    pub fn other(&self) -> Arc<str> {
        Arc::clone(&self.other)
    }
}

/// Texts longer than this are not worth a search.
const LONGEST: usize = 64;

/// Shards by hash.
const SHARDS: usize = 16;

/// Texts of one generation of a shard.
const GENERATION: usize = 1_024;

/// A cache of short texts: attribute keys and values, names of events. Forgets what was not asked for in two generations,
/// so that unique values push out each other and not the common ones.
#[derive(Default)]
pub(super) struct Words {
    hasher: RandomState,
    shards: [RwLock<Generations>; SHARDS],
}

#[derive(Default)]
struct Generations {
    current: HashSet<Arc<str>>,
    previous: HashSet<Arc<str>>,
}

impl Words {
    /// The text, shared when it is short.
    pub fn intern(&self, text: &str) -> Arc<str> {
        if text.len() > LONGEST {
            return Arc::from(text);
        }
        let shard = self.hasher.hash_one(text) as usize % SHARDS;
        let Some(shard) = self.shards.get(shard) else { return Arc::from(text) };
        if let Some(word) = shard.read().unwrap_or_else(PoisonError::into_inner).current.get(text) {
            return Arc::clone(word);
        }
        let mut generations = shard.write().unwrap_or_else(PoisonError::into_inner);
        let word = generations.previous.take(text).unwrap_or_else(|| Arc::from(text));
        if generations.current.len() >= GENERATION {
            generations.previous = std::mem::take(&mut generations.current);
        }
        generations.current.insert(Arc::clone(&word));
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_set_of_names_takes_no_more_and_keeps_what_it_has() {
        let names = Names::new(2);
        let first = names.intern("a").expect("room");
        assert!(names.intern("b").is_some());
        assert_eq!(names.intern("c"), None);
        assert!(Arc::ptr_eq(&first, &names.intern("a").expect("known")));
    }

    #[test]
    fn common_words_survive_a_flood_of_unique_ones() {
        let words = Words::default();
        let common = words.intern("http.route");
        for unique in 0..200_000 {
            words.intern(&format!("order-{unique}"));
            assert!(Arc::ptr_eq(&common, &words.intern("http.route")));
        }
        let kept: usize = words
            .shards
            .iter()
            .map(|shard| shard.read().map_or(0, |shard| shard.current.len() + shard.previous.len()))
            .sum();
        assert!(kept <= SHARDS * GENERATION * 2);
    }
}
