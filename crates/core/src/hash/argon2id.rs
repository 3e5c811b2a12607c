//! Argon2id through `portcullis-argon2`, on memory that is kept and wiped.

use std::sync::Arc;

use portcullis_argon2::{Arena, ArenaPool, Argon2, Params, Variant, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Argon2Params, HashCost, HashError, PasswordHasher, Pepper, pepper::Peppers};
use crate::{
    hash_string::{self, HashString},
    random::{OsRandom, RandomSource},
    secret::Password,
};

/// RFC 9106, section 3.1, recommends 16 bytes.
const SALT_BYTES: usize = 16;
/// RFC 9106, section 4, recommends 32 bytes.
const TAG_BYTES: usize = 32;

/// Creates Argon2id and verifies Argon2id, Argon2i and Argon2d.
///
/// The memory of a hash is kept for the next one, and wiped. There is never more of it than hashes
/// that ran at once, and none beyond what the own parameters need: one costly import does not pin
/// its memory.
#[derive(Debug)]
pub struct Argon2id {
    params: Argon2Params,
    random: Arc<dyn RandomSource>,
    peppers: Peppers,
    arenas: ArenaPool,
}

impl Argon2id {
    /// Hashes at this cost, with salts from the operating system.
    ///
    /// ```
    /// use portcullis_core::{Argon2Params, Argon2id, PasswordHasher};
    /// let hasher = Argon2id::new(Argon2Params::new(47_104, 1, 1)?);
    /// assert_eq!(hasher.suite(), "argon2id,m=47104,t=1,p=1");
    /// # Ok::<_, portcullis_core::Argon2ParamsError>(())
    /// ```
    #[must_use]
    pub fn new(params: Argon2Params) -> Self {
        Self {
            params,
            random: Arc::new(OsRandom),
            peppers: Peppers::default(),
            arenas: ArenaPool::keeping(params.memory_kib() as usize),
        }
    }

    /// Takes salts from another source.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.random = random;
        self
    }

    /// Mixes this pepper into new hashes, and verifies those with `previous` as well. A hash
    /// without a pepper, or with the previous one, is made anew when it is next verified, at its
    /// own cost where that is higher.
    ///
    /// ```
    /// use portcullis_core::{Argon2Params, Argon2id, KeyId, Password, PasswordHasher, Pepper};
    /// let pepper = Pepper::new(KeyId::new(b"2026-a")?, vec![7; 32])?;
    /// let hasher = Argon2id::new(Argon2Params::new(8, 1, 1)?).with_pepper(pepper, None);
    /// let hash = hasher.hash(&Password::new("Secret-1234".to_owned())?)?;
    /// assert!(hash.key_id().is_some());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_pepper(mut self, current: Pepper, previous: Option<Pepper>) -> Self {
        self.peppers = Peppers::new(current, previous);
        self
    }

    /// A new hash, with salt and tag of these many bytes.
    fn make(
        &self,
        password: &Password,
        cost: Argon2Params,
        salt_bytes: usize,
        tag_bytes: usize,
    ) -> Result<HashString, HashError> {
        let mut salt = vec![0; salt_bytes];
        self.random.fill(&mut salt)?;
        let mut tag = Zeroizing::new(vec![0; tag_bytes]);
        let params =
            Params::new(cost.memory_kib(), cost.passes(), cost.lanes()).map_err(refused)?;
        let pepper = self.peppers.current();
        let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params)
            .with_secret(pepper.map_or(&[][..], Pepper::secret));
        self.compute(password, &argon2, &salt, &mut tag)?;
        let hash = HashString::from_argon2id(cost, &salt, tag).map_err(refused)?;
        Ok(match pepper {
            Some(pepper) => hash.with_key(pepper.id().clone()),
            None => hash,
        })
    }

    fn compute(
        &self,
        password: &Password,
        argon2: &Argon2<'_>,
        salt: &[u8],
        tag: &mut [u8],
    ) -> Result<(), HashError> {
        // Only memory of the usual size is kept: what cheaper hashes kept would grow later, beyond
        // what admission has counted.
        let (params, own) = (argon2.params(), &self.params);
        let usual = (params.memory_kib(), params.lanes()) == (own.memory_kib(), own.lanes());
        let result = if usual {
            argon2.hash_into(&mut self.arenas.take(), password.expose(), salt, tag)
        } else {
            argon2.hash_into(&mut Arena::new(), password.expose(), salt, tag)
        };
        result.map_err(|error| match error {
            portcullis_argon2::Error::OutOfMemory => HashError::OutOfMemory,
            error => refused(error),
        })
    }
}

/// At the default cost, see [`Argon2Params`].
impl Default for Argon2id {
    fn default() -> Self {
        Self::new(Argon2Params::default())
    }
}

impl PasswordHasher for Argon2id {
    fn hash(&self, password: &Password) -> Result<HashString, HashError> {
        self.make(password, self.params, SALT_BYTES, TAG_BYTES)
    }

    fn verify(&self, password: &Password, hash: &HashString) -> Result<bool, HashError> {
        let variant = match hash.variant() {
            hash_string::Variant::Argon2d => Variant::Argon2d,
            hash_string::Variant::Argon2i => Variant::Argon2i,
            hash_string::Variant::Argon2id => Variant::Argon2id,
            hash_string::Variant::Bcrypt => return Err(HashError::Unsupported),
        };
        let secret = self.peppers.secret_of(hash)?;
        // The parser of hash strings lets no other version through.
        let version = match hash.version() {
            0x10 => Version::V0x10,
            _ => Version::V0x13,
        };
        let params =
            Params::new(hash.memory_kib(), hash.passes(), hash.lanes()).map_err(refused)?;
        let mut tag = Zeroizing::new(vec![0; hash.tag().len()]);
        let argon2 = Argon2::new(variant, version, params).with_secret(secret);
        self.compute(password, &argon2, hash.salt(), &mut tag)?;
        Ok(tag.ct_eq(hash.tag()).into())
    }

    fn admits(&self, hash: &HashString) -> Result<(), HashError> {
        if hash.variant() == hash_string::Variant::Bcrypt {
            return Err(HashError::Unsupported);
        }
        self.peppers.secret_of(hash).map(drop)
    }

    fn needs_upgrade(&self, hash: &HashString) -> bool {
        // Whatever else is verified here is weaker by construction: it needs next to no memory.
        if hash.variant() == hash_string::Variant::Bcrypt || self.peppers.are_newer_than(hash) {
            return true;
        }
        let (stored, ours) = (hash.parameters().work(), self.params.work());
        let dated = hash.variant() != hash_string::Variant::Argon2id
            || hash.version() != 0x13
            || hash.salt().len() < SALT_BYTES
            || hash.tag().len() < TAG_BYTES
            || hash.memory_kib() < self.params.memory_kib();
        stored < ours || (stored == ours && dated)
    }

    fn rehash(&self, password: &Password, verified: &HashString) -> Result<HashString, HashError> {
        if verified.variant() == hash_string::Variant::Bcrypt
            || verified.parameters().work() <= self.params.work()
        {
            return self.hash(password);
        }
        // Only the pepper is new. Everything else stays at least what it was.
        let (memory, passes) = (verified.memory_kib(), verified.passes());
        let cost = Argon2Params::new(memory, passes, verified.lanes()).map_err(refused)?;
        let salt = verified.salt().len().max(SALT_BYTES);
        self.make(password, cost, salt, verified.tag().len().max(TAG_BYTES))
    }

    fn cost(&self) -> HashCost {
        HashCost::new(self.params.memory_kib(), self.params.passes())
    }

    fn suite(&self) -> String {
        format!("argon2id,{}", self.params)
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> HashError {
    HashError::Refused(Box::new(error))
}
