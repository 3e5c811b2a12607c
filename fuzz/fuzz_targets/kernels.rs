//! All kernels of Argon2 that run here compute the same tag, and the `argon2` crate is one of them.
#![no_main]

use std::num::NonZeroUsize;

use libfuzzer_sys::fuzz_target;
use portcullis_argon2::{Arena, Argon2, Kernel, Params, Variant, Version};

fuzz_target!(|input: (&[u8], [u8; 8])| {
    let (bytes, [shape, low, high, passes, tag, at, secret, data]) = input;
    let lanes = 1 + u32::from(shape >> 4 & 3);
    let memory = 8 * lanes + u32::from(u16::from_le_bytes([low, high]) % 1200);
    let params = Params::new(memory, 1 + u32::from(passes % 3), lanes).expect("within bounds");
    let variant = match shape & 3 {
        0 => Variant::Argon2d,
        1 => Variant::Argon2i,
        _ => Variant::Argon2id,
    };
    let version = if shape & 4 == 0 { Version::V0x10 } else { Version::V0x13 };
    let (password, rest) = bytes.split_at(usize::from(at).min(bytes.len()));
    let (secret, rest) = rest.split_at(usize::from(secret).min(rest.len()));
    let (data, salt) = rest.split_at(usize::from(data).min(rest.len()));
    let salt = [b"somesalt", salt].concat();
    let argon2 = Argon2::new(variant, version, params)
        .with_secret(secret)
        .with_associated_data(data)
        .with_threads(NonZeroUsize::new(1 + usize::from(shape >> 6)).expect("not zero"));
    let mut arena = Arena::new();
    let mut expected = None;
    for kernel in Kernel::available() {
        let mut out = vec![0; 4 + usize::from(tag)];
        let argon2 = argon2.with_kernel(kernel);
        argon2.hash_into(&mut arena, password, &salt, &mut out).expect("a tag");
        assert_eq!(*expected.get_or_insert_with(|| out.clone()), out, "{kernel}");
    }
});
