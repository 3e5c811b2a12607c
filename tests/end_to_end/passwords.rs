//! What may be a password, in code points of every width, and that every byte of it counts.

use portcullis_core::{HashString, Password, PasswordHasher};
use portcullis_tests::{ADMIN, Ask, Door, OTHER_ADMIN, OTHER_ORG, Server, rig};

async fn stored_hash(server: &Server, org: &str, user: &str) -> HashString {
    let (exit, lines) = server.inspect(org, user).await;
    assert_eq!(exit, 0);
    HashString::parse(lines[0]["hash"].as_str().unwrap()).unwrap()
}

fn is(password: &str, hash: &HashString) -> bool {
    rig::cheap()
        .verify(&Password::new(password.to_owned()).unwrap(), hash)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_to_seventy_two_code_points_of_every_width() {
    let bootstrap = portcullis_tests::BOOTSTRAP.replace("min_length = 3", "min_length = 1");
    let options = portcullis_tests::Options {
        bootstrap: Some(bootstrap),
        ..Default::default()
    };
    let server = Server::with(options).await;
    for character in ["a", "é", "語", "🦀"] {
        for door in Door::ALL {
            for length in [1, 72] {
                let password = character.repeat(length);
                let ask = Ask::new("42", OTHER_ADMIN).password(&password);
                let answer = ask.through(door, server.address).await;
                assert_eq!(
                    answer.code, 0,
                    "{length} × {character} through {door:?}: {answer:?}"
                );
                assert!(is(&password, &stored_hash(&server, OTHER_ORG, "42").await));
            }
            let ask = Ask::new("42", OTHER_ADMIN).password(character.repeat(73));
            let answer = ask.through(door, server.address).await;
            assert_eq!(
                answer.code, 3,
                "73 × {character} through {door:?}: {answer:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_characters_survive_and_every_byte_counts() {
    let server = Server::start().await;
    let odd = [
        "Aa1!\0rest",
        "\u{1}\u{2}\u{7f}Aa1!x",
        "Aa1!\r\n\t end ",
        " Aa1!space ",
        "Aa1!xx👩‍👩‍👧é\u{301}",
        "Aa1!\"\\/\u{8}\u{c}x",
        "Aa1!\u{feff}\u{200b}\u{202e}x",
        "Aa1!\u{10ffff}\u{e000}xx",
    ];
    for password in odd {
        for door in Door::ALL {
            let ask = Ask::new("42", ADMIN).password(password);
            let answer = ask.through(door, server.address).await;
            assert_eq!(answer.code, 0, "{password:?} through {door:?}: {answer:?}");
            let hash = stored_hash(&server, portcullis_tests::ORG, "42").await;
            assert!(is(password, &hash), "{password:?} through {door:?}");
            assert!(!is(&format!("{password}x"), &hash));
            assert!(!is(password.trim_end_matches('x'), &hash) || !password.ends_with('x'));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_are_counted_in_code_points() {
    let server = Server::start().await;
    for door in Door::ALL {
        // Seven code points, eight bytes and more: too short here, long enough upstream.
        let seven = Ask::new("42", ADMIN)
            .password("Aa1!xyé")
            .through(door, server.address)
            .await;
        assert_eq!(seven.id(), Some("DOMAIN-HuJf6"), "{door:?}");
        let eight = Ask::new("42", ADMIN)
            .password("Aa1!xyzé")
            .through(door, server.address)
            .await;
        assert_eq!(eight.code, 0, "{door:?}");
    }
}
