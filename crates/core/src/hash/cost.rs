//! What one run of the hash function costs.

use crate::hash_string::Suite;

/// What Blowfish keeps of a key: four tables of 256 words, and 18 more, rounded up.
const BCRYPT_BYTES: u64 = 8 * 1024;

/// Memory and work of one run: what admission charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    memory: u64,
    work: u64,
}

impl HashCost {
    /// The cost of Argon2 with this memory and this many passes.
    ///
    /// ```
    /// use portcullis_core::HashCost;
    /// let cost = HashCost::new(19_456, 2);
    /// assert_eq!(cost.memory_bytes(), 19 * 1024 * 1024);
    /// assert_eq!(cost.work(), 2 * 19_456);
    /// ```
    #[must_use]
    pub const fn new(memory_kib: u32, passes: u32) -> Self {
        Self {
            memory: memory_kib as u64 * 1024,
            work: memory_kib as u64 * passes as u64,
        }
    }

    pub(crate) const fn of(suite: &Suite) -> Self {
        match suite {
            Suite::Argon2 {
                memory_kib, passes, ..
            } => Self::new(*memory_kib, *passes),
            Suite::Bcrypt { .. } => Self {
                memory: BCRYPT_BYTES,
                work: suite.work(),
            },
        }
    }

    /// Memory while it runs, in bytes.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        self.memory
    }

    /// Memory in KiB times passes: time is about proportional to it.
    #[must_use]
    pub const fn work(&self) -> u64 {
        self.work
    }
}
