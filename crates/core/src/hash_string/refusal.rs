//! Why a hash that was made elsewhere is not let in.

use super::HashStringError;

/// Why a hash from elsewhere is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashRefusal {
    /// It asks for more than is ever spent on one.
    OutOfBounds,
    /// It is no hash, or its pepper is not known here.
    Unreadable,
    /// Its algorithm is not configured.
    Unsupported,
}

impl From<&HashStringError> for HashRefusal {
    fn from(error: &HashStringError) -> Self {
        match error {
            HashStringError::OutOfBounds => Self::OutOfBounds,
            HashStringError::UnknownAlgorithm => Self::Unsupported,
            _ => Self::Unreadable,
        }
    }
}
