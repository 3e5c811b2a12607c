//! What is to be computed: variant, version and cost.

use crate::ParamsError;

/// Slices of a pass: between them the lanes wait for each other.
pub(crate) const SLICES: usize = 4;

/// How a block chooses the earlier block that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Variant {
    /// By its contents.
    Argon2d,
    /// By its position only.
    Argon2i,
    /// By its position in the first half of the first pass, then by its contents. The one to use.
    Argon2id,
}

impl Variant {
    /// The number that the standard gives it.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Argon2d => 0,
            Self::Argon2i => 1,
            Self::Argon2id => 2,
        }
    }
}

/// The version of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// 1.0, which overwrites blocks. Old hashes are verified with it.
    V0x10,
    /// 1.3, the version of RFC 9106.
    V0x13,
}

impl Version {
    /// The number that stands in hash strings.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::V0x10 => 0x10,
            Self::V0x13 => 0x13,
        }
    }
}

/// The cost: memory, passes and lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Params {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Params {
    /// The most lanes that the standard allows.
    const MOST_LANES: u32 = 0xFF_FFFF;

    /// This much memory in KiB, this many passes over it, and this many lanes.
    ///
    /// ```
    /// use portcullis_argon2::Params;
    /// let params = Params::new(19_456, 2, 1)?;
    /// assert_eq!(params.blocks(), 19_456);
    /// assert!(Params::new(7, 1, 1).is_err());
    /// # Ok::<_, portcullis_argon2::ParamsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When there is less than one pass or lane, more than 2²⁴ − 1 lanes, or less than 8 KiB for
    /// each lane.
    pub const fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, ParamsError> {
        if passes == 0 {
            return Err(ParamsError::Passes);
        }
        if lanes == 0 || lanes > Self::MOST_LANES {
            return Err(ParamsError::Lanes);
        }
        if memory_kib < 8 * lanes {
            return Err(ParamsError::Memory);
        }
        Ok(Self {
            memory_kib,
            passes,
            lanes,
        })
    }

    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// Lanes, which can be computed at the same time.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Blocks of 1 KiB that are really used: the memory in multiples of four per lane.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.segment() * SLICES * self.lanes as usize
    }

    /// Blocks in one slice of one lane.
    pub(crate) const fn segment(&self) -> usize {
        self.memory_kib as usize / (SLICES * self.lanes as usize)
    }
}
