//! Randomness is injected; a source that fails is an error, never a weak salt.

use std::fmt::Debug;

/// Where salts, operation ids and codes come from.
pub trait RandomSource: Debug + Send + Sync + 'static {
    /// Fills `bytes` with output of a cryptographically secure generator.
    ///
    /// ```
    /// use portcullis_core::{OsRandom, RandomSource};
    /// let mut salt = [0; 16];
    /// OsRandom.fill(&mut salt)?;
    /// assert_ne!(salt, [0; 16]);
    /// # Ok::<_, portcullis_core::RandomError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the source cannot deliver. `bytes` must not be used then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

/// The random source did not deliver.
#[derive(Debug, thiserror::Error)]
#[error("the random source failed")]
pub struct RandomError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl RandomError {
    /// Wraps the cause.
    ///
    /// ```
    /// let error = portcullis_core::RandomError::new("device gone");
    /// assert_eq!(error.to_string(), "the random source failed");
    /// ```
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl RandomSource for OsRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(bytes).map_err(RandomError::new)
    }
}
