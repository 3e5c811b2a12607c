//! The function: from a password to a tag.

#[cfg(test)]
mod tests;

use std::{fmt, num::NonZeroUsize};

use argon2::{Algorithm, AssociatedData, ParamsBuilder};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Arena, Error, Kernel, Params, Variant, Version,
    arena::Lease,
    blake::{self, BLOCK_BYTES},
    fill::{Fill, Plan, schedule},
    lanes::{WORDS, plain, position},
};

/// Argon2 at some cost.
///
/// ```
/// use portcullis_argon2::{Arena, Argon2, Params, Variant, Version};
/// let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, Params::new(19_456, 2, 1)?);
/// let mut arena = Arena::new();
/// let mut tag = [0; 32];
/// argon2.hash_into(&mut arena, b"Secret-1234", b"a salt of 16 B..", &mut tag)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Argon2<'a> {
    variant: Variant,
    version: Version,
    params: Params,
    kernel: Option<Kernel>,
    threads: NonZeroUsize,
    secret: &'a [u8],
    data: &'a [u8],
}

impl<'a> Argon2<'a> {
    /// The shortest salt, in bytes.
    const SALT: usize = 8;
    /// The shortest tag, in bytes.
    const TAG: usize = 4;

    /// With the kernel of the process, on the thread of the caller, without secret and associated
    /// data.
    ///
    /// ```
    /// use portcullis_argon2::{Argon2, Params, Variant, Version};
    /// let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, Params::new(65_536, 3, 4)?);
    /// assert_eq!(argon2.params().lanes(), 4);
    /// # Ok::<_, portcullis_argon2::ParamsError>(())
    /// ```
    #[must_use]
    pub const fn new(variant: Variant, version: Version, params: Params) -> Self {
        Self {
            variant,
            version,
            params,
            kernel: None,
            threads: NonZeroUsize::MIN,
            secret: &[],
            data: &[],
        }
    }

    /// With this kernel, whatever the process uses.
    #[must_use]
    pub const fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = Some(kernel);
        self
    }

    /// On so many threads, of which the caller's is one. More than there are lanes are not
    /// started, and the portable kernel uses one. The tag is the same.
    #[must_use]
    pub const fn with_threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// With a key that is not stored beside the tag, often called pepper.
    #[must_use]
    pub const fn with_secret(mut self, secret: &'a [u8]) -> Self {
        self.secret = secret;
        self
    }

    /// With data that the tag is bound to.
    #[must_use]
    pub const fn with_associated_data(mut self, data: &'a [u8]) -> Self {
        self.data = data;
        self
    }

    /// The cost.
    #[must_use]
    pub const fn params(&self) -> Params {
        self.params
    }

    /// Computes a tag of the length of `tag`, in the memory of `arena`, which grows if it has to
    /// and is wiped before this returns.
    ///
    /// # Errors
    ///
    /// When there is no memory or no usable kernel, the salt is shorter than 8 bytes, the tag is
    /// shorter than 4, or an input is longer than 2³² − 1.
    pub fn hash_into(
        &self,
        arena: &mut Arena,
        password: &[u8],
        salt: &[u8],
        tag: &mut [u8],
    ) -> Result<(), Error> {
        if salt.len() < Self::SALT {
            return Err(Error::SaltTooShort);
        }
        if tag.len() < Self::TAG || u32::try_from(tag.len()).is_err() {
            return Err(Error::TagLength);
        }
        let kernel = match self.kernel {
            Some(kernel) => kernel,
            None => Kernel::in_use()?,
        };
        kernel.check()?;
        self.compute(kernel, arena, password, salt, tag)
    }

    /// [`Self::hash_into`] with a kernel that runs on this processor, right or wrong.
    pub(crate) fn compute(
        &self,
        kernel: Kernel,
        arena: &mut Arena,
        password: &[u8],
        salt: &[u8],
        tag: &mut [u8],
    ) -> Result<(), Error> {
        if let Some(fill) = kernel.fill() {
            return self.compute_by(fill, arena, password, salt, tag);
        }
        // The crate takes only short associated data.
        match AssociatedData::new(self.data) {
            Ok(data) => self.compute_by_crate(data, arena, password, salt, tag),
            Err(_) => self.compute_by(plain::fill_segment, arena, password, salt, tag),
        }
    }

    fn compute_by_crate(
        &self,
        data: AssociatedData,
        arena: &mut Arena,
        password: &[u8],
        salt: &[u8],
        tag: &mut [u8],
    ) -> Result<(), Error> {
        let params = ParamsBuilder::new()
            .m_cost(self.params.memory_kib())
            .t_cost(self.params.passes())
            .p_cost(self.params.lanes())
            .data(data)
            .output_len(tag.len())
            .build()
            .map_err(translated)?;
        let algorithm = match self.variant {
            Variant::Argon2d => Algorithm::Argon2d,
            Variant::Argon2i => Algorithm::Argon2i,
            Variant::Argon2id => Algorithm::Argon2id,
        };
        let version = match self.version {
            Version::V0x10 => argon2::Version::V0x10,
            Version::V0x13 => argon2::Version::V0x13,
        };
        let mut lease = Lease::take(arena, self.params.blocks())?;
        argon2::Argon2::new_with_secret(self.secret, algorithm, version, params)
            .and_then(|argon2| {
                argon2.hash_password_into_with_memory(password, salt, tag, lease.blocks())
            })
            .map_err(translated)
    }

    #[expect(unsafe_code, reason = "the kernels work on memory that lanes share")]
    pub(crate) fn compute_by(
        &self,
        fill: Fill,
        arena: &mut Arena,
        password: &[u8],
        salt: &[u8],
        tag: &mut [u8],
    ) -> Result<(), Error> {
        let plan = Plan::new(self.variant, self.version, self.params);
        let mut lease = Lease::take(arena, plan.blocks())?;
        let mut start = Zeroizing::new([0; 64]);
        self.start(password, salt, tag.len(), &mut start)?;
        for lane in 0..plan.lanes {
            for index in 0..2 {
                let block = lease.block(lane * plan.lane_length() + index);
                first_block(&*start, index, lane, block.ok_or(Error::OutOfMemory)?)?;
            }
        }
        start.zeroize();
        // SAFETY: the lease has the blocks of the plan and is the only one to use them. The first
        // two of each lane are filled. The processor has what `fill` needs: only kernels that it
        // supports come here.
        unsafe { schedule::run(&plan, lease.words(), fill, self.threads) };
        finish(&mut lease, &plan, tag)
    }

    /// H₀ of the standard, which binds all inputs.
    fn start(
        &self,
        password: &[u8],
        salt: &[u8],
        tag: usize,
        start: &mut [u8; 64],
    ) -> Result<(), Error> {
        let length = |bytes: usize| match u32::try_from(bytes) {
            Ok(bytes) => Ok(bytes.to_le_bytes()),
            Err(_) => Err(Error::InputTooLong),
        };
        blake::blake2b(
            &[
                &self.params.lanes().to_le_bytes(),
                &length(tag)?,
                &self.params.memory_kib().to_le_bytes(),
                &self.params.passes().to_le_bytes(),
                &self.version.number().to_le_bytes(),
                &self.variant.number().to_le_bytes(),
                &length(password.len())?,
                password,
                &length(salt.len())?,
                salt,
                &length(self.secret.len())?,
                self.secret,
                &length(self.data.len())?,
                self.data,
            ],
            start,
        )
    }
}

/// Shows neither the secret nor the associated data.
impl fmt::Debug for Argon2<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Argon2")
            .field("variant", &self.variant)
            .field("version", &self.version)
            .field("params", &self.params)
            .field("kernel", &self.kernel)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// One of the two blocks of a lane that come from H₀.
fn first_block(
    start: &[u8],
    index: usize,
    lane: usize,
    block: &mut [u64; WORDS],
) -> Result<(), Error> {
    let number = |number: usize| u32::try_from(number).map_err(|_| Error::InputTooLong);
    let (index, lane) = (number(index)?.to_le_bytes(), number(lane)?.to_le_bytes());
    let mut bytes = Zeroizing::new([0; BLOCK_BYTES]);
    blake::long([start, &index, &lane], &mut *bytes)?;
    let (words, _) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        if let Some(to) = block.get_mut(position(number)) {
            *to = u64::from_le_bytes(*word);
        }
    }
    Ok(())
}

/// The tag, from the last blocks of all lanes.
fn finish(lease: &mut Lease<'_>, plan: &Plan, tag: &mut [u8]) -> Result<(), Error> {
    let mut sum = Zeroizing::new([0; WORDS]);
    for lane in 1..=plan.lanes {
        let last = lease.block(lane * plan.lane_length() - 1);
        for (sum, word) in sum.iter_mut().zip(last.ok_or(Error::OutOfMemory)?) {
            *sum ^= *word;
        }
    }
    let mut bytes = Zeroizing::new([0; BLOCK_BYTES]);
    let (words, _) = bytes.as_chunks_mut::<8>();
    for (number, to) in words.iter_mut().enumerate() {
        let word = sum.get(position(number)).copied().unwrap_or(0);
        *to = word.to_le_bytes();
    }
    blake::long([&*bytes, &[], &[]], tag)
}

/// Lengths are what the crate can still find fault with.
fn translated(error: argon2::Error) -> Error {
    match error {
        argon2::Error::OutOfMemory | argon2::Error::MemoryTooLittle => Error::OutOfMemory,
        argon2::Error::OutputTooLong | argon2::Error::OutputTooShort => Error::TagLength,
        argon2::Error::SaltTooShort => Error::SaltTooShort,
        _ => Error::InputTooLong,
    }
}
