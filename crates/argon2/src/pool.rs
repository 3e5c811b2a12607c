//! Arenas that threads share.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::Arena;

/// Arenas that are not in use. There are never more of them than were in use at once.
pub struct ArenaPool {
    free: Mutex<Vec<Arena>>,
    most: usize,
}

impl ArenaPool {
    /// A pool that keeps arenas of at most so many blocks. A larger one, which one costly hash
    /// needed, goes back to the system: it must not pin its memory.
    ///
    /// ```
    /// use portcullis_argon2::{ArenaPool, Params};
    /// let pool = ArenaPool::keeping(Params::new(19_456, 2, 1)?.blocks());
    /// let mut arena = pool.take();
    /// arena.reserve(8)?;
    /// drop(arena);
    /// assert!(pool.take().blocks() >= 8);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn keeping(most: usize) -> Self {
        Self {
            free: Mutex::new(Vec::new()),
            // An arena is whole huge pages, so it can have more than was asked for.
            most: most.saturating_add(HUGE_PAGE),
        }
    }

    /// The arena that came back last, or a new one. Dropping it brings it back.
    #[must_use]
    pub fn take(&self) -> PooledArena<'_> {
        let arena = self.lock().pop().unwrap_or_default();
        PooledArena { pool: self, arena }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arena>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ArenaPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ArenaPool")
            .field("free", &self.lock().len())
            .finish_non_exhaustive()
    }
}

/// An arena of an [`ArenaPool`].
#[derive(Debug)]
pub struct PooledArena<'a> {
    pool: &'a ArenaPool,
    arena: Arena,
}

impl Deref for PooledArena<'_> {
    type Target = Arena;

    fn deref(&self) -> &Arena {
        &self.arena
    }
}

impl DerefMut for PooledArena<'_> {
    fn deref_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }
}

impl Drop for PooledArena<'_> {
    fn drop(&mut self) {
        let arena = std::mem::take(&mut self.arena);
        if (1..self.pool.most).contains(&arena.blocks()) {
            self.pool.lock().push(arena);
        }
    }
}

/// Blocks in 2 MiB.
const HUGE_PAGE: usize = 2 << 10;
