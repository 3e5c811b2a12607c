//! The use of an arena by one hash, which ends with a wipe.

#![expect(
    unsafe_code,
    reason = "memory is looked at as words, as blocks and as bytes"
)]

use std::slice;

use argon2::Block;

use super::Arena;
use crate::{Error, blake::BLOCK_BYTES, lanes::WORDS};

// The blocks of the `argon2` crate are looked at in the same memory.
const _: () = assert!(size_of::<Block>() == BLOCK_BYTES && align_of::<Block>() <= 64);

/// Blocks that one hash is computed in. They are wiped when it is dropped.
pub(crate) struct Lease<'a> {
    arena: &'a mut Arena,
    blocks: usize,
}

impl<'a> Lease<'a> {
    /// Takes so many blocks, which hold nothing in particular.
    pub(crate) fn take(arena: &'a mut Arena, blocks: usize) -> Result<Self, Error> {
        arena.reserve(blocks)?;
        Ok(Self { arena, blocks })
    }

    /// The first block, aligned to 64 bytes; the others follow it.
    pub(crate) fn words(&mut self) -> *mut u64 {
        match &mut self.arena.memory {
            Some(memory) => memory.start().cast().as_ptr(),
            None => std::ptr::dangling_mut(),
        }
    }

    /// The words of one block.
    pub(crate) fn block(&mut self, number: usize) -> Option<&mut [u64; WORDS]> {
        if number >= self.blocks {
            return None;
        }
        // SAFETY: there is memory for `self.blocks` blocks, aligned and initialised, and the lease
        // is the only one to use it.
        Some(unsafe { &mut *self.words().cast::<[u64; WORDS]>().add(number) })
    }

    /// All of them, as the `argon2` crate wants them.
    pub(crate) fn blocks(&mut self) -> &mut [Block] {
        let (start, blocks) = (self.words().cast(), self.blocks);
        // SAFETY: as in `block`. A `Block` is an array of 128 words, any of which is valid: size and
        // alignment are asserted above.
        unsafe { slice::from_raw_parts_mut(start, blocks) }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let (start, blocks) = (self.words(), self.blocks);
        // SAFETY: as in `block`; zero is a valid word. With no memory there are no blocks.
        let wiped = unsafe {
            start.write_bytes(0, blocks * WORDS);
            slice::from_raw_parts(start, blocks * WORDS)
        };
        // To the compiler this reads the zeros, so that it cannot leave out writing them.
        zeroize::optimization_barrier(wiped);
    }
}
