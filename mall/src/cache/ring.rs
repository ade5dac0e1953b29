//! Which node keeps a key.

use std::sync::Arc;

use super::node::Node;

/// Places on the ring of a node of weight 100.
const PLACES: u32 = 100;

/// A consistent hash: a node that joins or leaves moves only its own share of the keys. Every process places the same
/// nodes at the same points, so the hash must not depend on the process or the build.
pub(super) struct Ring {
    nodes: Vec<Arc<dyn Node>>,
    /// Sorted by point.
    places: Vec<(u64, usize)>,
}

impl Ring {
    /// Of nodes with their names (host:port) and weights; at least one node.
    pub(super) fn new(nodes: Vec<(Arc<dyn Node>, String, u32)>) -> Self {
        let mut places = Vec::new();
        for (at, (_, name, weight)) in nodes.iter().enumerate() {
            let count = (u64::from(*weight) * u64::from(PLACES) / 100).max(1);
            places.extend((0..count).map(|place| (point(&format!("{name}#{place}")), at)));
        }
        places.sort_unstable();
        Self { nodes: nodes.into_iter().map(|(node, ..)| node).collect(), places }
    }

    /// The node of a key.
    pub(super) fn of(&self, key: &str) -> &dyn Node {
        &*self.nodes[self.position(key)]
    }

    /// Keys by the node that keeps them.
    pub(super) fn groups<'a>(&self, keys: &'a [String]) -> impl Iterator<Item = (&dyn Node, Vec<&'a str>)> {
        let mut groups = vec![Vec::new(); self.nodes.len()];
        for key in keys {
            groups[self.position(key)].push(key.as_str());
        }
        let nodes = self.nodes.iter().map(|node| &**node);
        nodes.zip(groups).filter(|(_, keys)| !keys.is_empty())
    }

    fn position(&self, key: &str) -> usize {
        if self.nodes.len() == 1 {
            return 0;
        }
        let wanted = point(key);
        let next = self.places.partition_point(|(point, _)| *point < wanted);
        self.places[next % self.places.len()].1
    }
}

/// FNV-1a, then the finaliser of SplitMix64: FNV alone leaves similar names close together.
fn point(text: &str) -> u64 {
    let fnv = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::local::LocalNode;
    use super::*;

    fn ring(nodes: &[(&str, u32)]) -> Ring {
        Ring::new(nodes.iter().map(|(name, weight)| (LocalNode::new().shared(), (*name).to_owned(), *weight)).collect())
    }

    fn shares(ring: &Ring, nodes: usize) -> Vec<usize> {
        let mut shares = vec![0; nodes];
        for key in 0..10_000 {
            shares[ring.position(&format!("cache:mall:user:id:{key}"))] += 1;
        }
        shares
    }

    #[test]
    fn shares_follow_the_weights() {
        let shares = shares(&ring(&[("a:6379", 100), ("b:6379", 100), ("c:6379", 200)]), 3);
        for (share, expected) in shares.iter().zip([2_500, 2_500, 5_000]) {
            assert!(share.abs_diff(expected) < 800, "{shares:?}");
        }
    }

    #[test]
    fn a_node_that_joins_takes_keys_and_moves_no_others() {
        let (before, after) = (ring(&[("a:1", 100), ("b:1", 100)]), ring(&[("a:1", 100), ("b:1", 100), ("c:1", 100)]));
        let keys: Vec<String> = (0..2_000).map(|key| format!("key-{key}")).collect();
        assert!(keys.iter().all(|key| after.position(key) == 2 || after.position(key) == before.position(key)));
        assert!(keys.iter().any(|key| after.position(key) == 2));
    }
}
