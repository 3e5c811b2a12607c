//! Secrets that go into every hash and are kept apart from the store.

use std::fmt;

use zeroize::Zeroizing;

use super::HashError;
use crate::hash_string::{HashString, KeyId};

/// A secret input of Argon2, with the id under which hash strings name it.
///
/// Whoever has the store but not the pepper cannot guess passwords. Losing the pepper loses
/// every password that was hashed with it.
pub struct Pepper {
    id: KeyId,
    secret: Zeroizing<Vec<u8>>,
}

/// The secret has fewer than 16 or more than 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pepper has 16 to 64 bytes")]
pub struct PepperError;

impl Pepper {
    /// A secret of 16 to 64 bytes under this id. An id must never be used for two secrets.
    ///
    /// ```
    /// use portcullis_core::{KeyId, Pepper};
    /// let id = KeyId::new(b"2026-a")?;
    /// assert!(Pepper::new(id.clone(), vec![7; 32]).is_ok());
    /// assert!(Pepper::new(id, b"short".to_vec()).is_err());
    /// # Ok::<_, portcullis_core::HashStringError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the secret is too short to be one, or too long; it is wiped then.
    pub fn new(id: KeyId, secret: impl Into<Zeroizing<Vec<u8>>>) -> Result<Self, PepperError> {
        let secret = secret.into();
        if (16..=64).contains(&secret.len()) {
            Ok(Self { id, secret })
        } else {
            Err(PepperError)
        }
    }

    pub(super) fn id(&self) -> &KeyId {
        &self.id
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pepper")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The pepper of new hashes, and the one before it while hashes with it are still about.
#[derive(Debug, Default)]
pub(super) struct Peppers {
    current: Option<Pepper>,
    previous: Option<Pepper>,
}

impl Peppers {
    pub(super) fn new(current: Pepper, previous: Option<Pepper>) -> Self {
        Self {
            current: Some(current),
            previous,
        }
    }

    pub(super) fn current(&self) -> Option<&Pepper> {
        self.current.as_ref()
    }

    /// Nothing for a hash without a pepper. One that is missing is an error and never a wrong
    /// password: nobody could tell.
    pub(super) fn secret_of(&self, hash: &HashString) -> Result<&[u8], HashError> {
        let Some(id) = hash.key_id() else {
            return Ok(&[]);
        };
        let live = [&self.current, &self.previous].into_iter().flatten();
        live.into_iter()
            .find(|pepper| pepper.id == *id)
            .map(Pepper::secret)
            .ok_or(HashError::UnknownPepper)
    }

    pub(super) fn are_newer_than(&self, hash: &HashString) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|pepper| hash.key_id() != Some(&pepper.id))
    }
}
