//! State per key within the process, for a bounded number of keys.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What is known of each key. Two generations of at most `half` keys: when the younger one is full the older one is
/// forgotten, so that a key that nobody asks for goes within `2 * half` other keys. Every operation is O(1), amortised.
pub(super) struct Bounded<V> {
    half: usize,
    generations: Mutex<Generations<V>>,
}

struct Generations<V> {
    young: HashMap<Box<str>, V>,
    old: HashMap<Box<str>, V>,
}

impl<V> Bounded<V> {
    /// Room for `keys` keys.
    pub(super) fn new(keys: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { half: (keys / 2).max(1), generations: Mutex::new(generations) }
    }

    /// Lets `change` work on the state of a key, `fresh` when nothing is known of it. Returns also how many keys had to be
    /// forgotten although they `mattered`.
    pub(super) fn with<T>(
        &self,
        key: &str,
        fresh: impl FnOnce() -> V,
        mattered: impl Fn(&V) -> bool,
        change: impl FnOnce(&mut V) -> T,
    ) -> (T, u64) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let mut evicted = 0;
        if !generations.young.contains_key(key) {
            let known = generations.old.remove(key);
            if generations.young.len() >= self.half {
                let young = std::mem::take(&mut generations.young);
                let forgotten = std::mem::replace(&mut generations.old, young);
                evicted = forgotten.values().filter(|value| mattered(value)).count() as u64;
            }
            generations.young.insert(key.into(), known.unwrap_or_else(fresh));
        }
        let Some(value) = generations.young.get_mut(key) else { unreachable!("the key was inserted above") };
        (change(value), evicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(bounded: &Bounded<u32>, key: &str) -> (u32, u64) {
        let next = |value: &mut u32| {
            *value += 1;
            *value
        };
        bounded.with(key, || 0, |_| true, next)
    }

    #[test]
    fn a_key_in_use_is_kept_and_the_others_are_forgotten_and_counted() {
        let bounded = Bounded::new(4);
        let mut evicted = 0;
        for round in 1..=20 {
            assert_eq!(count(&bounded, "kept").0, round, "a key that is asked for every time is never forgotten");
            evicted += count(&bounded, &format!("once-{round}")).1;
        }
        let held = bounded.generations.lock().expect("not poisoned");
        assert!(held.young.len() + held.old.len() <= 4);
        assert_eq!(evicted, 21 - (held.young.len() + held.old.len()) as u64);
    }
}
