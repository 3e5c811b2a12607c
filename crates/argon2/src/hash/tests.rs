//! Every kernel against the `argon2` crate on random inputs, also the one that no processor runs:
//! the data flow of the vectors of AVX-512, on plain words.

#![expect(
    clippy::cast_possible_truncation,
    reason = "random numbers are cut to size"
)]

use std::{num::NonZeroUsize, sync::Mutex};

use super::*;
use crate::lanes::Lanes as _;

/// Xorshift: the same tuples in every run, unless there are more of them.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16
    }

    fn below(&mut self, bound: u64) -> usize {
        (self.roll() % bound) as usize
    }

    fn bytes(&mut self, least: usize, most: u64) -> Vec<u8> {
        let length = least + self.below(most - least as u64 + 1);
        (0..length).map(|_| self.roll() as u8).collect()
    }
}

#[derive(Debug)]
struct Tuple {
    variant: Variant,
    version: Version,
    params: Params,
    threads: NonZeroUsize,
    password: Vec<u8>,
    salt: Vec<u8>,
    secret: Vec<u8>,
    data: Vec<u8>,
    tag: usize,
}

impl Tuple {
    fn random(dice: &mut Dice) -> Self {
        let lanes = 1 + dice.below(4) as u32;
        let memory = match dice.below(8) {
            // The least, and around where a round of addresses ends.
            0 => 8 * lanes,
            1 => 4 * lanes * (126 + dice.below(6) as u32),
            2 if !cfg!(miri) => 4 * lanes * (250 + dice.below(20) as u32),
            3 => 8 * lanes + dice.below(9) as u32,
            _ => 8 * lanes + dice.below(400) as u32,
        };
        let memory = if cfg!(miri) {
            memory.min(40 * lanes)
        } else {
            memory
        };
        let passes = 1 + dice.below(3) as u32;
        Self {
            variant: [Variant::Argon2d, Variant::Argon2i, Variant::Argon2id][dice.below(3)],
            version: [Version::V0x10, Version::V0x13][dice.below(2)],
            params: Params::new(memory, passes, lanes).unwrap(),
            threads: NonZeroUsize::new(1 + dice.below(4)).unwrap(),
            password: dice.bytes(0, 200),
            salt: dice.bytes(8, 64),
            secret: dice.bytes(0, 40),
            data: dice.bytes(0, 32),
            tag: 4 + dice.below(140),
        }
    }

    fn argon2(&self) -> Argon2<'_> {
        Argon2::new(self.variant, self.version, self.params)
            .with_threads(self.threads)
            .with_secret(&self.secret)
            .with_associated_data(&self.data)
    }

    fn by_kernel(&self, arena: &mut Arena, kernel: Kernel) -> Vec<u8> {
        let mut tag = vec![0; self.tag];
        let argon2 = self.argon2().with_kernel(kernel);
        let result = argon2.hash_into(arena, &self.password, &self.salt, &mut tag);
        result.unwrap();
        tag
    }

    fn by_plain_words(&self, arena: &mut Arena) -> Vec<u8> {
        let mut tag = vec![0; self.tag];
        let (argon2, fill) = (self.argon2(), plain::fill_segment);
        let result = argon2.compute_by(fill, arena, &self.password, &self.salt, &mut tag);
        result.unwrap();
        tag
    }

    fn by_crate(&self) -> Vec<u8> {
        let params = ParamsBuilder::new()
            .m_cost(self.params.memory_kib())
            .t_cost(self.params.passes())
            .p_cost(self.params.lanes())
            .data(AssociatedData::new(&self.data).unwrap())
            .build()
            .unwrap();
        let algorithm = match self.variant {
            Variant::Argon2d => Algorithm::Argon2d,
            Variant::Argon2i => Algorithm::Argon2i,
            Variant::Argon2id => Algorithm::Argon2id,
        };
        let version = argon2::Version::try_from(self.version.number()).unwrap();
        let argon2 = argon2::Argon2::new_with_secret(&self.secret, algorithm, version, params);
        let mut tag = vec![0; self.tag];
        let result = argon2
            .unwrap()
            .hash_password_into(&self.password, &self.salt, &mut tag);
        result.unwrap();
        tag
    }
}

#[test]
fn random_tuples_are_what_the_crate_says() {
    let tuples = match std::env::var("PORTCULLIS_TUPLES") {
        Ok(tuples) => tuples.parse().unwrap(),
        Err(_) if cfg!(miri) => 3,
        Err(_) => 1000,
    };
    let (kernels, mut arena) = (Kernel::available(), Arena::new());
    let mut dice = Dice(0x853C_49E6_748F_EA9B);
    for _ in 0..tuples {
        let tuple = Tuple::random(&mut dice);
        let expected = tuple.by_crate();
        assert_eq!(
            tuple.by_plain_words(&mut arena),
            expected,
            "plain words: {tuple:?}"
        );
        for kernel in &kernels {
            let tag = tuple.by_kernel(&mut arena, *kernel);
            assert_eq!(tag, expected, "{kernel}: {tuple:?}");
        }
    }
}

#[test]
fn long_associated_data_is_the_same_for_all_kernels() {
    let mut dice = Dice(5);
    let mut tuple = Tuple::random(&mut dice);
    // More than the crate takes.
    tuple.data = dice.bytes(200, 300);
    let mut arena = Arena::new();
    let expected = tuple.by_plain_words(&mut arena);
    for kernel in Kernel::available() {
        assert_eq!(tuple.by_kernel(&mut arena, kernel), expected, "{kernel}");
    }
    tuple.data.push(0);
    assert_ne!(tuple.by_plain_words(&mut arena), expected);
}

/// Fills with plain words, and notes what the arena's words were when it began.
fn spying(plan: &Plan, memory: *mut u64, lane: crate::fill::Lane) {
    if (lane.pass, lane.slice, lane.lane) == (0, 0, 0) {
        // Blocks 0 and 1 are filled before the first segment is.
        #[expect(unsafe_code, reason = "the memory is looked at as a kernel does")]
        // SAFETY: the memory holds the blocks of the plan, and this is the only thread.
        let words = unsafe {
            std::slice::from_raw_parts(memory.add(2 * WORDS), (plan.blocks() - 2) * WORDS)
        };
        SEEN.lock()
            .unwrap()
            .push(words.iter().any(|word| *word != 0));
    }
    #[expect(unsafe_code, reason = "the contracts are the same")]
    // SAFETY: as above.
    unsafe {
        plain::fill_segment(plan, memory, lane);
    }
}

static SEEN: Mutex<Vec<bool>> = Mutex::new(Vec::new());

#[test]
fn nothing_of_a_hash_is_left_in_the_arena() {
    let params = Params::new(64, 2, 1).unwrap();
    let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params);
    let mut arena = Arena::new();
    let mut tag = [0; 32];
    argon2
        .hash_into(&mut arena, b"password", b"somesalt", &mut tag)
        .unwrap();
    for kernel in Kernel::available() {
        let argon2 = argon2.with_kernel(kernel);
        argon2
            .hash_into(&mut arena, b"password", b"somesalt", &mut tag)
            .unwrap();
        argon2
            .compute_by(spying, &mut arena, b"password", b"somesalt", &mut tag)
            .unwrap();
    }
    assert!(SEEN.lock().unwrap().iter().all(|is_dirty| !is_dirty));
    assert_eq!(SEEN.lock().unwrap().len(), Kernel::available().len());
}

#[test]
fn bounds_are_those_of_the_standard() {
    let params = Params::new(8, 1, 1).unwrap();
    let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params);
    let mut arena = Arena::new();
    let mut hash = |salt: &[u8], tag: &mut [u8]| argon2.hash_into(&mut arena, b"", salt, tag);
    assert_eq!(hash(b"1234567", &mut [0; 32]), Err(Error::SaltTooShort));
    assert_eq!(hash(b"12345678", &mut [0; 3]), Err(Error::TagLength));
    assert_eq!(hash(b"12345678", &mut [0; 4]), Ok(()));
    assert_eq!(Params::new(8, 0, 1), Err(crate::ParamsError::Passes));
    assert_eq!(Params::new(8, 1, 0), Err(crate::ParamsError::Lanes));
    assert_eq!(
        Params::new(u32::MAX, 1, 1 << 24),
        Err(crate::ParamsError::Lanes)
    );
    assert_eq!(Params::new(31, 1, 4), Err(crate::ParamsError::Memory));
}

#[test]
fn positions_are_a_permutation_with_the_first_word_first() {
    let mut seen = [false; WORDS];
    (0..WORDS).for_each(|word| seen[position(word)] = true);
    assert!(seen.iter().all(|seen| *seen));
    // A block that depends on contents depends on this word.
    assert_eq!(position(0), 0);
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[test]
fn vectors_move_and_rotate_as_plain_words_do() {
    use crate::lanes::avx2::Avx2;

    if Kernel::Avx2.check().is_err() {
        return;
    }
    #[repr(align(64))]
    struct Aligned([u64; 8]);
    let mut dice = Dice(7);
    let input = Aligned([(); 8].map(|()| dice.roll() << 20 ^ dice.roll()));
    let (mut vector, mut words) = (Aligned([0; 8]), Aligned([0; 8]));
    #[expect(unsafe_code, reason = "vectors are read and written through pointers")]
    // SAFETY: all arrays are aligned to 64, and there is AVX2.
    unsafe {
        let (a, b) = (
            Avx2::load(input.0.as_ptr()),
            plain::Plain::load(input.0.as_ptr()),
        );
        let mixed = a.ror16().add(a.ror24()).xor(a.ror32()).mul32(a.ror63());
        mixed.xor3(a, a.ror16()).store(vector.0.as_mut_ptr());
        let mixed = b.ror16().add(b.ror24()).xor(b.ror32()).mul32(b.ror63());
        mixed.xor3(b, b.ror16()).store(words.0.as_mut_ptr());
    }
    assert_eq!(vector.0, words.0);
}
