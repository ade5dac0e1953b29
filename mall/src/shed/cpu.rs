//! The processor share in use, smoothed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use governance::shedder::CpuReader;

const KEEP: f64 = 0.95;
/// Not `1.0 - KEEP`: go-zero's compiler folds its constants exactly.
const TAKE: f64 = 0.05;

/// The next smoothed value after a measurement, both in thousandths. Truncated as in go-zero, so it stays below the truth.
pub fn smooth(previous: u32, raw: u32) -> u32 {
    (f64::from(previous) * KEEP + f64::from(raw) * TAKE) as u32
}

/// A smoothed processor share in thousandths, 0 until it is measured. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cpu {
    thousandths: Arc<AtomicU32>,
}

impl Cpu {
    /// What is in use.
    pub fn thousandths(&self) -> u32 {
        self.thousandths.load(Ordering::Relaxed)
    }

    /// Takes a measurement in. There is a single measurer.
    pub fn take(&self, raw: u32) {
        self.set(smooth(self.thousandths(), raw));
    }

    /// Replaces what is known.
    pub fn set(&self, thousandths: u32) {
        self.thousandths.store(thousandths, Ordering::Relaxed);
    }

    /// What a shedder reads.
    pub fn reader(&self) -> CpuReader {
        let cpu = self.clone();
        Arc::new(move || cpu.thousandths())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of constant `raw` until the value reaches `target`; `None` when it stalls below.
    fn samples(from: u32, raw: u32, target: u32) -> Option<usize> {
        let cpu = Cpu::default();
        cpu.set(from);
        (1..=1_000).find(|_| {
            cpu.take(raw);
            cpu.thousandths() >= target
        })
    }

    #[test]
    fn truncation_holds_the_value_below_the_truth() {
        assert_eq!((0..1_000).fold(0, |value, _| smooth(value, 1_000)), 981);
        assert_eq!(samples(0, 918, 900), None);
        assert_eq!(samples(0, 1_000, 900), Some(47));
        assert_eq!(samples(500, 1_000, 900), Some(33));
    }

    #[test]
    fn a_reader_follows() {
        let cpu = Cpu::default();
        let reader = cpu.reader();
        assert_eq!(reader(), 0);
        cpu.set(950);
        assert_eq!(reader(), 950);
    }
}
