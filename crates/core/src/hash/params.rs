//! The cost of new hashes.

use std::{fmt, str::FromStr};

/// Memory, passes and lanes of Argon2id (RFC 9106, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Params {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Parameters that are not written as `m=19456,t=2,p=1`, or out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write Argon2 parameters as m=19456,t=2,p=1; m from 8·p to 524288 KiB, t 1 to 10, p 1 to 16"
)]
pub struct Argon2ParamsError;

impl Argon2Params {
    /// Bounded as stored hashes are, so that what is created can always be verified.
    ///
    /// ```
    /// use portcullis_core::Argon2Params;
    /// assert_eq!(Argon2Params::new(19_456, 2, 1)?, Argon2Params::default());
    /// assert!(Argon2Params::new(4, 1, 1).is_err());
    /// # Ok::<_, portcullis_core::Argon2ParamsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When memory is not 8·lanes to 524288 KiB, passes not 1 to 10, or lanes not 1 to 16.
    pub const fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, Argon2ParamsError> {
        if lanes < 1
            || lanes > 16
            || passes < 1
            || passes > 10
            || memory_kib < 8 * lanes
            || memory_kib > 512 * 1024
        {
            return Err(Argon2ParamsError);
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

    /// Lanes. More than one buys nothing on a server that hashes for many callers.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Memory times passes: what a guess costs an attacker, up to a constant.
    pub(super) const fn work(&self) -> u64 {
        self.memory_kib as u64 * self.passes as u64
    }

    /// Whether OWASP's Password Storage Cheat Sheet lists something at most as costly: from
    /// m = 7 MiB, t = 5 up to m = 46 MiB, t = 1.
    ///
    /// ```
    /// use portcullis_core::Argon2Params;
    /// assert!(Argon2Params::default().meets_owasp());
    /// assert!(!Argon2Params::new(8, 1, 1)?.meets_owasp());
    /// # Ok::<_, portcullis_core::Argon2ParamsError>(())
    /// ```
    #[must_use]
    pub fn meets_owasp(&self) -> bool {
        [
            (47_104, 1),
            (19_456, 2),
            (12_288, 3),
            (9_216, 4),
            (7_168, 5),
        ]
        .into_iter()
        .any(|(memory, passes)| self.memory_kib >= memory && self.passes >= passes)
    }
}

/// OWASP's second setting: m = 19 MiB, t = 2, p = 1.
impl Default for Argon2Params {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

impl FromStr for Argon2Params {
    type Err = Argon2ParamsError;

    fn from_str(text: &str) -> Result<Self, Argon2ParamsError> {
        let mut parts = text.split(',');
        let mut next = |name| -> Result<u32, Argon2ParamsError> {
            let digits = parts.next().and_then(|part| part.strip_prefix(name));
            digits
                .and_then(|digits| digits.parse().ok())
                .ok_or(Argon2ParamsError)
        };
        let (memory, passes, lanes) = (next("m=")?, next("t=")?, next("p=")?);
        if parts.next().is_some() {
            return Err(Argon2ParamsError);
        }
        // Bounded first: 8·lanes must not overflow.
        if lanes > 16 {
            Err(Argon2ParamsError)
        } else {
            Self::new(memory, passes, lanes)
        }
    }
}

impl fmt::Display for Argon2Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "m={},t={},p={}",
            self.memory_kib, self.passes, self.lanes
        )
    }
}
