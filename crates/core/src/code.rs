//! One-time codes: what they are made of, and what of them is stored.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::id::{OperationId, UserKey};

/// Why a text cannot be a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResetCodeError {
    /// Nothing was given.
    #[error("a code must not be empty")]
    Empty,
    /// More than [`ResetCode::MAX_CODE_POINTS`].
    #[error("a code must not be longer than 20 code points")]
    TooLong,
}

/// A one-time code that lets a user set a new password.
///
/// It is wiped on drop, prints as `ResetCode(..)`, and can be neither cloned nor serialised.
pub struct ResetCode(Zeroizing<String>);

/// Without `I`, `O`, `0` and `1`, which people confuse. 32 letters: five bits of a random byte
/// choose one, without a bias.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// 50 bits. A guesser has a handful of guesses, for which six letters would do; whoever steals
/// the store can try digests, and would have to try 10¹⁵ of them within the hour.
const LENGTH: usize = 10;

impl ResetCode {
    /// The longest code that any door accepts, in code points.
    pub const MAX_CODE_POINTS: usize = 20;

    /// Takes a code as a user typed it. Nothing is trimmed or folded.
    ///
    /// ```
    /// use portcullis_core::{ResetCode, ResetCodeError};
    /// let code = ResetCode::new("K7MPQ2RSTA".to_owned())?;
    /// assert_eq!(format!("{code:?}"), "ResetCode(..)");
    /// assert_eq!(ResetCode::new(String::new()).err(), Some(ResetCodeError::Empty));
    /// # Ok::<_, ResetCodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it is empty or over 20 code points; it is wiped then.
    pub fn new(text: impl Into<Zeroizing<String>>) -> Result<Self, ResetCodeError> {
        let text = text.into();
        if text.is_empty() {
            return Err(ResetCodeError::Empty);
        }
        if text.len() > 4 * Self::MAX_CODE_POINTS || text.chars().count() > Self::MAX_CODE_POINTS {
            return Err(ResetCodeError::TooLong);
        }
        Ok(Self(text))
    }

    /// The text, to be delivered to the user and to nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the store keeps: nothing that another user, organisation, purpose or credential shares.
    pub(crate) fn digest(&self, key: &UserKey, epoch: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        bind(|bytes| hash.update(bytes), b"portcullis reset code 1", key);
        hash.update(epoch.to_be_bytes());
        hash.update(self.0.as_bytes());
        hash.finalize().into()
    }
}

impl Zeroize for ResetCode {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for ResetCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetCode(..)")
    }
}

/// A secret of the service, from which codes and the places of sham counters are derived.
pub(crate) struct ServiceKey(Zeroizing<[u8; 32]>);

impl ServiceKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The code that an operation issues. It is derived and not drawn, so that whoever delivers
    /// it can make it again from the event: nothing but its digest is ever stored.
    pub(crate) fn code(&self, key: &UserKey, operation: OperationId) -> Option<ResetCode> {
        let mut mac = self.mac(b"portcullis reset code 1", key)?;
        mac.update(operation.as_bytes());
        let bytes = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        let letters = bytes.iter().take(LENGTH);
        let text = letters.filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
        let mut code = Zeroizing::new(String::with_capacity(LENGTH));
        code.extend(text.map(|letter| char::from(*letter)));
        Some(ResetCode(code))
    }

    /// Which of an organisation's sham counters stands in for a user that does not exist.
    pub(crate) fn slot(&self, key: &UserKey) -> Option<u16> {
        let digest = self.mac(b"portcullis sham 1", key)?.finalize().into_bytes();
        digest.first_chunk().copied().map(u16::from_be_bytes)
    }

    fn mac(&self, purpose: &[u8], key: &UserKey) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of any length, so this is never none.
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).ok()?;
        bind(|bytes| mac.update(bytes), purpose, key);
        Some(mac)
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceKey(..)")
    }
}

/// Each part with its length, so that no two lists of parts look alike.
fn bind(mut update: impl FnMut(&[u8]), purpose: &[u8], key: &UserKey) {
    let (organisation, user) = (key.organisation().as_str(), key.user().as_str());
    for part in [purpose, organisation.as_bytes(), user.as_bytes()] {
        update(&(part.len() as u64).to_be_bytes());
        update(part);
    }
}
