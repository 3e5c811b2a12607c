//! Stored hash strings: what the parser lets through, and what it costs.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use portcullis_core::{
    Argon2Params, Argon2id, HashString, HashStringError, Password, PasswordHasher,
};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

fn verify(password: &str, hash: &str) -> bool {
    let password = Password::new(password.to_owned()).unwrap();
    Argon2id::default()
        .verify(&password, &HashString::parse(hash).unwrap())
        .unwrap()
}

/// Made by the reference implementation of Argon2: password and salt are those of its test.c.
#[test]
fn the_reference_implementations_strings_verify() {
    for hash in [
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        "$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
    ] {
        assert!(verify("password", hash), "{hash}");
        assert!(!verify("Password", hash), "{hash}");
    }
}

#[test]
fn bounds_are_those_of_the_design() {
    let hash = |m: u64, t: u64, p: u64, salt: usize, tag: usize| {
        let salt = base64(salt);
        format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${}", base64(tag))
    };
    for good in [
        hash(8, 1, 1, 8, 16),
        hash(128, 10, 16, 48, 64),
        hash(524_288, 10, 16, 16, 32),
    ] {
        assert!(HashString::parse(&good).is_ok(), "{good}");
    }
    for bad in [
        hash(7, 1, 1, 16, 32),
        hash(127, 1, 16, 16, 32),
        hash(524_289, 1, 1, 16, 32),
        hash(64, 0, 1, 16, 32),
        hash(64, 11, 1, 16, 32),
        hash(64, 1, 0, 16, 32),
        hash(1_024, 1, 17, 16, 32),
        hash(64, 1, 1, 7, 32),
        hash(64, 1, 1, 49, 32),
        hash(64, 1, 1, 16, 15),
        hash(64, 1, 1, 16, 65),
        hash(4_294_967_296, 1, 1, 16, 32),
    ] {
        assert_eq!(
            HashString::parse(&bad).err(),
            Some(HashStringError::OutOfBounds),
            "{bad}"
        );
    }
    let long = format!("{}{}", hash(64, 1, 1, 16, 32), "A".repeat(200));
    assert_eq!(
        HashString::parse(&long).err(),
        Some(HashStringError::TooLong)
    );
}

/// Zero bytes in unpadded base64.
fn base64(bytes: usize) -> String {
    "A".repeat((bytes * 4).div_ceil(3))
}

#[test]
fn what_is_made_is_verified_and_never_downgraded() {
    let weak = Argon2id::new(Argon2Params::new(8, 1, 1).unwrap());
    let strong = Argon2id::new(Argon2Params::new(64, 2, 1).unwrap());
    let password = Password::new("Secret-1234".to_owned()).unwrap();
    let (old, new) = (
        weak.hash(&password).unwrap(),
        strong.hash(&password).unwrap(),
    );
    assert!(weak.verify(&password, &new).unwrap() && strong.verify(&password, &old).unwrap());
    assert!(strong.needs_upgrade(&old));
    assert!(!weak.needs_upgrade(&new) && !strong.needs_upgrade(&new));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn parsing_never_panics_and_what_passes_writes_itself_back(text in any::<String>()) {
        if let Ok(hash) = HashString::parse(&text) {
            prop_assert_eq!(hash.as_stored(), text);
        }
    }

    #[test]
    fn one_changed_byte_is_another_hash_or_none(at in 0_usize..95, byte in 32_u8..127) {
        let good = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW";
        let mut bytes = good.as_bytes().to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let text = String::from_utf8(bytes).unwrap();
        if let Ok(hash) = HashString::parse(&text) {
            prop_assert_eq!(hash.as_stored(), &text);
            prop_assert!(hash.memory_kib() <= 512 * 1024 && hash.passes() <= 10);
            prop_assert!(hash.lanes() <= 16 && hash.memory_kib() >= 8 * hash.lanes());
        }
    }

    #[test]
    fn parameters_read_back_what_they_print(m in 8_u32..524_288, t in 1_u32..10, p in 1_u32..16) {
        if let Ok(params) = Argon2Params::new(m, t, p) {
            prop_assert_eq!(params.to_string().parse::<Argon2Params>(), Ok(params));
        }
    }
}
