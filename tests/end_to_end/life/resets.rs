//! Codes by which a new password is set, and users who come from elsewhere.

use portcullis_tests::{Door, Server};

use super::calls::{
    By, GOOD, check, check_by_name, code, get_user, import, newcomer, prepare, reset_v1, reset_v2,
    set_v2, state,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_code_sets_one_password_once() {
    let server = Server::start().await;
    for (index, door) in Door::ALL.into_iter().enumerate() {
        let user = newcomer(&server, door, &format!("user{index}")).await;
        let older = code(&reset_v2(&user).through(door, server.address).await);
        let newer = code(&reset_v2(&user).through(door, server.address).await);
        assert_ne!(older, newer);
        let redeem = |code: &str, new: &str| set_v2(&user, new, &By::Code(code));
        // The older one is void, a refused password leaves the newer one alive, and then it works
        // once.
        for (code, new, expected) in [
            (&older, "Secret-5678", (3, Some("CODE-woT0xc"))),
            (&newer, "short", (3, Some("DOMAIN-HuJf6"))),
            (&newer, "Secret-5678", (0, None)),
            (&newer, "Secret-9999", (3, Some("CODE-woT0xc"))),
        ] {
            let outcome = redeem(code, new).through(door, server.address).await;
            assert_eq!(
                (outcome.code, outcome.id()),
                expected,
                "{door:?}: {outcome:?}"
            );
        }
        let outcome = check(&user, "Secret-5678")
            .through(door, server.address)
            .await;
        assert_eq!(outcome.code, 0, "{door:?}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_guessed_at_five_times() {
    let server = Server::start().await;
    prepare(&server, "42").await;
    let right = code(&reset_v2("42").through(Door::Rest, server.address).await);
    for door in Door::ALL.into_iter().take(5) {
        let guess = set_v2("42", "Secret-5678", &By::Code("AAAAAAAAAA"));
        let outcome = guess.through(door, server.address).await;
        assert_eq!(
            (outcome.code, outcome.id()),
            (3, Some("CODE-woT0xc")),
            "{door:?}"
        );
    }
    let outcome = set_v2("42", "Secret-5678", &By::Code(&right));
    let outcome = outcome.through(Door::Rest, server.address).await;
    assert_eq!((outcome.code, outcome.id()), (3, Some("CODE-woT0xc")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_says_what_zitadel_says() {
    let server = Server::start().await;
    for door in Door::ALL {
        for (user, v1, v2) in [
            (
                "absent",
                (9, Some("COMMAND-Hj9ds")),
                (5, Some("COMMAND-SAF4f")),
            ),
            (
                "machine",
                (9, Some("COMMAND-Hj9ds")),
                (5, Some("COMMAND-SAF4f")),
            ),
            (
                "elsewhere",
                (9, Some("COMMAND-Hj9ds")),
                (5, Some("COMMAND-SAF4f")),
            ),
            (
                "initial",
                (9, Some("COMMAND-2M9sd")),
                (9, Some("COMMAND-Sfe4g")),
            ),
            ("42", (0, None), (0, None)),
            ("locked", (0, None), (0, None)),
        ] {
            let outcome = reset_v1(user).through(door, server.address).await;
            assert_eq!(
                (outcome.code, outcome.id()),
                v1,
                "{door:?} {user}: {outcome:?}"
            );
            let outcome = reset_v2(user).through(door, server.address).await;
            assert_eq!(
                (outcome.code, outcome.id()),
                v2,
                "{door:?} {user}: {outcome:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_come_with_a_password_or_a_hash_and_have_their_name_alone() {
    let server = Server::start().await;
    // `Secret-1234`, by the reference program.
    let hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$w4kH8NR0tPKyDQV8sTb6cA";
    let good_hash = import("hashed", "", Some(hash));
    let outcome = good_hash.through(Door::Rest, server.address).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    for (name, password, hash, expected) in [
        ("", GOOD, None, (3, None)),
        ("weak", "short", None, (3, Some("DOMAIN-HuJf6"))),
        ("hash", "", Some("not a hash"), (3, Some("CRYPT-r8Qm2"))),
        (
            "hash",
            "",
            Some("$argon2id$v=19$m=64,m=1048576,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"),
            (3, Some("CRYPT-r8Qm2")),
        ),
        (
            "hash",
            "",
            Some("$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"),
            (3, Some("CRYPT-5uV9n")),
        ),
        (
            "hash",
            "",
            Some(
                "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
            ),
            (3, Some("CRYPT-2xK7d")),
        ),
        ("HASHED", GOOD, None, (6, Some("V3-DKcYh"))),
        ("alice", GOOD, None, (6, Some("V3-DKcYh"))),
    ] {
        for door in Door::ALL {
            let outcome = import(name, password, hash)
                .through(door, server.address)
                .await;
            assert_eq!(
                (outcome.code, outcome.id()),
                expected,
                "{door:?} {name}: {outcome:?}"
            );
        }
    }
    // The same operation again is the same user.
    let call = import("again", GOOD, None);
    let call = call.header(
        "x-portcullis-operation-id",
        "000102030405060708090a0b0c0d0e0f",
    );
    let first = call.through(Door::Rest, server.address).await;
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(call.through(Door::Rest, server.address).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_is_gone_and_gives_the_name_back() {
    let server = Server::start().await;
    const REMOVE: &str = "zitadel.management.v1.ManagementService/RemoveUser";
    for door in Door::ALL {
        let user = newcomer(&server, door, "bob").await;
        let outcome = state(&user, REMOVE).through(door, server.address).await;
        assert_eq!(outcome.code, 0, "{door:?}: {outcome:?}");
        for (call, expected) in [
            (get_user(&user), (5, Some("QUERY-Dfbg2"))),
            (check(&user, GOOD), (5, Some("QUERY-Dfbg2"))),
            (check_by_name("bob", Some(GOOD)), (5, Some("QUERY-Dfbg2"))),
            (reset_v2(&user), (5, Some("COMMAND-SAF4f"))),
            (state(&user, REMOVE), (5, Some("COMMAND-5M9fs"))),
        ] {
            let outcome = call.through(door, server.address).await;
            assert_eq!(
                (outcome.code, outcome.id()),
                expected,
                "{door:?}: {outcome:?}"
            );
        }
    }
}
