//! The plaintext password: one type, wiped on drop, never printed, never copied.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Why a text cannot be a password at all, whatever the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Nothing was given.
    #[error("a password must not be empty")]
    Empty,
    /// More than [`Password::MAX_CODE_POINTS`].
    #[error("a password must not be longer than 200 code points")]
    TooLong,
}

/// A plaintext password of 1 to 200 Unicode code points.
///
/// Every byte counts: no trimming, folding, normalisation or truncation. It is wiped on drop,
/// prints as `Password(..)`, and can be neither cloned nor serialised.
pub struct Password(Zeroizing<String>);

impl Password {
    /// The longest password that any door accepts, in code points (at most 800 bytes).
    pub const MAX_CODE_POINTS: usize = 200;

    /// Takes ownership of the text, so that no second copy outlives it.
    ///
    /// ```
    /// use portcullis_core::{Password, PasswordError};
    /// let password = Password::new("Secret-1234".to_owned())?;
    /// assert_eq!(format!("{password:?}"), "Password(..)");
    /// assert_eq!(Password::new(String::new()).err(), Some(PasswordError::Empty));
    /// # Ok::<_, PasswordError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the text is empty or over 200 code points; it is wiped then.
    pub fn new(text: impl Into<Zeroizing<String>>) -> Result<Self, PasswordError> {
        let text = text.into();
        if text.is_empty() {
            return Err(PasswordError::Empty);
        }
        // Four bytes are the longest code point: most over-long input is refused uncounted.
        if text.len() > 4 * Self::MAX_CODE_POINTS || text.chars().count() > Self::MAX_CODE_POINTS {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(text))
    }

    /// What rules may know of the password: lengths and character classes, not the text.
    ///
    /// ```
    /// use portcullis_core::Password;
    /// let composition = Password::new("pässwör".to_owned())?.composition();
    /// assert_eq!(composition.code_points, 7);
    /// assert!(composition.symbol, "a letter outside ASCII counts as a symbol");
    /// # Ok::<_, portcullis_core::PasswordError>(())
    /// ```
    #[must_use]
    pub fn composition(&self) -> Composition {
        let mut composition = Composition::default();
        for character in self.0.chars() {
            composition.code_points += 1;
            match character {
                'a'..='z' => composition.lowercase = true,
                'A'..='Z' => composition.uppercase = true,
                '0'..='9' => composition.number = true,
                _ => composition.symbol = true,
            }
        }
        composition
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }

    /// The bytes that are hashed. Only the hasher has a reason to call this.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Zeroize for Password {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Lengths and character classes of a password, as the ZITADEL complexity policy sees them:
/// classes are ASCII, and whatever is not an ASCII letter or digit is a symbol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Composition {
    /// Unicode code points.
    pub code_points: usize,
    /// At least one of `a` to `z`.
    pub lowercase: bool,
    /// At least one of `0` to `9`.
    pub number: bool,
    /// At least one code point that is no ASCII letter or digit, spaces and controls included.
    pub symbol: bool,
    /// At least one of `A` to `Z`.
    pub uppercase: bool,
}
