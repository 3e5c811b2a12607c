//! bcrypt, to verify hashes that were made elsewhere.

use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashCost, HashError, PasswordHasher};
use crate::{
    hash_string::{HashString, Suite},
    secret::Password,
};

/// bcrypt sees no more than this many bytes.
const MAX_BYTES: usize = 72;

/// What becomes of a password of more than 72 bytes that is compared with a bcrypt hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LongPasswords {
    /// It is wrong. Go's bcrypt, which ZITADEL uses, makes no hash of such a password, so no
    /// right one is refused. The work is done all the same.
    #[default]
    Refuse,
    /// Its first 72 bytes decide, as in implementations that cut silently. Whatever follows
    /// them is ignored until the hash has been made anew.
    Truncate,
}

/// Verifies bcrypt (`$2a$`, `$2b$`, `$2y$`, cost 4 to 16) and leaves the rest to another hasher.
///
/// Every verified bcrypt hash is due for an upgrade to what the other hasher makes: bcrypt needs
/// so little memory that guessing it in bulk is cheap at any cost factor. A password with a NUL
/// is never right: bcrypt repeats its input, and such passwords would have twins.
#[derive(Debug)]
pub struct WithBcrypt {
    rest: Arc<dyn PasswordHasher>,
    long: LongPasswords,
}

impl WithBcrypt {
    /// Adds bcrypt to the hasher that makes new hashes.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{Argon2id, HashString, LongPasswords, Password, PasswordHasher, WithBcrypt};
    /// let hasher = WithBcrypt::new(Arc::new(Argon2id::default()), LongPasswords::Refuse);
    /// let hash = HashString::parse("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")?;
    /// assert!(hasher.verify(&Password::new("U*U".to_owned())?, &hash)?);
    /// assert!(hasher.needs_upgrade(&hash));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(rest: Arc<dyn PasswordHasher>, long: LongPasswords) -> Self {
        Self { rest, long }
    }

    fn compare(&self, password: &Password, hash: &HashString, cost: u32) -> Option<bool> {
        let salt: [u8; 16] = hash.salt().try_into().ok()?;
        let bytes = password.expose();
        // Room for the end of the text: a buffer that grew would leave what it held behind.
        let mut key = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
        key.extend_from_slice(bytes);
        // The end of the text belongs to the key, where there is room for it.
        key.push(0);
        let seen = key.get(..MAX_BYTES).unwrap_or(&key);
        let tag = Zeroizing::new(bcrypt::bcrypt(cost, salt, seen));
        let whole = bytes.len() <= MAX_BYTES || self.long == LongPasswords::Truncate;
        let equal: bool = tag.get(..hash.tag().len())?.ct_eq(hash.tag()).into();
        Some(equal && whole && !bytes.contains(&0))
    }
}

impl PasswordHasher for WithBcrypt {
    fn hash(&self, password: &Password) -> Result<HashString, HashError> {
        self.rest.hash(password)
    }

    fn verify(&self, password: &Password, hash: &HashString) -> Result<bool, HashError> {
        match hash.parameters() {
            Suite::Bcrypt { cost } => self
                .compare(password, hash, cost)
                .ok_or(HashError::Unsupported),
            Suite::Argon2 { .. } => self.rest.verify(password, hash),
        }
    }

    fn admits(&self, hash: &HashString) -> Result<(), HashError> {
        match hash.parameters() {
            Suite::Bcrypt { .. } => Ok(()),
            Suite::Argon2 { .. } => self.rest.admits(hash),
        }
    }

    fn needs_upgrade(&self, hash: &HashString) -> bool {
        matches!(hash.parameters(), Suite::Bcrypt { .. }) || self.rest.needs_upgrade(hash)
    }

    fn rehash(&self, password: &Password, verified: &HashString) -> Result<HashString, HashError> {
        match verified.parameters() {
            Suite::Bcrypt { .. } => self.rest.hash(password),
            Suite::Argon2 { .. } => self.rest.rehash(password, verified),
        }
    }

    fn cost(&self) -> HashCost {
        self.rest.cost()
    }

    fn suite(&self) -> String {
        self.rest.suite()
    }
}
