//! What proves that a session is one's own, and the ids that are made up.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    derived::{eighteen_digits, hexadecimal},
    error::{Error, ErrorKind},
    id::{OperationId, OrgId, UserId},
    random::RandomSource,
};

/// The token of a session: wiped on drop, never printed, stored as a digest.
pub struct SessionToken(Zeroizing<String>);

impl SessionToken {
    /// A token that a caller presents.
    ///
    /// ```
    /// use portcullis_core::SessionToken;
    /// let token = SessionToken::new("secret".to_owned());
    /// assert_eq!(format!("{token:?}"), "SessionToken(..)");
    /// ```
    #[must_use]
    pub fn new(text: impl Into<Zeroizing<String>>) -> Self {
        Self(text.into())
    }

    /// The text, to be handed to whoever may use the session.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A new one, of 256 random bits.
    pub(super) fn draw(random: &dyn RandomSource) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        let filled = random.fill(&mut *bytes);
        filled.map_err(|error| Error::new(ErrorKind::Bug).with_source(error))?;
        Ok(Self(Base64UrlUnpadded::encode_string(&*bytes).into()))
    }

    pub(super) fn digest(&self) -> String {
        hexadecimal(&Sha256::digest(self.0.as_bytes()))
    }

    pub(super) fn is(&self, digest: &str) -> bool {
        self.digest().as_bytes().ct_eq(digest.as_bytes()).into()
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(..)")
    }
}

/// An id that the same operation makes again.
pub(super) fn session_id(organisation: &OrgId, operation: OperationId) -> String {
    eighteen_digits("session", organisation, operation.as_bytes())
}

/// An id that stands for a login name which nobody has, always the same one.
pub(super) fn nobody(organisation: &OrgId, login_name: &str) -> Result<UserId, Error> {
    let name = login_name.to_lowercase();
    UserId::new(eighteen_digits("nobody", organisation, name.as_bytes()))
        .map_err(|error| Error::new(ErrorKind::Bug).with_source(error))
}
