//! Random numbers that can be had again.

use std::{env, ops::Range, time::Duration};

use portcullis_core::{OsRandom, RandomSource};

/// A generator whose seed is printed; `PORTCULLIS_SEED` sets it.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed =
            env::var("PORTCULLIS_SEED").map_or_else(|_| Self::seed(), |text| text.parse().unwrap());
        println!("PORTCULLIS_SEED={seed}");
        Self(seed)
    }

    /// A number in a range.
    pub(crate) fn number(&mut self, range: Range<u64>) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        range.start + (bits ^ (bits >> 31)) % (range.end - range.start)
    }

    /// One of so many.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap();
        usize::try_from(self.number(0..count)).unwrap()
    }

    /// A time in milliseconds in a range.
    pub(crate) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    fn seed() -> u64 {
        let mut bytes = [0; 8];
        OsRandom.fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    }
}
