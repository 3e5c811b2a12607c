//! What is kept, and what happens where there is not enough memory.

use portcullis_argon2::{Arena, ArenaPool, Argon2, Error, Params, Variant, Version};

#[test]
fn arenas_grow_and_stay() {
    let mut arena = Arena::with_blocks(100).unwrap();
    let blocks = arena.blocks();
    assert!((100..200).contains(&blocks));
    arena.reserve(50).unwrap();
    assert_eq!(arena.blocks(), blocks);
    arena.reserve(5000).unwrap();
    assert!(arena.blocks() >= 5000);
}

/// As much as no machine has. Memory that cannot be had is an error and nothing else.
#[test]
fn too_much_memory_is_an_error_and_the_arena_stays_usable() {
    let mut arena = Arena::with_blocks(8).unwrap();
    for blocks in [1 << 40, usize::MAX / 1024, usize::MAX] {
        assert_eq!(arena.reserve(blocks), Err(Error::OutOfMemory), "{blocks}");
        assert_eq!(arena.blocks(), 0);
    }
    let params = Params::new(8, 1, 1).unwrap();
    let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params);
    let result = argon2.hash_into(&mut arena, b"password", b"somesalt", &mut [0; 32]);
    assert_eq!(result, Ok(()));
}

#[test]
fn a_pool_keeps_what_fits() {
    let pool = ArenaPool::keeping(64);
    let (mut first, mut second) = (pool.take(), pool.take());
    first.reserve(64).unwrap();
    second.reserve(64 << 10).unwrap();
    drop((first, second));
    let (first, second) = (pool.take(), pool.take());
    assert!(first.blocks() >= 64);
    assert_eq!(second.blocks(), 0);
}

/// Nothing shows contents or secrets.
#[test]
fn debug_shows_no_secrets() {
    let params = Params::new(8, 1, 1).unwrap();
    let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params)
        .with_secret(b"pepper")
        .with_associated_data(b"context");
    let text = format!("{argon2:?}");
    let bytes = format!("{:?}", b"pepper");
    assert!(!text.contains("pepper") && !text.contains(bytes.trim_matches(['[', ']'])));
    assert!(!text.contains("context"));
}
