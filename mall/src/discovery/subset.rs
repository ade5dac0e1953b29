//! At most 32 replicas of a service, as in go-zero.

use super::Endpoint;
use rand::Rng;
use rand::seq::IndexedRandom;
use std::collections::BTreeSet;

/// Replicas that one process balances over.
pub(super) const LARGEST: usize = 32;

/// The replicas to use, and how many of those found are left out.
///
/// Which are left out is chance, so that the callers together use all. Differs from go-zero, which draws anew at every
/// change: who was chosen stays chosen while it is found, so that a change elsewhere closes no connection.
pub(super) fn choose(
    found: &BTreeSet<Endpoint>,
    chosen_before: &[Endpoint],
    random: &mut impl Rng,
) -> (Vec<Endpoint>, usize) {
    let left_out = found.len().saturating_sub(LARGEST);
    if left_out == 0 {
        return (found.iter().cloned().collect(), 0);
    }
    let mut chosen: Vec<Endpoint> = chosen_before.iter().filter(|one| found.contains(*one)).cloned().collect();
    chosen.truncate(LARGEST);
    let others: Vec<&Endpoint> = found.iter().filter(|one| !chosen.contains(*one)).collect();
    chosen.extend(others.choose_multiple(random, LARGEST - chosen.len()).map(|one| (*one).clone()));
    chosen.sort();
    (chosen, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    fn set(ports: std::ops::Range<u16>) -> BTreeSet<Endpoint> {
        ports.map(|port| Endpoint::at(&format!("127.0.0.1:{port}"))).collect()
    }

    #[test]
    fn up_to_32_all_are_used() {
        let (chosen, left_out) = choose(&set(1..33), &[], &mut SmallRng::seed_from_u64(1));
        assert_eq!((chosen.len(), left_out), (32, 0));
    }

    #[test]
    fn chance_leaves_out_what_is_more_and_callers_differ() {
        let found = set(1..41);
        let (one, left_out) = choose(&found, &[], &mut SmallRng::seed_from_u64(1));
        let (other, _) = choose(&found, &[], &mut SmallRng::seed_from_u64(2));
        assert_eq!((one.len(), left_out), (32, 8));
        assert_ne!(one, other);
        assert!(one.iter().all(|endpoint| found.contains(endpoint)));
        assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), 32, "each once");
    }

    #[test]
    fn who_was_chosen_stays_while_it_is_found() {
        let mut random = SmallRng::seed_from_u64(3);
        let (before, _) = choose(&set(1..41), &[], &mut random);
        let mut found = set(1..51);
        let gone = before[5].clone();
        found.remove(&gone);
        let (after, left_out) = choose(&found, &before, &mut random);
        assert_eq!((after.len(), left_out), (32, 17));
        let stayed = before.iter().filter(|one| after.contains(one)).count();
        assert_eq!(stayed, 31, "only the place of {gone:?} was given away");
    }
}
