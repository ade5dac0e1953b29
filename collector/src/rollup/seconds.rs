//! The last hour, second by second.
//!
//! Every second holds what the console's lanes and heat map need. Seconds older than [`LIVE_S`] are packed into the
//! bytes that the console protocol would send, a tenth of the size; one that still changes is unpacked. The number of
//! seconds and the bytes of packed ones are bounded; seconds that had to go early are counted.

use std::collections::{BTreeMap, VecDeque};

use collector_api::console;
use prost::Message;

use super::cell::SecondCell;

/// Seconds that are kept.
pub const KEEP_S: u64 = 3_600;

/// Seconds that stay unpacked.
pub const LIVE_S: u64 = 180;

/// Bytes of packed seconds.
const PACKED_LIMIT: usize = 48 << 20;

/// A load run counts as present this long after its last span.
const LOAD_GAP_S: u64 = 3;

/// Periods of load that are remembered.
const LOAD_PERIODS: usize = 64;

/// A second is unpacked, or packed with an empty cell.
#[derive(Debug, Clone, Default)]
struct Slot {
    changed: u64,
    cell: SecondCell,
    packed: Option<Vec<u8>>,
}

/// The ring. All methods are told the time by their caller.
#[derive(Debug, Clone, Default)]
pub struct Seconds {
    slots: BTreeMap<u64, Slot>,
    load_periods: VecDeque<(u64, u64)>,
    packed_bytes: usize,
    dropped: u64,
}

impl Seconds {
    /// An empty ring.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cell of a second, to be changed under a version.
    pub fn cell(&mut self, second: u64, version: u64) -> &mut SecondCell {
        let slot = self.slots.entry(second).or_default();
        slot.changed = version;
        if let Some(bytes) = slot.packed.take() {
            self.packed_bytes = self.packed_bytes.saturating_sub(bytes.len());
            let unpacked = console::Second::decode(bytes.as_slice()).unwrap_or_default();
            slot.cell = SecondCell::from_wire(&unpacked, is_driven(&self.load_periods, second));
        }
        &mut slot.cell
    }

    /// Tells that a load tool's span ended in a second: from then on traces without one are background.
    pub fn saw_load(&mut self, second: u64) {
        for (first, last) in self.load_periods.iter_mut().rev() {
            if second + LOAD_GAP_S >= *first && second <= *last + LOAD_GAP_S {
                *first = second.min(*first);
                *last = second.max(*last);
                return;
            }
        }
        if self.load_periods.len() >= LOAD_PERIODS {
            self.load_periods.pop_front();
        }
        self.load_periods.push_back((second, second));
    }

    /// Unpacked cells of the seconds `[from, to]`, ascending.
    pub fn live_range(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, &SecondCell)> {
        let is_empty = from > to;
        let slots = (!is_empty).then(|| self.slots.range(from..=to)).into_iter().flatten();
        slots.filter(|(_, slot)| slot.packed.is_none()).map(|(second, slot)| (*second, &slot.cell))
    }

    /// Seconds from `from_s` on that changed after a version, ascending.
    pub fn changed_since(&self, version: u64, from_s: u64) -> Vec<console::Second> {
        let changed = self.slots.range(from_s..).filter(|(_, slot)| slot.changed > version);
        changed.map(|(second, slot)| self.wire(*second, slot)).collect()
    }

    /// Packs what is old and drops what is older.
    pub fn age(&mut self, now_s: u64) {
        let live_from = now_s.saturating_sub(LIVE_S);
        let old: Vec<u64> = self
            .slots
            .range(..live_from)
            .filter(|(_, slot)| slot.packed.is_none())
            .map(|(second, _)| *second)
            .collect();
        for second in old {
            self.pack(second);
        }
        let keep_from = now_s.saturating_sub(KEEP_S);
        while let Some((second, _)) = self.slots.first_key_value() {
            let is_early = *second >= keep_from;
            if is_early && self.packed_bytes <= PACKED_LIMIT {
                break;
            }
            self.dropped += u64::from(is_early);
            if let Some((_, Slot { packed: Some(bytes), .. })) = self.slots.pop_first() {
                self.packed_bytes = self.packed_bytes.saturating_sub(bytes.len());
            }
        }
    }

    /// Seconds that went before their hour because others needed the room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn pack(&mut self, second: u64) {
        let is_load_driven = is_driven(&self.load_periods, second);
        let Some(slot) = self.slots.get_mut(&second) else { return };
        let bytes = std::mem::take(&mut slot.cell).to_wire(second, is_load_driven).encode_to_vec();
        self.packed_bytes += bytes.len();
        slot.packed = Some(bytes);
    }

    fn wire(&self, second: u64, slot: &Slot) -> console::Second {
        match &slot.packed {
            Some(bytes) => console::Second::decode(bytes.as_slice()).unwrap_or_default(),
            None => slot.cell.to_wire(second, is_driven(&self.load_periods, second)),
        }
    }
}

fn is_driven(periods: &VecDeque<(u64, u64)>, second: u64) -> bool {
    periods.iter().any(|(first, last)| (*first..=*last + LOAD_GAP_S).contains(&second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rollup::cell::Entry;

    fn entry(seconds: &mut Seconds, second: u64, version: u64, is_load: bool) {
        if is_load {
            seconds.saw_load(second);
        }
        let cell = seconds.cell(second, version);
        let entry: &mut Entry = if is_load { &mut cell.load } else { &mut cell.roots };
        entry.record(5_000, true);
    }

    fn entry_count(second: &console::Second) -> u64 {
        second.entry_ok.iter().flat_map(|sketch| &sketch.count).sum()
    }

    #[test]
    fn while_a_load_runs_other_roots_are_background() {
        let mut seconds = Seconds::new();
        entry(&mut seconds, 10, 1, false);
        entry(&mut seconds, 20, 1, true);
        entry(&mut seconds, 20, 1, false);
        entry(&mut seconds, 21, 1, false);
        let counts: Vec<u64> = seconds.changed_since(0, 0).iter().map(entry_count).collect();
        assert_eq!(counts, [1, 1, 0]);
    }

    #[test]
    fn an_old_second_is_packed_and_still_takes_late_spans() {
        let mut seconds = Seconds::new();
        entry(&mut seconds, 10, 1, true);
        seconds.age(10 + LIVE_S + 1);
        assert_eq!(seconds.live_range(0, 100).count(), 0);
        assert_eq!(seconds.changed_since(0, 0).first().map(entry_count), Some(1));
        entry(&mut seconds, 10, 2, true);
        assert_eq!(seconds.changed_since(1, 0).first().map(entry_count), Some(2));
        seconds.age(10 + KEEP_S + 1);
        assert!(seconds.changed_since(0, 0).is_empty());
        assert_eq!(seconds.packed_bytes, 0);
        assert_eq!(seconds.dropped(), 0, "its hour was over");
    }

    proptest! {
        /// Whoever applies the changes since any version he held sees what a fresh reader sees.
        #[test]
        fn resuming_equals_reading_all(steps in prop::collection::vec((0_u64..30, prop::bool::ANY), 1..60), resume in 0_u64..60) {
            let mut seconds = Seconds::new();
            let mut held: BTreeMap<u64, console::Second> = BTreeMap::new();
            for (version, (second, is_load)) in (1_u64..).zip(&steps) {
                entry(&mut seconds, *second, version, *is_load);
                if version == resume {
                    held.extend(seconds.changed_since(0, 0).into_iter().map(|cell| (cell.unix_s, cell)));
                }
            }
            let resume = if held.is_empty() { 0 } else { resume };
            held.extend(seconds.changed_since(resume, 0).into_iter().map(|cell| (cell.unix_s, cell)));
            let all: BTreeMap<u64, console::Second> = seconds.changed_since(0, 0).into_iter().map(|cell| (cell.unix_s, cell)).collect();
            let unaffected = |map: &BTreeMap<u64, console::Second>| map.iter().map(|(second, cell)| (*second, cell.services.clone())).collect::<Vec<_>>();
            prop_assert_eq!(unaffected(&held), unaffected(&all));
            prop_assert_eq!(held.len(), all.len());
        }
    }
}
