//! Whether a kernel is as fast as it should be.

use std::{fmt, time::Instant};

use crate::{Arena, Argon2, Error, Kernel, Params, Variant, Version};

/// How fast a kernel is in this program on this machine.
///
/// A build without optimisation multiplies the time of a hash, and nothing else shows it. A server
/// measures this when it starts, which takes some milliseconds, and logs the answer.
#[derive(Debug, Clone, Copy)]
pub struct Speed {
    kernel: Kernel,
    nanoseconds: f64,
}

/// What a [`Speed`] says about the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing is wrong.
    AsExpected,
    /// Far slower than the slowest processors that have these instructions.
    Slow,
}

impl Speed {
    /// Measures the kernel of the process.
    ///
    /// ```
    /// use portcullis_argon2::{Speed, Verdict};
    /// let speed = Speed::measure()?;
    /// if speed.verdict() == Verdict::Slow {
    ///     eprintln!("hashing is slow: {speed}");
    /// }
    /// # Ok::<_, portcullis_argon2::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When no hash can be computed.
    pub fn measure() -> Result<Self, Error> {
        Self::measure_kernel(Kernel::in_use()?)
    }

    /// Measures this kernel.
    ///
    /// ```
    /// use portcullis_argon2::{Kernel, Speed};
    /// let speed = Speed::measure_kernel(Kernel::Portable)?;
    /// assert!(speed.nanoseconds_per_block() > 0.0);
    /// # Ok::<_, portcullis_argon2::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it cannot be used here or there is no memory.
    pub fn measure_kernel(kernel: Kernel) -> Result<Self, Error> {
        // Small enough for the caches, so that it is the kernel that is measured.
        let Ok(params) = Params::new(MEMORY, PASSES, 1) else {
            return Err(Error::OutOfMemory);
        };
        let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params).with_kernel(kernel);
        let mut arena = Arena::new();
        let mut fastest = f64::INFINITY;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            argon2.hash_into(&mut arena, b"password", b"somesalt", &mut [0; 32])?;
            // The best of several: the first one warms up, and others may be interrupted.
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
        let nanoseconds = fastest * 1e9 / f64::from(MEMORY * PASSES);
        Ok(Self {
            kernel,
            nanoseconds,
        })
    }

    /// What was measured.
    #[must_use]
    pub const fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Time for each block of 1 KiB, in the caches.
    #[must_use]
    pub const fn nanoseconds_per_block(&self) -> f64 {
        self.nanoseconds
    }

    /// The most that is still taken for right, in nanoseconds. It is an estimate and wide on
    /// purpose: a slow processor must not be reported as a wrong build.
    #[must_use]
    pub const fn bound(&self) -> f64 {
        match self.kernel {
            Kernel::Portable => 1500.0,
            Kernel::Avx2 => 350.0,
            Kernel::Avx512 => 250.0,
        }
    }

    /// Whether something is wrong with the build.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.nanoseconds > self.bound() {
            Verdict::Slow
        } else {
            Verdict::AsExpected
        }
    }
}

/// `avx2: 97 ns for each block, at most 350 expected`
impl fmt::Display for Speed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {:.0} ns for each block, at most {:.0} expected",
            self.kernel,
            self.nanoseconds,
            self.bound()
        )
    }
}

/// In KiB.
const MEMORY: u32 = 128;
const PASSES: u32 = 4;
const ROUNDS: usize = 12;
