//! The memory that hashes are computed in.

mod memory;
mod wipe;

use std::fmt;

pub(crate) use wipe::Lease;

use crate::Error;
use memory::Memory;

/// Memory for one hash at a time, kept from one to the next.
///
/// Fresh memory costs up to half of the time of a hash in page faults. On Linux an arena is a
/// mapping of its own, aligned to 2 MiB, for which huge pages are asked, and which stays out of core
/// dumps. What a hash leaves behind is wiped before the call returns.
pub struct Arena {
    memory: Option<Memory>,
}

impl Arena {
    /// An arena without memory, which grows when it is used.
    ///
    /// ```
    /// use portcullis_argon2::Arena;
    /// assert_eq!(Arena::new().blocks(), 0);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { memory: None }
    }

    /// An arena that already has memory for so many blocks of 1 KiB.
    ///
    /// ```
    /// use portcullis_argon2::{Arena, Params};
    /// let arena = Arena::with_blocks(Params::new(19_456, 2, 1)?.blocks())?;
    /// assert!(arena.blocks() >= 19_456);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`].
    pub fn with_blocks(blocks: usize) -> Result<Self, Error> {
        let mut arena = Self::new();
        arena.reserve(blocks)?;
        Ok(arena)
    }

    /// Sees that there is memory for so many blocks. If there is not, the old memory is given back
    /// before new memory is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`]; then the arena is without memory, and still usable.
    pub fn reserve(&mut self, blocks: usize) -> Result<(), Error> {
        if blocks > self.blocks() {
            self.memory = None;
            self.memory = Some(Memory::new(blocks).ok_or(Error::OutOfMemory)?);
        }
        Ok(())
    }

    /// For how many blocks there is memory.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        match &self.memory {
            Some(memory) => memory.blocks(),
            None => 0,
        }
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

/// Its size; never its contents.
impl fmt::Debug for Arena {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Arena")
            .field("blocks", &self.blocks())
            .finish_non_exhaustive()
    }
}
