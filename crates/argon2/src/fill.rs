//! Filling the memory, segment by segment, whatever the vectors are.

#![expect(unsafe_code, reason = "lanes work on one memory at the same time")]

mod area;
pub(crate) mod schedule;

use area::Area;

use crate::{
    lanes::{Lanes, WORDS, compress, position},
    params::{Params, SLICES, Variant, Version},
};

/// What to compute, in the terms of the fill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) variant: Variant,
    pub(crate) version: Version,
    pub(crate) passes: usize,
    pub(crate) lanes: usize,
    pub(crate) segment: usize,
}

impl Plan {
    pub(crate) const fn new(variant: Variant, version: Version, params: Params) -> Self {
        Self {
            variant,
            version,
            passes: params.passes() as usize,
            lanes: params.lanes() as usize,
            segment: params.segment(),
        }
    }

    pub(crate) const fn lane_length(&self) -> usize {
        self.segment * SLICES
    }

    pub(crate) const fn blocks(&self) -> usize {
        self.lane_length() * self.lanes
    }

    const fn is_independent(&self, lane: Lane) -> bool {
        match self.variant {
            Variant::Argon2d => false,
            Variant::Argon2i => true,
            Variant::Argon2id => lane.pass == 0 && lane.slice < SLICES / 2,
        }
    }

    const fn keeps(&self, lane: Lane) -> bool {
        lane.pass > 0 && matches!(self.version, Version::V0x13)
    }
}

/// One segment: a lane in a slice of a pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lane {
    pub(crate) pass: usize,
    pub(crate) slice: usize,
    pub(crate) lane: usize,
}

impl Lane {
    /// The first two blocks of a lane do not come from other blocks.
    const fn first(self) -> usize {
        if self.pass == 0 && self.slice == 0 {
            2
        } else {
            0
        }
    }
}

/// A way to fill one segment.
///
/// # Safety
///
/// As [`fill`], on a processor with the instructions of that way.
pub(crate) type Fill = unsafe fn(&Plan, *mut u64, Lane);

/// A block of a segment's own.
#[derive(Clone)]
#[repr(C, align(64))]
struct Block([u64; WORDS]);

/// Fills one segment.
///
/// # Safety
///
/// The memory holds the blocks of the plan, aligned to 64 bytes. Segments before this one, of all
/// lanes, are filled; nobody else writes to this segment, and nobody writes to other slices. The
/// processor has the instructions of `L`.
#[inline(always)]
pub(crate) unsafe fn fill<L: Lanes>(plan: &Plan, memory: *mut u64, lane: Lane) {
    // SAFETY: the contracts are the same.
    unsafe {
        match (plan.is_independent(lane), plan.keeps(lane)) {
            (false, false) => by_content::<L, false>(plan, memory, lane),
            (false, true) => by_content::<L, true>(plan, memory, lane),
            (true, false) => by_position::<L, false>(plan, memory, lane),
            (true, true) => by_position::<L, true>(plan, memory, lane),
        }
    }
}

/// The next block to refer to is known once the first word of the last one is: the rest of the
/// work on that one is time for it to arrive.
///
/// # Safety
///
/// As [`fill`].
#[inline(always)]
unsafe fn by_content<L: Lanes, const KEEP: bool>(plan: &Plan, memory: *mut u64, lane: Lane) {
    let area = Area::new(plan, lane);
    // SAFETY: the area only names blocks of the plan: the present one, the one before it in the
    // lane, and filled ones. None of the latter is the present one.
    unsafe {
        let mut previous = memory.add(area.previous(lane.first()) * WORDS);
        let mut reference = area.reference(lane.first(), previous.read());
        for index in lane.first()..plan.segment {
            let current = memory.add(area.current(index) * WORDS);
            let block = memory.add(reference * WORDS);
            reference = compress::<L, KEEP, _>(previous, block, current, |word| {
                let next = area.reference(index + 1, word);
                L::prefetch(memory.wrapping_add(next * WORDS));
                next
            });
            previous = current;
        }
    }
}

/// Addresses of one round of the generator.
const ROUND: usize = WORDS;
/// How many blocks ahead of their use blocks are asked for.
const AHEAD: usize = 2;

/// # Safety
///
/// As [`fill`].
#[inline(always)]
unsafe fn by_position<L: Lanes, const KEEP: bool>(plan: &Plan, memory: *mut u64, lane: Lane) {
    let area = Area::new(plan, lane);
    let mut addresses = Addresses::new(plan, lane);
    let mut references = [0; ROUND + AHEAD];
    let mut first = lane.first();
    // SAFETY: as in `by_content`.
    unsafe {
        let mut previous = memory.add(area.previous(first) * WORDS);
        while first < plan.segment {
            let end = plan.segment.min(first - first % ROUND + ROUND);
            let words = addresses.next::<L>();
            for (to, index) in references.iter_mut().zip(first..end) {
                let word = words.0.get(position(index % ROUND)).copied().unwrap_or(0);
                *to = area.reference(index, word) * WORDS;
            }
            // What follows the last reference is an older one, and asking for it does no harm.
            let ahead = references.windows(AHEAD + 1);
            for (index, window) in (first..end).zip(ahead) {
                let &[reference, _, later] = window else {
                    break;
                };
                L::prefetch(memory.wrapping_add(later));
                let current = memory.add(area.current(index) * WORDS);
                compress::<L, KEEP, _>(previous, memory.add(reference), current, |_| ());
                previous = current;
            }
            first = end;
        }
    }
}

/// The generator of addresses that do not depend on contents.
struct Addresses {
    input: Block,
    middle: Block,
    output: Block,
}

impl Addresses {
    fn new(plan: &Plan, lane: Lane) -> Self {
        let zero = Block([0; WORDS]);
        let mut input = zero.clone();
        let words = [
            lane.pass,
            lane.lane,
            lane.slice,
            plan.blocks(),
            plan.passes,
            plan.variant.number() as usize,
        ];
        for (number, word) in words.into_iter().enumerate() {
            if let Some(to) = input.0.get_mut(position(number)) {
                *to = word as u64;
            }
        }
        Self {
            input,
            middle: zero.clone(),
            output: zero,
        }
    }

    /// # Safety
    ///
    /// The processor has the instructions of `L`.
    #[inline(always)]
    unsafe fn next<L: Lanes>(&mut self) -> &Block {
        if let Some(counter) = self.input.0.get_mut(const { position(6) }) {
            *counter += 1;
        }
        let zero = Block([0; WORDS]);
        let (input, middle) = (self.input.0.as_ptr(), self.middle.0.as_mut_ptr());
        // SAFETY: all are aligned blocks, and what is written to is none of those read.
        unsafe {
            compress::<L, false, _>(zero.0.as_ptr(), input, middle, |_| ());
            let output = self.output.0.as_mut_ptr();
            compress::<L, false, _>(zero.0.as_ptr(), middle, output, |_| ());
        }
        &self.output
    }
}
