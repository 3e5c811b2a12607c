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

#[cfg(feature = "bcrypt")]
mod bcrypt {
    use std::sync::Arc;

    use portcullis_core::{LongPasswords, WithBcrypt};

    use super::{Argon2id, HashString, HashStringError, Password, PasswordHasher};

    const LONG: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\
                        0123456789chars after 72 are ignored";
    const LONG_HASH: &str = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";

    fn verify(long: LongPasswords, password: &str, hash: &str) -> bool {
        let hasher = WithBcrypt::new(Arc::new(Argon2id::default()), long);
        let password = Password::new(password.to_owned()).unwrap();
        let hash = HashString::parse(hash).unwrap();
        assert!(hasher.needs_upgrade(&hash));
        hasher.verify(&password, &hash).unwrap()
    }

    /// From the tests of crypt_blowfish, jBCrypt, Go's x/crypto and Python's bcrypt; `$2y$` by
    /// libxcrypt.
    #[test]
    fn the_strings_of_other_implementations_verify() {
        for (password, hash) in [
            (
                "U*U",
                "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            ),
            (
                "U*U*",
                "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK",
            ),
            (
                "U*U*U",
                "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
            ),
            (
                "a",
                "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
            ),
            (
                "abc",
                "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
            ),
            (
                "allmine",
                "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga",
            ),
            (
                "rasmuslerdorf",
                "$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq",
            ),
            (
                "correctbatteryhorsestapler",
                "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie",
            ),
        ] {
            assert!(verify(LongPasswords::Refuse, password, hash), "{hash}");
            let wrong = format!("{password}!");
            assert!(!verify(LongPasswords::Refuse, &wrong, hash), "{hash}");
        }
    }

    #[test]
    fn what_comes_after_72_bytes_is_refused_unless_it_is_to_be_cut() {
        assert!(!verify(LongPasswords::Refuse, LONG, LONG_HASH));
        assert!(verify(LongPasswords::Truncate, LONG, LONG_HASH));
        let exactly = LONG.get(..72).unwrap();
        assert!(verify(LongPasswords::Refuse, exactly, LONG_HASH));
        // bcrypt repeats "a\0", so that it looks like "a\0a".
        let hash = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
        assert!(!verify(LongPasswords::Truncate, "a\0a", hash));
    }

    #[test]
    fn only_canonical_strings_within_bounds_parse() {
        let tail = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        let hash = HashString::parse(&format!("$2b$16${tail}")).unwrap();
        assert_eq!(
            (hash.suite().as_str(), hash.memory_kib()),
            ("bcrypt,cost=16", 4)
        );
        for (text, expected) in [
            (format!("$2b$03${tail}"), HashStringError::OutOfBounds),
            (format!("$2b$17${tail}"), HashStringError::OutOfBounds),
            (format!("$2b$5${tail}"), HashStringError::NotCanonical),
            (format!("$2b$+5${tail}"), HashStringError::NotCanonical),
            (format!("$2x$05${tail}"), HashStringError::UnknownAlgorithm),
            (format!("$2b$05${tail}A"), HashStringError::OutOfBounds),
            (format!("$2b$05$é{tail}"), HashStringError::NotCanonical),
            // Bits of the salt that nobody reads.
            (
                format!("$2b$05${}", tail.replacen('.', "/", 1)),
                HashStringError::NotCanonical,
            ),
        ] {
            assert_eq!(HashString::parse(&text).err(), Some(expected), "{text}");
        }
    }
}

#[test]
fn a_key_id_is_canonical_or_refused() {
    let hash = |key: &str| {
        format!("$argon2id$v=19$m=64,t=1,p=1{key}$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW")
    };
    let parse = |key: &str| HashString::parse(&hash(key)).map(|hash| hash.key_id().is_some());
    assert_eq!(parse(",keyid=YQ").ok(), Some(true));
    assert_eq!(parse("").ok(), Some(false));
    for (key, expected) in [
        (",keyid=", HashStringError::OutOfBounds),
        (",keyid=YQ==", HashStringError::NotCanonical),
        (",keyid=YR", HashStringError::NotCanonical),
        (",keyid=YWFhYWFhYWFh", HashStringError::OutOfBounds),
        (",data=YQ", HashStringError::NotCanonical),
        (",keyid=YQ,keyid=YQ", HashStringError::NotCanonical),
    ] {
        assert_eq!(parse(key).err(), Some(expected), "{key}");
    }
}
