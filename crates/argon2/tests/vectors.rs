//! Answers that others have published, asked of every kernel.
#![expect(clippy::panic, clippy::unwrap_used, reason = "this is a test")]

use base64ct::{Base64Unpadded, Encoding};
use portcullis_argon2::{Arena, Argon2, Kernel, Params, Variant, Version};

fn check(text: &str, password: &[u8], arena: &mut Arena) {
    let fields = text.split('$').collect::<Vec<_>>();
    let &["", variant, version, cost, salt, tag] = &fields[..] else {
        panic!("{text}");
    };
    let variant = match variant {
        "argon2d" => Variant::Argon2d,
        "argon2i" => Variant::Argon2i,
        _ => Variant::Argon2id,
    };
    let version = match version {
        "v=16" => Version::V0x10,
        _ => Version::V0x13,
    };
    let number = |name: &str| {
        let mut cost = cost.split(',');
        let field = cost.find_map(|field| field.strip_prefix(name)).unwrap();
        field.parse().unwrap()
    };
    let params = Params::new(number("m="), number("t="), number("p=")).unwrap();
    let salt = Base64Unpadded::decode_vec(salt).unwrap();
    let expected = Base64Unpadded::decode_vec(tag).unwrap();
    for kernel in Kernel::available() {
        let argon2 = Argon2::new(variant, version, params).with_kernel(kernel);
        let mut tag = vec![0; expected.len()];
        argon2.hash_into(arena, password, &salt, &mut tag).unwrap();
        assert_eq!(tag, expected, "{kernel}: {text}");
    }
}

fn check_all(cases: &[(&str, &str)]) {
    let mut arena = Arena::new();
    for (text, password) in cases {
        check(text, password.as_bytes(), &mut arena);
    }
}

/// Sections 5.1 to 5.3, with secret and associated data.
#[test]
fn the_vectors_of_rfc_9106() {
    let cases = [
        (
            Variant::Argon2d,
            "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb",
        ),
        (
            Variant::Argon2i,
            "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8",
        ),
        (
            Variant::Argon2id,
            "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659",
        ),
    ];
    for (variant, expected) in cases {
        for kernel in Kernel::available() {
            let params = Params::new(32, 3, 4).unwrap();
            let argon2 = Argon2::new(variant, Version::V0x13, params)
                .with_kernel(kernel)
                .with_secret(&[3; 8])
                .with_associated_data(&[4; 12]);
            let (mut arena, mut tag) = (Arena::new(), [0; 32]);
            let result = argon2.hash_into(&mut arena, &[1; 32], &[2; 16], &mut tag);
            result.unwrap();
            assert_eq!(hex(&tag), expected, "{kernel}: {variant:?}");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// All cases of its `test.c` that need less than 1 GiB.
#[test]
fn the_cases_of_the_reference_implementation() {
    check_all(&[
        (
            "$argon2i$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
            "password",
        ),
        (
            "$argon2i$v=16$m=262144,t=2,p=1$c29tZXNhbHQ$Pmiaqj0op3zyvHKlGsUxZnYXURgvHuKS4/Z3p9pMJGc",
            "password",
        ),
        (
            "$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
            "password",
        ),
        (
            "$argon2i$v=16$m=256,t=2,p=2$c29tZXNhbHQ$tsEVYKap1h6scGt5ovl9aLRGOqOth+AMB+KwHpDFZPs",
            "password",
        ),
        (
            "$argon2i$v=16$m=65536,t=1,p=1$c29tZXNhbHQ$gWMFUrjzsfSM2xmSxMZ4ZD1JCytetP9sSzQ4tWIXJLI",
            "password",
        ),
        (
            "$argon2i$v=16$m=65536,t=4,p=1$c29tZXNhbHQ$8hLwFhXm6110c03D70Ct4tUdBSRo2MaUQKOh8sHChHs",
            "password",
        ),
        (
            "$argon2i$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$6ckCB0tnVFMaOgvlGeW69ASzDOabPwGsO/ISKZYBCaM",
            "differentpassword",
        ),
        (
            "$argon2i$v=16$m=65536,t=2,p=1$ZGlmZnNhbHQ$eaEDuQ/orvhXDLMfyLIiWXeJFvgza3vaw4kladTxxJc",
            "password",
        ),
        (
            "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
            "password",
        ),
        (
            "$argon2i$v=19$m=262144,t=2,p=1$c29tZXNhbHQ$KW266AuAfNzqrUSudBtQbxTbCVkmexg7EY+bJCKbx8s",
            "password",
        ),
        (
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
            "password",
        ),
        (
            "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHQ$T/XOJ2mh1/TIpJHfCdQan76Q5esCFVoT5MAeIM1Oq2E",
            "password",
        ),
        (
            "$argon2i$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$0WgHXE2YXhPr6uVgz4uUw7XYoWxRkWtvSsLaOsEbvs8",
            "password",
        ),
        (
            "$argon2i$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$qqlT1YrzcGzj3xrv1KZKhOMdf1QXUjHxKFJZ+IF0zls",
            "password",
        ),
        (
            "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$FK6NoBr+qHAMI1jc73xTWNkCEoK9iGY6RWL1n7dNIu4",
            "differentpassword",
        ),
        (
            "$argon2i$v=19$m=65536,t=2,p=1$ZGlmZnNhbHQ$sDV8zPvvkfOGCw26RHsjSMvv7K2vmQq/6cxAcmxSEnE",
            "password",
        ),
        (
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "password",
        ),
        (
            "$argon2id$v=19$m=262144,t=2,p=1$c29tZXNhbHQ$eP4eyR+zqlZX1y5xCFTkw9m5GYx0L5YWwvCFvtlbLow",
            "password",
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "password",
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "password",
        ),
        (
            "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg",
            "password",
        ),
        (
            "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$kCXUjmjvc5XMqQedpMTsOv+zyJEf5PhtGiUghW9jFyw",
            "password",
        ),
        (
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94",
            "differentpassword",
        ),
        (
            "$argon2id$v=19$m=65536,t=2,p=1$ZGlmZnNhbHQ$vfMrBczELrFdWP0ZsfhWsRPaHppYdP3MVEMIVlqoFBw",
            "password",
        ),
    ]);
}

/// Those of its hash strings that it verifies.
#[test]
fn the_strings_of_libsodium() {
    check_all(&[
        (
            "$argon2id$v=19$m=4882,t=2,p=1$bA81arsiXysd3WbTRzmEOw$Nm8QBM+7RH1DXo9rvp5cwKEOOOfD2g6JuxlXihoNcpE",
            "",
        ),
        (
            "$argon2id$v=19$m=4096,t=19,p=1$PkEgMTYtYnl0ZXMgc2FsdA$ltB/ue1kPtBMBGfsysMpPigE6hiNEKZ9vs8vLNVDQGA",
            "^T5H$JYt39n%K*j:W]!1s?vg!:jGi]Ax?..l7[p0v:1jHTpla9;]bUN;?bWyCbtqg ",
        ),
        (
            "$argon2id$v=19$m=4096,t=1,p=3$PkEgcHJldHR5IGxvbmcgc2FsdA$HUqx5Z1b/ZypnUrvvJ5UC2Q+T6Q1WwASK/Kr9dRbGA0",
            "K3S=KyH#)36_?]LxeR8QNKw6X=gFbxai$C%29V*",
        ),
    ]);
}

/// Long tags. Its memory is in bytes, and of the salts it takes 16.
#[test]
fn the_raw_hashes_of_libsodium() {
    let cases = [
        (
            (7_256_678, 5),
            "a347ae92bce9f80f6f595a4480fc9c2fe7e7d7148d371e9487d75f5c23008ffae0\
             65577a928febd9b1973a5a95073acdbeb6a030cfc0d79caa2dc5cd011cef02c08d\
             a232d76d52dfbca38ca8dcbd665b17d1665f7cf5fe59772ec909733b24de97d6f5\
             8d220b20c60d7c07ec1fd93c52c31020300c6c1facd77937a597c7a6",
            "5541fbc995d5c197ba290346d2c559de",
            "18acec5d6507739f203d1f5d9f1d862f7c2cdac4f19d2bdff64487e60d969e3ced\
             615337b9eec6ac4461c6ca07f0939741e57c24d0005c7ea171a0ee1e7348249d13\
             5b38f222e4dad7b9a033ed83f5ca27277393e316582033c74affe2566a2bea47f9\
             1f0fd9fe49ece7e1f79f3ad6e9b23e0277c8ecc4b313225748dd2a80f5679534a0\
             700e246a79a49b3f74eb89ec6205fe1eeb941c73b1fcf1",
        ),
        (
            (1_631_659, 1),
            "b540beb016a5366524d4605156493f9874514a5aa58818cd0c6dfffaa9e90205f1\
             7b",
            "44071f6d181561670bda728d43fb79b4",
            "7fb72409b0987f8190c3729710e98c3f80c5a8727d425fdcde7f3644d467fe973f\
             5b5fee683bd3fce812cb9ae5e9921a2d06c2f1905e4e839692f2b934b682f11a2f\
             e2b90482ea5dd234863516dba6f52dc0702d324ec77d860c2e181f84472bd7104f\
             edce071ffa93c5309494ad51623d214447a7b2b1462dc7d5d55a1f6fd5b54ce024\
             118d86f0c6489d16545aaa87b6689dad9f2fb47fda9894f8e12b87d978b483ccd4\
             cc5fd9595cdc7a818452f915ce2f7df95ec12b1c72e3788d473441d884f9748eb1\
             4703c21b45d82fd667b85f5b2d98c13303b3fe76285531a826b6fc0fe8e3dddecf",
        ),
    ];
    for ((bytes, passes), password, salt, expected) in cases {
        for kernel in Kernel::available() {
            let params = Params::new(bytes / 1024, passes, 1).unwrap();
            let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params).with_kernel(kernel);
            let mut tag = vec![0; expected.len() / 2];
            let (password, salt) = (unhex(password), unhex(salt));
            let result = argon2.hash_into(&mut Arena::new(), &password, &salt, &mut tag);
            result.unwrap();
            assert_eq!(hex(&tag), expected, "{kernel}");
        }
    }
}
