//! Where memory comes from: a mapping on Linux, else the allocator.

#![expect(unsafe_code, reason = "memory is asked for and given back")]

use std::ptr::NonNull;

use crate::blake::BLOCK_BYTES;

/// Initialised memory for blocks, aligned to 64 bytes at least.
pub(super) struct Memory {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: it owns what it points to, as a `Box<[u8]>` does.
unsafe impl Send for Memory {}
// SAFETY: shared, it tells its size and nothing else.
unsafe impl Sync for Memory {}

impl Memory {
    /// Memory for at least so many blocks.
    pub(super) fn new(blocks: usize) -> Option<Self> {
        let bytes = blocks.max(1).checked_mul(BLOCK_BYTES)?;
        let bytes = bytes.checked_next_multiple_of(if bytes < HUGE { PAGE } else { HUGE })?;
        // Also what no pointer could reach.
        isize::try_from(bytes.checked_add(HUGE)?).ok()?;
        system::allocate(bytes).map(|start| Self { start, bytes })
    }

    pub(super) const fn blocks(&self) -> usize {
        self.bytes / BLOCK_BYTES
    }

    pub(super) const fn start(&mut self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it came from there with this size, and nobody else has it.
        unsafe { system::release(self.start, self.bytes) };
    }
}

const PAGE: usize = 4 << 10;
/// The size and the alignment of a huge page.
const HUGE: usize = 2 << 20;

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use std::ptr::{self, NonNull};

    use super::HUGE;

    /// Maps zeroed memory, aligned to a huge page where it has at least the size of one.
    pub(super) fn allocate(bytes: usize) -> Option<NonNull<u8>> {
        let spare = if bytes < HUGE { 0 } else { HUGE };
        let mapped = bytes + spare;
        // SAFETY: a new mapping, at an address that the system chooses.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        let start = start.cast::<u8>();
        let before = if spare == 0 {
            0
        } else {
            start.align_offset(HUGE).min(spare)
        };
        // SAFETY: what is unmapped is the part of the new mapping before the first boundary and
        // what is left after the memory. A refusal only leaves address space behind.
        // Advice has no effect on what memory holds, and a kernel may not know it.
        unsafe {
            let aligned = start.add(before);
            if before > 0 {
                libc::munmap(start.cast(), before);
            }
            if spare > before {
                libc::munmap(aligned.add(bytes).cast(), spare - before);
            }
            libc::madvise(aligned.cast(), bytes, libc::MADV_HUGEPAGE);
            libc::madvise(aligned.cast(), bytes, libc::MADV_DONTDUMP);
            NonNull::new(aligned)
        }
    }

    /// # Safety
    ///
    /// The memory came from [`allocate`] with this size and is not used any more.
    pub(super) unsafe fn release(start: NonNull<u8>, bytes: usize) {
        // SAFETY: exactly this is mapped.
        unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    use std::{
        alloc::{Layout, alloc_zeroed, dealloc},
        ptr::NonNull,
    };

    use super::{HUGE, PAGE};

    const fn alignment(bytes: usize) -> usize {
        if bytes < HUGE { PAGE } else { HUGE }
    }

    pub(super) fn allocate(bytes: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(bytes, alignment(bytes)).ok()?;
        // SAFETY: the size is not zero: it is that of a block at least.
        NonNull::new(unsafe { alloc_zeroed(layout) })
    }

    /// # Safety
    ///
    /// The memory came from [`allocate`] with this size and is not used any more.
    pub(super) unsafe fn release(start: NonNull<u8>, bytes: usize) {
        if let Ok(layout) = Layout::from_size_align(bytes, alignment(bytes)) {
            // SAFETY: the same layout, made from the same size.
            unsafe { dealloc(start.as_ptr(), layout) };
        }
    }
}
