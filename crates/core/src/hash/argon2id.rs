//! Argon2id through the `argon2` crate, on memory that is kept and wiped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::{Argon2Params, HashError, PasswordHasher, Pepper, pepper::Peppers};
use crate::{
    hash_string::{HashString, Variant},
    random::{OsRandom, RandomSource},
    secret::Password,
};

/// RFC 9106, section 3.1, recommends 16 bytes.
const SALT_BYTES: usize = 16;
/// RFC 9106, section 4, recommends 32 bytes.
const TAG_BYTES: usize = 32;

/// Creates Argon2id and verifies Argon2id, Argon2i and Argon2d.
///
/// The memory of a hash is kept for the next one: a fresh allocation costs up to half of the
/// time in page faults. It is wiped after every use, which the `argon2` crate does not do.
#[derive(Debug)]
pub struct Argon2id {
    params: Argon2Params,
    random: Arc<dyn RandomSource>,
    peppers: Peppers,
    arenas: Mutex<Vec<Vec<Block>>>,
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
            arenas: Mutex::new(Vec::new()),
        }
    }

    /// Takes salts from another source.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.random = random;
        self
    }

    /// Mixes this pepper into new hashes, and verifies those with `previous` as well. A hash
    /// without a pepper, or with the previous one, is made anew when it is next verified.
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

    fn compute(
        &self,
        password: &Password,
        argon2: &Argon2<'_>,
        salt: &[u8],
        tag: &mut [u8],
    ) -> Result<(), HashError> {
        let blocks = argon2.params().block_count();
        let mut arena = self.take_arena(blocks)?;
        let used = arena.get_mut(..blocks).ok_or(HashError::OutOfMemory)?;
        let result =
            argon2.hash_password_into_with_memory(password.expose(), salt, tag, &mut *used);
        used.iter_mut().for_each(Zeroize::zeroize);
        self.keep_arena(arena);
        result.map_err(|error| HashError::Refused(Box::new(error)))
    }

    fn take_arena(&self, blocks: usize) -> Result<Vec<Block>, HashError> {
        let mut arena = self.lock().pop().unwrap_or_default();
        if arena.len() < blocks {
            arena
                .try_reserve_exact(blocks - arena.len())
                .map_err(|_| HashError::OutOfMemory)?;
            arena.resize(blocks, Block::new());
        }
        Ok(arena)
    }

    /// Keeps at most what the own parameters need: one costly import must not pin its memory.
    fn keep_arena(&self, arena: Vec<Block>) {
        if arena.len() <= self.params.memory_kib() as usize {
            self.lock().push(arena);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.arenas.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut salt = [0; SALT_BYTES];
        self.random.fill(&mut salt)?;
        let mut tag = Zeroizing::new(vec![0; TAG_BYTES]);
        let (memory, passes, lanes) = (
            self.params.memory_kib(),
            self.params.passes(),
            self.params.lanes(),
        );
        let params = Params::new(memory, passes, lanes, Some(TAG_BYTES)).map_err(refused)?;
        let pepper = self.peppers.current();
        let secret = pepper.map_or(&[][..], Pepper::secret);
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let argon2 =
            Argon2::new_with_secret(secret, algorithm, version, params).map_err(refused)?;
        self.compute(password, &argon2, &salt, &mut tag)?;
        let hash = HashString::from_argon2id(argon2.params(), &salt, tag).map_err(refused)?;
        Ok(match pepper {
            Some(pepper) => hash.with_key(pepper.id().clone()),
            None => hash,
        })
    }

    fn verify(&self, password: &Password, hash: &HashString) -> Result<bool, HashError> {
        let algorithm = match hash.variant() {
            Variant::Argon2d => Algorithm::Argon2d,
            Variant::Argon2i => Algorithm::Argon2i,
            Variant::Argon2id => Algorithm::Argon2id,
            Variant::Bcrypt => return Err(HashError::Unsupported),
        };
        let secret = self.peppers.secret_of(hash)?;
        let version = Version::try_from(hash.version()).map_err(refused)?;
        let length = hash.tag().len();
        let params = Params::new(hash.memory_kib(), hash.passes(), hash.lanes(), Some(length))
            .map_err(refused)?;
        let mut tag = Zeroizing::new(vec![0; length]);
        let argon2 =
            Argon2::new_with_secret(secret, algorithm, version, params).map_err(refused)?;
        self.compute(password, &argon2, hash.salt(), &mut tag)?;
        Ok(tag.ct_eq(hash.tag()).into())
    }

    fn needs_upgrade(&self, hash: &HashString) -> bool {
        // Whatever else is verified here is weaker by construction: it needs next to no memory.
        if hash.variant() == Variant::Bcrypt {
            return true;
        }
        let stored = u64::from(hash.memory_kib()) * u64::from(hash.passes());
        let ours = self.params.work();
        let dated = hash.variant() != Variant::Argon2id
            || hash.version() != 0x13
            || hash.salt().len() < SALT_BYTES
            || hash.tag().len() < TAG_BYTES
            || hash.memory_kib() < self.params.memory_kib()
            || self.peppers.are_newer_than(hash);
        stored < ours || (stored == ours && dated)
    }

    fn suite(&self) -> String {
        format!("argon2id,{}", self.params)
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> HashError {
    HashError::Refused(Box::new(error))
}
