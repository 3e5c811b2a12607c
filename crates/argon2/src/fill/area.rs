//! Which blocks a segment may refer to.

use super::{Lane, Plan};

/// The blocks of one segment and those before it. Blocks are counted from the start of memory.
#[derive(Debug)]
pub(super) struct Area {
    lane: usize,
    lanes: u32,
    lane_length: usize,
    /// Where the segment starts within its lane.
    offset: usize,
    /// Where the oldest block is within a lane.
    oldest: usize,
    /// Filled blocks of a lane outside of this slice.
    filled: usize,
    alone: bool,
}

impl Area {
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are less than 2²⁴ lanes"
    )]
    pub(super) const fn new(plan: &Plan, lane: Lane) -> Self {
        let offset = lane.slice * plan.segment;
        let lane_length = plan.lane_length();
        let (oldest, filled) = if lane.pass == 0 {
            (0, offset)
        } else {
            let next = offset + plan.segment;
            let oldest = if next == lane_length { 0 } else { next };
            (oldest, lane_length - plan.segment)
        };
        Self {
            lane: lane.lane,
            lanes: plan.lanes as u32,
            lane_length,
            offset,
            oldest,
            filled,
            alone: plan.lanes == 1 || (lane.pass == 0 && lane.slice == 0),
        }
    }

    /// Block `index` of the segment.
    #[inline(always)]
    pub(super) const fn current(&self, index: usize) -> usize {
        self.lane * self.lane_length + self.offset + index
    }

    /// The block before it, which for the first of a lane is the lane's last.
    #[inline(always)]
    pub(super) const fn previous(&self, index: usize) -> usize {
        if self.offset + index == 0 {
            self.current(index) + self.lane_length - 1
        } else {
            self.current(index) - 1
        }
    }

    /// The block that block `index` refers to, given a word of pseudo-random bits.
    #[inline(always)]
    pub(super) const fn reference(&self, index: usize, word: u64) -> usize {
        let lane = if self.alone {
            self.lane
        } else {
            // Both fit into 32 bits, where a division is cheaper.
            ((word >> 32) as u32 % self.lanes) as usize
        };
        let size = if lane == self.lane {
            self.filled + index - 1
        } else {
            // The last block of another lane is not used beside the first one of this segment.
            self.filled - (index == 0) as usize
        };
        // Squared, so that late blocks are likelier.
        let low = word & 0xFFFF_FFFF;
        let back = (size as u64 * ((low * low) >> 32)) >> 32;
        let place = self.oldest + size - 1 - back as usize;
        let wrapped = if place < self.lane_length {
            place
        } else {
            place - self.lane_length
        };
        lane * self.lane_length + wrapped
    }
}
