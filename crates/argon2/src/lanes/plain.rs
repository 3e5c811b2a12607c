//! Eight words in an array: the kernel of AVX-512, step by step, on every machine.

use super::{Lanes, turns};
use crate::fill::{Lane, Plan, fill};

/// Eight words.
#[derive(Clone, Copy)]
pub(crate) struct Plain([u64; 8]);

impl Plain {
    fn each(self, change: impl Fn(u64) -> u64) -> Self {
        Self(self.0.map(change))
    }

    fn zip(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let mut words = self.0;
        for (word, other) in words.iter_mut().zip(other.0) {
            *word = join(*word, other);
        }
        Self(words)
    }

    fn moved(self, table: turns::Table) -> Self {
        let from = |place: u64| {
            let place = usize::try_from(place).ok();
            place.and_then(|place| self.0.get(place)).copied()
        };
        Self(table.map(|place| from(place).unwrap_or(0)))
    }
}

#[expect(unsafe_code, reason = "the trait reads and writes through pointers")]
impl Lanes for Plain {
    unsafe fn load(from: *const u64) -> Self {
        // SAFETY: the caller vouches for 64 aligned bytes, which is more than the array asks for.
        Self(unsafe { from.cast::<[u64; 8]>().read() })
    }

    unsafe fn store(self, to: *mut u64) {
        // SAFETY: the caller vouches for 64 aligned bytes.
        unsafe { to.cast::<[u64; 8]>().write(self.0) };
    }

    fn prefetch(_: *const u64) {}

    fn add(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_add)
    }

    fn mul32(self, other: Self) -> Self {
        self.zip(other, |x, y| (x & 0xFFFF_FFFF) * (y & 0xFFFF_FFFF))
    }

    fn xor(self, other: Self) -> Self {
        self.zip(other, |x, y| x ^ y)
    }

    fn xor3(self, second: Self, third: Self) -> Self {
        self.xor(second).xor(third)
    }

    fn ror16(self) -> Self {
        self.each(|word| word.rotate_right(16))
    }

    fn ror24(self) -> Self {
        self.each(|word| word.rotate_right(24))
    }

    fn ror32(self) -> Self {
        self.each(|word| word.rotate_right(32))
    }

    fn ror63(self) -> Self {
        self.each(|word| word.rotate_right(63))
    }

    fn first(self) -> u64 {
        let [first, ..] = self.0;
        first
    }

    fn turn_row<const Q: usize>(self) -> Self {
        self.moved(const { turns::row(Q) })
    }

    fn unturn_row<const Q: usize>(self) -> Self {
        self
    }

    fn turn_column<const Q: usize, const P: usize>(self) -> Self {
        self.moved(const { turns::turned_column(Q, P) })
    }

    fn unturn_column<const Q: usize, const P: usize>(self) -> Self {
        self.moved(const { turns::restore(Q, P) })
    }
}

/// Fills one segment.
///
/// # Safety
///
/// As [`fill`].
#[expect(unsafe_code, reason = "the memory is shared by lanes")]
pub(crate) unsafe fn fill_segment(plan: &Plan, memory: *mut u64, lane: Lane) {
    // SAFETY: the contracts are the same; no special instructions are used.
    unsafe { fill::<Plain>(plan, memory, lane) };
}
