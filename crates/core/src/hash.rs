//! Hashing: the trait, the Argon2id that implements it, and the threads that run it.

mod admission;
mod argon2id;
#[cfg(feature = "bcrypt")]
mod bcrypt;
mod config;
mod cost;
mod lane;
mod memory;
mod pace;
mod params;
mod pepper;
mod pool;
mod suites;
mod workers;

use std::{fmt::Debug, time::Duration};

#[cfg(feature = "bcrypt")]
pub use self::bcrypt::{LongPasswords, WithBcrypt};
pub(crate) use admission::Levels;
pub use argon2id::Argon2id;
pub use config::HashPoolConfig;
pub use cost::HashCost;
pub use params::{Argon2Params, Argon2ParamsError};
pub use pepper::{Pepper, PepperError};
pub use pool::{Admission, HashPool};

use crate::{error::BoxError, hash_string::HashString, random::RandomError, secret::Password};

/// Makes and checks hash strings. Calls are expensive and block: [`HashPool`] runs them.
pub trait PasswordHasher: Debug + Send + Sync + 'static {
    /// Hashes with a fresh salt and the configured parameters.
    ///
    /// ```
    /// use portcullis_core::{Argon2Params, Argon2id, Password, PasswordHasher};
    /// let hasher = Argon2id::new("m=8,t=1,p=1".parse::<Argon2Params>()?);
    /// let password = Password::new("Secret-1234".to_owned())?;
    /// assert_ne!(hasher.hash(&password)?.as_stored(), hasher.hash(&password)?.as_stored());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no memory or no randomness.
    fn hash(&self, password: &Password) -> Result<HashString, HashError>;

    /// Whether the password is the one behind `hash`, at the cost that `hash` asks for.
    ///
    /// ```
    /// use portcullis_core::{Argon2Params, Argon2id, Password, PasswordHasher};
    /// let hasher = Argon2id::new("m=8,t=1,p=1".parse::<Argon2Params>()?);
    /// let hash = hasher.hash(&Password::new("Secret-1234".to_owned())?)?;
    /// assert!(hasher.verify(&Password::new("Secret-1234".to_owned())?, &hash)?);
    /// assert!(!hasher.verify(&Password::new("secret-1234".to_owned())?, &hash)?);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no memory. An error is never a wrong password.
    fn verify(&self, password: &Password, hash: &HashString) -> Result<bool, HashError>;

    /// Whether hashes like this one can be compared here at all, without comparing one. What is
    /// refused here is not let in.
    ///
    /// ```
    /// use portcullis_core::{Argon2id, HashError, HashString, KeyId, PasswordHasher};
    /// let text = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW";
    /// let hasher = Argon2id::default();
    /// assert!(hasher.admits(&HashString::parse(text)?).is_ok());
    /// let text = text.replace("p=1", "p=1,keyid=AAAA");
    /// let peppered = HashString::parse(&text)?;
    /// assert!(matches!(hasher.admits(&peppered), Err(HashError::UnknownPepper)));
    /// # Ok::<_, portcullis_core::HashStringError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The one with which [`verify`](Self::verify) would fail.
    fn admits(&self, hash: &HashString) -> Result<(), HashError>;

    /// Whether `hash` should be [made anew](Self::rehash) at the next chance.
    ///
    /// ```
    /// use portcullis_core::{Argon2Params, Argon2id, Password, PasswordHasher};
    /// let weak = Argon2id::new("m=8,t=1,p=1".parse::<Argon2Params>()?);
    /// let strong = Argon2id::new("m=16,t=1,p=1".parse::<Argon2Params>()?);
    /// let hash = weak.hash(&Password::new("Secret-1234".to_owned())?)?;
    /// assert!(strong.needs_upgrade(&hash));
    /// assert!(!weak.needs_upgrade(&strong.hash(&Password::new("Secret-1234".to_owned())?)?));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    fn needs_upgrade(&self, hash: &HashString) -> bool;

    /// Hashes a password that is right for `verified` anew. It costs what a new hash does, or as
    /// much as `verified` where that is more: a hash is never made weaker.
    ///
    /// ```
    /// use portcullis_core::{Argon2Params, Argon2id, Password, PasswordHasher};
    /// let weak = Argon2id::new("m=8,t=1,p=1".parse::<Argon2Params>()?);
    /// let strong = Argon2id::new("m=16,t=1,p=1".parse::<Argon2Params>()?);
    /// let password = Password::new("Secret-1234".to_owned())?;
    /// let (old, new) = (weak.hash(&password)?, strong.hash(&password)?);
    /// assert_eq!(strong.rehash(&password, &old)?.cost(), strong.cost());
    /// assert_eq!(weak.rehash(&password, &new)?.cost(), strong.cost());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`hash`](Self::hash).
    fn rehash(&self, password: &Password, verified: &HashString) -> Result<HashString, HashError>;

    /// What making a new hash costs. Comparing costs what the stored hash asks for, see
    /// [`HashString::cost`].
    ///
    /// ```
    /// use portcullis_core::{Argon2id, PasswordHasher};
    /// assert_eq!(Argon2id::default().cost().memory_bytes(), 19 * 1024 * 1024);
    /// ```
    fn cost(&self) -> HashCost;

    /// Algorithm and cost of new hashes, for logs and metrics: `argon2id,m=19456,t=2,p=1`.
    ///
    /// ```
    /// use portcullis_core::{Argon2id, PasswordHasher};
    /// assert_eq!(Argon2id::default().suite(), "argon2id,m=19456,t=2,p=1");
    /// ```
    fn suite(&self) -> String;
}

/// What a run of the hash function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashKind {
    /// A password is compared with a stored hash.
    Compare,
    /// Work that hides that there is nothing to compare with.
    Dummy,
    /// A new password is hashed.
    Set,
    /// A verified password is hashed anew at a higher cost.
    Upgrade,
}

impl HashKind {
    /// Every kind, so that counters can start at zero.
    pub(crate) const ALL: [Self; 4] = [Self::Compare, Self::Dummy, Self::Set, Self::Upgrade];

    /// The label in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compare => "compare",
            Self::Dummy => "dummy",
            Self::Set => "set",
            Self::Upgrade => "upgrade",
        }
    }
}

/// Why a hash was not computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// No more work is taken, because the process is about to end.
    #[error("hashing has been closed")]
    Closed,
    /// The hash function panicked or its thread is gone.
    #[error("the hash function did not return")]
    Died,
    /// The memory that the parameters ask for is not to be had.
    #[error("there is not enough memory for the hash")]
    OutOfMemory,
    /// More work is queued than may wait.
    #[error("too much hashing is waiting")]
    Overloaded {
        /// How long the present backlog will take.
        retry_after: Duration,
    },
    /// The random source failed.
    #[error("there is no salt")]
    Random(#[from] RandomError),
    /// The hash function refused its input.
    #[error("the hash function refused its input")]
    Refused(#[source] BoxError),
    /// One hash asks for more memory than all of them may take together.
    #[error("the hash needs {needed} bytes of memory and all hashes together may take {budget}")]
    TooLarge {
        /// What the hash asks for, in bytes.
        needed: u64,
        /// What there is for all, in bytes.
        budget: u64,
    },
    /// The hash was made with a pepper that this process does not have.
    #[error("the pepper of the hash is not configured")]
    UnknownPepper,
    /// The hash is of an algorithm that this hasher does not run.
    #[error("the algorithm of the hash is not configured")]
    Unsupported,
}
