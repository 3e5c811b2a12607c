//! What can go wrong. No error holds a password, a salt or any other input.

use crate::Kernel;

/// Why there is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel cannot be used.
    #[error("the kernel cannot be used")]
    Kernel(#[from] KernelError),
    /// An input is longer than the 2³² − 1 bytes of the standard.
    #[error("an input is longer than the standard allows")]
    InputTooLong,
    /// The operating system has no memory for the arena.
    #[error("there is not enough memory")]
    OutOfMemory,
    /// The salt is shorter than 8 bytes.
    #[error("the salt is shorter than 8 bytes")]
    SaltTooShort,
    /// The tag is shorter than 4 bytes or longer than 2³² − 1.
    #[error("the length of the tag is not one that the standard allows")]
    TagLength,
}

/// Why a kernel cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// Another kernel was chosen for this process before.
    #[error("this process already hashes with the kernel {0}")]
    AlreadyChosen(Kernel),
    /// It gave a wrong answer to a question whose answer is known.
    #[error("the kernel {0} computes wrong hashes on this machine and is not used")]
    SelfTest(Kernel),
    /// `PORTCULLIS_ARGON2` is not the name of a kernel.
    #[error("PORTCULLIS_ARGON2 is none of portable, avx2 and avx512")]
    Unknown,
    /// The processor has no such instructions.
    #[error(
        "this processor cannot run the kernel {0}; leave PORTCULLIS_ARGON2 unset for the best one"
    )]
    Unsupported(Kernel),
}

/// Which part of the cost is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// There are no lanes or more than 2²⁴ − 1.
    #[error("there have to be between 1 and 16777215 lanes")]
    Lanes,
    /// There is less than 8 KiB for each lane.
    #[error("there has to be 8 KiB of memory for each lane")]
    Memory,
    /// There is no pass.
    #[error("there has to be at least one pass")]
    Passes,
}
