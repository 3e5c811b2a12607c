//! BLAKE2b as Argon2 uses it: for the first hash, the first blocks and the tag.

use blake2::{
    Blake2bVarCore,
    digest::{
        Output,
        block_api::{Buffer, UpdateCore, VariableOutputCore},
    },
};
use zeroize::Zeroizing;

use crate::{Error, lanes::WORDS};

/// Bytes in a block.
pub(crate) const BLOCK_BYTES: usize = WORDS * 8;

/// BLAKE2b's longest output.
const LONGEST: usize = 64;
/// What each link of a longer output adds.
const LINK: usize = LONGEST / 2;

/// Hashes the parts, one after the other, to as many bytes as there are in `out`, at most 64.
pub(crate) fn blake2b(parts: &[&[u8]], out: &mut [u8]) -> Result<(), Error> {
    let mut core = Blake2bVarCore::new(out.len()).map_err(|_| Error::TagLength)?;
    let mut buffer = Buffer::<Blake2bVarCore>::default();
    for part in parts {
        buffer.digest_blocks(part, |blocks| core.update_blocks(blocks));
    }
    let mut full = Zeroizing::new([0; LONGEST]);
    let output: &mut Output<Blake2bVarCore> = (&mut *full).into();
    core.finalize_variable_core(&mut buffer, output);
    for (to, from) in out.iter_mut().zip(full.iter()) {
        *to = *from;
    }
    Ok(())
}

/// H′ of the standard: hashes to an output of any length.
pub(crate) fn long(parts: [&[u8]; 3], out: &mut [u8]) -> Result<(), Error> {
    let length = u32::try_from(out.len()).map_err(|_| Error::TagLength)?;
    let length = length.to_le_bytes();
    let [first, second, third] = parts;
    let parts = [&length, first, second, third];
    if out.len() <= LONGEST {
        return blake2b(&parts, out);
    }
    let mut link = Zeroizing::new([0; LONGEST]);
    blake2b(&parts, &mut *link)?;
    let mut rest = out;
    loop {
        let Some((to, after)) = rest.split_at_mut_checked(LINK) else {
            return Err(Error::TagLength);
        };
        for (to, from) in to.iter_mut().zip(link.iter()) {
            *to = *from;
        }
        rest = after;
        if rest.len() <= LONGEST {
            return blake2b(&[&*link], rest);
        }
        let last = link.clone();
        blake2b(&[&*last], &mut *link)?;
    }
}
