//! Uniform numbers, injected.

use std::sync::Mutex;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::lock;

/// A source of uniform numbers.
pub trait Random: Send + Sync + 'static {
    /// A number in `[0, 1)`.
    fn uniform(&self) -> f64;

    /// A number in `[0, bound)`; `bound` is at least 1.
    fn below(&self, bound: usize) -> usize;
}

/// A small, fast generator whose sequence follows from its seed.
#[derive(Debug)]
pub struct SeededRandom {
    generator: Mutex<SmallRng>,
}

impl SeededRandom {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self { generator: Mutex::new(SmallRng::seed_from_u64(seed)) }
    }
}

impl Random for SeededRandom {
    fn uniform(&self) -> f64 {
        lock(&self.generator).random()
    }

    fn below(&self, bound: usize) -> usize {
        lock(&self.generator).random_range(0..bound.max(1))
    }
}
