//! Hashes that are known, so that a kernel which is wrong on some machine is not used there.

use crate::{Arena, Argon2, Error, Kernel, Params, Variant, Version};

/// What is asked, and the answer.
struct Case {
    variant: Variant,
    version: Version,
    /// Memory in KiB, passes and lanes.
    cost: (u32, u32, u32),
    /// Whether the inputs are those of RFC 9106, section 5, with a secret and associated data.
    is_standard: bool,
    tag: &'static [u8],
}

/// Whether the kernel, which runs on this processor, answers as it should.
pub(super) fn is_right(kernel: Kernel) -> bool {
    answers(|argon2, arena, password, salt, tag| argon2.compute(kernel, arena, password, salt, tag))
}

type Compute<'a> =
    dyn Fn(&Argon2<'_>, &mut Arena, &[u8], &[u8], &mut [u8]) -> Result<(), Error> + 'a;

fn answers(
    compute: impl Fn(&Argon2<'_>, &mut Arena, &[u8], &[u8], &mut [u8]) -> Result<(), Error>,
) -> bool {
    let mut arena = Arena::new();
    CASES
        .iter()
        .all(|case| case.is_answered(&mut arena, &compute))
}

impl Case {
    fn is_answered(&self, arena: &mut Arena, compute: &Compute<'_>) -> bool {
        let (memory, passes, lanes) = self.cost;
        let Ok(params) = Params::new(memory, passes, lanes) else {
            return false;
        };
        let mut argon2 = Argon2::new(self.variant, self.version, params);
        let (mut password, mut salt) = (&b"password"[..], &b"somesalt1234"[..]);
        if self.is_standard {
            (password, salt) = (&[1; 32], &[2; 16]);
            argon2 = argon2.with_secret(&[3; 8]).with_associated_data(&[4; 12]);
        }
        let mut tag = [0; 32];
        let Some(tag) = tag.get_mut(..self.tag.len()) else {
            return false;
        };
        compute(&argon2, arena, password, salt, tag).is_ok() && *tag == *self.tag
    }
}

const CASES: [Case; 6] = [
    // RFC 9106, sections 5.1 to 5.3.
    Case {
        variant: Variant::Argon2d,
        version: Version::V0x13,
        cost: (32, 3, 4),
        is_standard: true,
        tag: b"\x51\x2b\x39\x1b\x6f\x11\x62\x97\x53\x71\xd3\x09\x19\x73\x42\x94\
            \xf8\x68\xe3\xbe\x39\x84\xf3\xc1\xa1\x3a\x4d\xb9\xfa\xbe\x4a\xcb",
    },
    Case {
        variant: Variant::Argon2i,
        version: Version::V0x13,
        cost: (32, 3, 4),
        is_standard: true,
        tag: b"\xc8\x14\xd9\xd1\xdc\x7f\x37\xaa\x13\xf0\xd7\x7f\x24\x94\xbd\xa1\
            \xc8\xde\x6b\x01\x6d\xd3\x88\xd2\x99\x52\xa4\xc4\x67\x2b\x6c\xe8",
    },
    Case {
        variant: Variant::Argon2id,
        version: Version::V0x13,
        cost: (32, 3, 4),
        is_standard: true,
        tag: b"\x0d\x64\x0d\xf5\x8d\x78\x76\x6c\x08\xc0\x37\xa3\x4a\x8b\x53\xc9\
            \xd0\x1e\xf0\x45\x2d\x75\xb6\x5e\xb5\x25\x20\xe9\x6b\x01\xe6\x59",
    },
    // By the reference implementation, with more blocks than one round of addresses has.
    Case {
        variant: Variant::Argon2id,
        version: Version::V0x10,
        cost: (600, 2, 1),
        is_standard: false,
        tag: b"\x37\x0b\xd1\xa1\x2d\xf4\x85\x0e\xf0\x7d\x8c\x84\x0f\x62\xdb\x61\
            \xca\x96\x76\x6a\x4a\x96\x0e\x1b\x2e\x4e\x51\x9e\x4d\x7b\x6b\x96",
    },
    Case {
        variant: Variant::Argon2i,
        version: Version::V0x13,
        cost: (1300, 2, 2),
        is_standard: false,
        tag: b"\x85\x67\xce\x7b\x00\x24\x50\x95\x1a\x87\x0f\xd9\x8e\xdc\x1b\xfc\
            \x10\xcb\x44\x73\xed\x96\x54\x72\x12\xcc\x4f\x2b\xd4\x04\xa0\xa0",
    },
    Case {
        variant: Variant::Argon2d,
        version: Version::V0x10,
        cost: (1300, 2, 2),
        is_standard: false,
        tag: b"\xa0\xdb\x1f\x73\xb7\xe1\x98\x54\x02\x3b\x14\x6c\xa5\x0d\x06\x4b\
            \x24\x73\xf7\xd1\x4f\xd8\x9c\xc0\x9b\xef\xd4\x45\x6b\x5a\xf8\x34",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_kernel_is_found_out() {
        assert!(answers(|argon2, arena, password, salt, tag| {
            argon2.compute(Kernel::Portable, arena, password, salt, tag)
        }));
        assert!(!answers(|_, _, _, _, _| Ok(())));
        assert!(!answers(|_, _, _, _, _| Err(Error::OutOfMemory)));
        // Right but for one bit in one variant.
        assert!(!answers(|argon2, arena, password, salt, tag| {
            argon2.compute(Kernel::Portable, arena, password, salt, tag)?;
            if argon2.params().memory_kib() == 600 {
                tag[0] ^= 1;
            }
            Ok(())
        }));
    }
}
