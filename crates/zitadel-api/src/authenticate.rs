//! Rows 1 to 3 of the step table: who calls.

use std::fmt;

use async_trait::async_trait;
use http::{HeaderMap, header::AUTHORIZATION};
use portcullis_core::{Caller, Code, Error, ErrorStatus};
use zeroize::Zeroizing;

/// A bearer token as it came: wiped on drop and never printed.
pub struct BearerToken(Zeroizing<String>);

impl BearerToken {
    /// A token.
    ///
    /// ```
    /// use portcullis_zitadel_api::BearerToken;
    /// let token = BearerToken::new("secret-token".to_owned());
    /// assert_eq!(format!("{token:?}"), "BearerToken(..)");
    /// ```
    #[must_use]
    pub fn new(token: impl Into<Zeroizing<String>>) -> Self {
        Self(token.into())
    }

    /// The text, to be digested or looked up.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the `authorization` header as ZITADEL does: the scheme's case matters.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, ErrorStatus> {
        let header = headers
            .get(AUTHORIZATION)
            .filter(|header| !header.is_empty());
        let Some(header) = header else {
            return Err(ErrorStatus::plain(
                Code::Unauthenticated,
                "auth header missing",
            ));
        };
        let token = header
            .to_str()
            .ok()
            .and_then(|text| text.strip_prefix("Bearer "));
        token
            .filter(|token| !token.is_empty())
            .map(|token| Self::new(token.to_owned()))
            .ok_or_else(|| {
                ErrorStatus::with_id(Code::Unauthenticated, "AUTH-toLo1", "invalid auth header")
            })
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

/// Finds out whose a token is. The embedding application brings it.
#[async_trait]
pub trait TokenAuthenticator: fmt::Debug + Send + Sync + 'static {
    /// The caller that the token belongs to, or none if it is unknown or has expired.
    ///
    /// ```
    /// use async_trait::async_trait;
    /// use portcullis_core::{Caller, Error, UserId};
    /// use portcullis_zitadel_api::{BearerToken, TokenAuthenticator};
    ///
    /// #[derive(Debug)]
    /// struct OneToken(Caller);
    ///
    /// #[async_trait]
    /// impl TokenAuthenticator for OneToken {
    ///     async fn authenticate(&self, token: &BearerToken) -> Result<Option<Caller>, Error> {
    ///         Ok((token.as_str() == "secret-token").then(|| self.0.clone()))
    ///     }
    /// }
    /// # let _ = OneToken(Caller::new(UserId::new("1")?, None));
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it cannot be found out; usually [`portcullis_core::ErrorKind::Unavailable`].
    async fn authenticate(&self, token: &BearerToken) -> Result<Option<Caller>, Error>;
}

/// Row 3. The text is a key that ZITADEL does not translate at this point.
pub(crate) fn token_invalid() -> ErrorStatus {
    ErrorStatus::with_id(Code::Unauthenticated, "AUTH-7fs1e", "Errors.Token.Invalid")
}
