//! Passwords are checked and changed.

use portcullis_tests::{Body, Detail, Door, NOBODY, Options, Server, exchange};
use prost::Message;
use serde_json::Value;
use zitadel::api::zitadel::session::v2::GetSessionResponse;

use super::{
    calls::{
        By, GOOD, check, check_by_name, delete_session, get_session, issued, newcomer, prepare,
        session_of, set_session, set_v2, update_my_password,
    },
    with_lockout,
};

async fn lockout_server() -> Server {
    Server::with(Options {
        bootstrap: Some(with_lockout()),
        ..Options::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_budget_stands_behind_every_door() {
    let server = lockout_server().await;
    prepare(&server, "42").await;
    // Five doors, three ways to guess, one counter.
    let wrong = "Wrong-1234";
    let guesses = [
        (Door::Rest, check("42", wrong)),
        (
            Door::Grpc,
            set_v2("42", "Secret-9999", &By::Password(wrong)),
        ),
        (Door::GrpcWeb, check_by_name("Alice", Some(wrong))),
        (Door::ConnectProto, check("42", wrong)),
    ];
    for (index, (door, guess)) in guesses.into_iter().enumerate() {
        let outcome = guess.through(door, server.address).await;
        let failed = i32::try_from(index).unwrap() + 1;
        assert_eq!(outcome.code, 3, "{door:?}: {outcome:?}");
        assert_eq!(outcome.id(), Some("COMMAND-3M0fs"), "{door:?}");
        assert_eq!(outcome.failed_attempts(), Some(failed), "{door:?}");
    }
    // The fifth locks, and then nothing is compared, whatever the password.
    let fifth = check("42", wrong)
        .through(Door::GrpcWebText, server.address)
        .await;
    assert_eq!(fifth.failed_attempts(), Some(5), "{fifth:?}");
    for door in Door::ALL {
        let outcome = check("42", GOOD).through(door, server.address).await;
        assert_eq!(
            (outcome.code, outcome.id()),
            (9, Some("COMMAND-JLK35")),
            "{door:?}: {outcome:?}"
        );
        assert_eq!(outcome.failed_attempts(), Some(5), "{door:?}");
    }
    // An administrator's set works, and leaves the user locked.
    prepare(&server, "42").await;
    let outcome = check("42", GOOD).through(Door::Rest, server.address).await;
    assert_eq!((outcome.code, outcome.id()), (9, Some("COMMAND-JLK35")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_is_right_through_every_door_and_clears_the_count() {
    let server = lockout_server().await;
    for (index, door) in Door::ALL.into_iter().enumerate() {
        let user = newcomer(&server, door, &format!("user{index}")).await;
        for _ in 0..4 {
            let outcome = check(&user, "Wrong-1234")
                .through(door, server.address)
                .await;
            assert_eq!(outcome.code, 3, "{door:?}: {outcome:?}");
        }
        let outcome = check(&user, GOOD).through(door, server.address).await;
        assert_eq!(outcome.code, 0, "{door:?}: {outcome:?}");
        let http = match door {
            Door::Rest => Some(201),
            Door::ConnectJson | Door::ConnectProto => Some(200),
            Door::Grpc | Door::GrpcWeb | Door::GrpcWebText => None,
        };
        assert_eq!(outcome.http, http, "{door:?}");
        let outcome = check(&user, "Wrong-1234")
            .through(door, server.address)
            .await;
        assert_eq!(outcome.failed_attempts(), Some(1), "{door:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_is_told_in_zitadels_words_and_not_at_all_in_uniform_ones() {
    let words: [(&str, i64, &str); 5] = [
        ("absent", 5, "QUERY-Dfbg2"),
        ("initial", 9, "COMMAND-M9dse"),
        ("inactive", 9, "PORTCULLIS-Inac1"),
        ("locked", 9, "COMMAND-JLK35"),
        ("nobody", 9, "COMMAND-3nJ4t"),
    ];
    let server = lockout_server().await;
    for (user, code, id) in words {
        let outcome = check(user, GOOD).through(Door::Rest, server.address).await;
        assert_eq!(
            (outcome.code, outcome.id()),
            (code, Some(id)),
            "{user}: {outcome:?}"
        );
    }
    let uniform = format!("[instance]\nanswers = \"uniform\"\n{}", with_lockout());
    let server = Server::with(Options {
        bootstrap: Some(uniform),
        ..Options::default()
    })
    .await;
    prepare(&server, "42").await;
    let wrong = Detail::Error("COMMAND-3M0fs".into(), "Password is invalid".into());
    for user in words.map(|(user, ..)| user).into_iter().chain(["42"]) {
        for door in Door::ALL {
            let outcome = check(user, "Wrong-1234")
                .through(door, server.address)
                .await;
            assert_eq!(
                (outcome.code, &outcome.details[..]),
                (3, &[wrong.clone()][..]),
                "{user}"
            );
        }
        // A session that has checked nothing but the user is no oracle either.
        let outcome = session_of(user).through(Door::Rest, server.address).await;
        assert_eq!(outcome.code, 0, "{user}: {outcome:?}");
    }
    let outcome = check_by_name("no such name", Some("Wrong-1234"));
    let outcome = outcome.through(Door::Rest, server.address).await;
    assert_eq!(&outcome.details[..], &[wrong][..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_change_their_own_password_and_nobody_elses() {
    let server = Server::start().await;
    prepare(&server, "nobody").await;
    let mut current = GOOD.to_owned();
    for (index, door) in Door::ALL.into_iter().enumerate() {
        let next = format!("Secret-{index}-{index}");
        let change = |old: &str, new: &str| update_my_password(NOBODY, old, new);
        for (old, new, code, id) in [
            ("Wrong-1234", &*next, 3, Some("COMMAND-3M0fs")),
            (&*current, "short", 3, Some("DOMAIN-HuJf6")),
            (&*current, &*current, 9, Some("COMMAND-Aesh5")),
            ("", &*next, 3, None),
            (&*current, "", 3, None),
        ] {
            let outcome = change(old, new).through(door, server.address).await;
            assert_eq!(
                (outcome.code, outcome.id()),
                (code, id),
                "{door:?}: {outcome:?}"
            );
        }
        let outcome = change(&current, &next).through(door, server.address).await;
        assert_eq!(outcome.code, 0, "{door:?}: {outcome:?}");
        current = next;
        let outcome = check("nobody", &current)
            .through(door, server.address)
            .await;
        assert_eq!(outcome.code, 0, "{door:?}: {outcome:?}");
    }
    // Without a membership there is no way to another user's, whatever is known of it.
    prepare(&server, "42").await;
    let mut other = set_v2("42", "Secret-9999", &By::Password(GOOD));
    other.headers = vec![("authorization", format!("Bearer {NOBODY}"))];
    let outcome = other.through(Door::Rest, server.address).await;
    assert_eq!((outcome.code, outcome.id()), (5, Some("AUTHZ-cdgFk")));
    // One's own takes the old one: a token alone is not enough.
    let mut own = set_v2("nobody", "Secret-9999", &By::Permission);
    own.headers = vec![("authorization", format!("Bearer {NOBODY}"))];
    let outcome = own.through(Door::Rest, server.address).await;
    assert_eq!((outcome.code, outcome.id()), (5, Some("AUTHZ-cdgFk")));
    let mut own = set_v2("nobody", "Secret-9999", &By::Password(&current));
    own.headers = vec![("authorization", format!("Bearer {NOBODY}"))];
    let outcome = own.through(Door::ConnectJson, server.address).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
}

/// When the password of a session was checked, if that still counts.
fn password_checked(body: &Body) -> bool {
    match body {
        Body::Json(json) => json["session"]["factors"]["password"] != Value::Null,
        Body::Proto(bytes) => {
            let response = GetSessionResponse::decode(&**bytes).unwrap();
            let factors = response.session.unwrap().factors.unwrap();
            factors.password.is_some()
        }
        Body::None => panic!("refused"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_through_its_life_on_every_server() {
    let server = Server::start().await;
    let other = server.beside().await;
    for (index, door) in Door::ALL.into_iter().enumerate() {
        let user = newcomer(&server, door, &format!("user{index}")).await;
        let begun = session_of(&user).through(door, server.address).await;
        let (session, token) = issued(&begun);
        let read = get_session(&session);
        let outcome = read.through(door, other.address).await;
        assert_eq!(outcome.code, 0, "{door:?}: {outcome:?}");
        assert!(!password_checked(&outcome.body), "{door:?}");

        let wrong = set_session(&session, &token, "Wrong-1234");
        let outcome = wrong.through(door, other.address).await;
        assert_eq!(
            (outcome.code, outcome.id()),
            (3, Some("COMMAND-3M0fs")),
            "{door:?}"
        );
        let right = set_session(&session, &token, GOOD);
        let outcome = right.through(door, other.address).await;
        assert_eq!(outcome.code, 0, "{door:?}: {outcome:?}");
        // The token has been replaced.
        let outcome = right.through(door, server.address).await;
        assert_eq!(
            (outcome.code, outcome.id()),
            (7, Some("COMMAND-sGr42")),
            "{door:?}"
        );
        assert!(password_checked(
            &read.through(door, server.address).await.body
        ));

        // A changed password ends what the old one proved.
        prepare(&server, &user).await;
        let outcome = read.through(door, server.address).await;
        assert!(!password_checked(&outcome.body), "{door:?}");

        let outcome = delete_session(&session).through(door, server.address).await;
        assert_eq!(outcome.code, 0, "{door:?}: {outcome:?}");
        let outcome = read.through(door, other.address).await;
        assert_eq!(
            (outcome.code, outcome.id()),
            (5, Some("QUERY-SFeaa")),
            "{door:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_for_who_began_it_or_has_its_token() {
    let server = Server::start().await;
    prepare(&server, "42").await;
    let begun = session_of("42").through(Door::Rest, server.address).await;
    let (session, token) = issued(&begun);
    let bearer = format!("Bearer {NOBODY}");
    let headers = [("authorization", bearer.as_str())];
    let path = format!("/v2/sessions/{session}");
    let with_token = format!("{path}?sessionToken={token}");
    let body = serde_json::json!({"sessionToken": token}).to_string();
    for (method, path, body, status) in [
        ("GET", &path, "", 403),
        ("GET", &format!("{path}?sessionToken=guessed"), "", 403),
        ("GET", &with_token, "", 200),
        ("DELETE", &path, "", 403),
        ("DELETE", &path, &*body, 200),
        ("GET", &with_token, "", 404),
    ] {
        let reply = exchange(server.address, method, path, &headers, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_session_is_told_without_a_token_and_only_as_itself() {
    let server = Server::start().await;
    prepare(&server, "42").await;
    const ID: (&str, &str) = (
        "x-portcullis-operation-id",
        "000102030405060708090a0b0c0d0e0f",
    );
    let create = |user: &str| session_of(user).header(ID.0, ID.1);
    let first = create("42").through(Door::Rest, server.address).await;
    let (session, token) = issued(&first);
    assert!(!token.is_empty());
    for door in Door::ALL {
        let again = create("42").through(door, server.address).await;
        assert_eq!(issued(&again), (session.clone(), String::new()), "{door:?}");
        let other = create("locked").through(door, server.address).await;
        assert_eq!(other.id(), Some("PORTCULLIS-Oper2"), "{door:?}: {other:?}");
        // The same id for another method is no repetition either.
        let set = set_session(&session, &token, GOOD).header(ID.0, ID.1);
        let set = set.through(door, server.address).await;
        assert_eq!(set.id(), Some("PORTCULLIS-Oper2"), "{door:?}: {set:?}");
    }
    // What was handed out still opens it.
    let right = set_session(&session, &token, GOOD);
    let outcome = right.through(Door::Rest, server.address).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
}
