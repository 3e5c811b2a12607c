//! The step table of the contract (section 2.2), row by row, through every transport.

use portcullis_tests::{
    ADMIN, Answer, Ask, Detail, Door, IAM, Method, NOBODY, ORG, OTHER_ADMIN, OTHER_ORG, Server,
    VIEWER,
};

/// A row: what is asked, and the code, HTTP status, id and text that answer it.
struct Row {
    name: &'static str,
    ask: Ask,
    code: i64,
    http: u16,
    id: Option<&'static str>,
    text: &'static str,
}

fn row(
    name: &'static str,
    ask: Ask,
    (code, http): (i64, u16),
    id: Option<&'static str>,
    text: &'static str,
) -> Row {
    Row {
        name,
        ask,
        code,
        http,
        id,
        text,
    }
}

fn rows(method: Method) -> Vec<Row> {
    let ask = || Ask::new("42", ADMIN).method(method);
    let user = |user| Ask::new(user, ADMIN).method(method);
    let header = |header| ask().authorization(Some(header));
    let (user_id, password) = match method {
        Method::Set => (
            "invalid SetHumanPasswordRequest.UserId: value length must be at least 1 runes",
            "invalid SetHumanPasswordRequest.Password: \
             value length must be between 1 and 72 runes, inclusive",
        ),
        Method::SetInitial => (
            "invalid SetHumanInitialPasswordRequest.UserId: value length must be at least 1 runes",
            "invalid SetHumanInitialPasswordRequest.Password: \
             value length must be between 1 and 72 runes, inclusive",
        ),
    };
    let (invalid, failed) = ((3, 400), (9, 400));
    let (not_found, not_initialised) = (Some("COMMAND-G8dh3"), Some("COMMAND-M9dse"));
    let membership = (Some("AUTHZ-cdgFk"), "membership not found");
    let bad_header = (Some("AUTH-toLo1"), "invalid auth header");
    let too_short = (Some("DOMAIN-HuJf6"), "Password is too short");
    vec![
        row(
            "1",
            ask().authorization(None),
            (16, 401),
            None,
            "auth header missing",
        ),
        row(
            "2 other scheme",
            header("Basic x"),
            (16, 401),
            bad_header.0,
            bad_header.1,
        ),
        row(
            "2 other case",
            header("bearer x"),
            (16, 401),
            bad_header.0,
            bad_header.1,
        ),
        row(
            "2 no token",
            header("Bearer"),
            (16, 401),
            bad_header.0,
            bad_header.1,
        ),
        row(
            "3",
            header("Bearer x"),
            (16, 401),
            Some("AUTH-7fs1e"),
            "Errors.Token.Invalid",
        ),
        row(
            "5",
            ask().org("no-such-org"),
            (7, 403),
            Some("AUTH-Bs7Ds"),
            "Organisation doesn't exist",
        ),
        row(
            "6",
            Ask::new("42", NOBODY).method(method),
            (5, 404),
            membership.0,
            membership.1,
        ),
        row(
            "6 own id",
            Ask::new("nobody", NOBODY).method(method),
            (5, 404),
            membership.0,
            membership.1,
        ),
        row(
            "6 elsewhere",
            ask().org(OTHER_ORG),
            (5, 404),
            membership.0,
            membership.1,
        ),
        row(
            "6 from elsewhere",
            Ask::new("42", OTHER_ADMIN).method(method).org(ORG),
            (5, 404),
            membership.0,
            membership.1,
        ),
        row(
            "7",
            Ask::new("42", VIEWER).method(method),
            (7, 403),
            Some("AUTH-5mWD2"),
            "No matching permissions found",
        ),
        row("8", user(""), invalid, None, user_id),
        row("8 before 9", user("").password(""), invalid, None, user_id),
        row("9 empty", ask().password(""), invalid, None, password),
        row(
            "9 73 code points",
            ask().password("Aa1!".repeat(18) + "x"),
            invalid,
            None,
            password,
        ),
        row(
            "9 before 11B",
            user("absent").password(""),
            invalid,
            None,
            password,
        ),
        row(
            "11B missing",
            user("absent"),
            failed,
            not_found,
            "Password not found",
        ),
        row(
            "11B machine",
            user("machine"),
            failed,
            not_found,
            "Password not found",
        ),
        row(
            "11B other organisation",
            user("elsewhere"),
            failed,
            not_found,
            "Password not found",
        ),
        row(
            "11B wrong organisation header",
            Ask::new("initial", IAM).method(method).org(OTHER_ORG),
            failed,
            not_found,
            "Password not found",
        ),
        row(
            "12",
            user("initial"),
            failed,
            not_initialised,
            "User is not yet initialized",
        ),
        row(
            "12 before 15",
            user("initial").password("x"),
            failed,
            not_initialised,
            "User is not yet initialized",
        ),
        row(
            "15a",
            ask().password("Aa1!"),
            invalid,
            too_short.0,
            too_short.1,
        ),
        row(
            "15a first",
            ask().password("x"),
            invalid,
            too_short.0,
            too_short.1,
        ),
        row(
            "15b",
            ask().password("SECRET-1234"),
            invalid,
            Some("DOMAIN-co3Xw"),
            "Password must contain lower case",
        ),
        row(
            "15c",
            ask().password("secret-1234"),
            invalid,
            Some("DOMAIN-VoaRj"),
            "Password must contain upper case",
        ),
        row(
            "15c outside ASCII",
            ask().password("secretÄ1234"),
            invalid,
            Some("DOMAIN-VoaRj"),
            "Password must contain upper case",
        ),
        row(
            "15d",
            ask().password("Secret-word"),
            invalid,
            Some("DOMAIN-ZBv4H"),
            "Password must contain number",
        ),
        row(
            "15e",
            ask().password("Secret1234"),
            invalid,
            Some("DOMAIN-ZDLwA"),
            "Password must contain symbol",
        ),
    ]
}

fn check(row: &Row, door: Door, answer: &Answer) {
    let place = format!("row {} through {door:?}: {answer:?}", row.name);
    assert_eq!(answer.code, row.code, "{place}");
    let message = row
        .id
        .map_or(row.text.to_owned(), |id| format!("{} ({id})", row.text));
    assert_eq!(answer.message, message, "{place}");
    if door == Door::Rest {
        assert_eq!(answer.http, Some(row.http), "{place}");
    }
    match row.id {
        None => assert!(answer.details.is_empty(), "{place}"),
        Some(id) => {
            let first = Detail::Error(id.to_owned(), row.text.to_owned());
            assert_eq!(answer.details.first(), Some(&first), "{place}");
        }
    }
    let policy = row.id.is_some_and(|id| id.starts_with("DOMAIN-"));
    let bad_request = answer
        .details
        .iter()
        .find(|detail| matches!(detail, Detail::BadRequest(_)));
    assert_eq!(bad_request.is_some(), policy, "{place}");
    if let (Some(Detail::BadRequest(violations)), Some(id)) = (bad_request, row.id) {
        let first = ("password".to_owned(), id.to_owned(), row.text.to_owned());
        assert_eq!(violations.first(), Some(&first), "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_the_contracts() {
    let server = Server::start().await;
    for method in [Method::Set, Method::SetInitial] {
        for row in rows(method) {
            for door in Door::ALL {
                check(&row, door, &row.ask.through(door, server.address).await);
            }
        }
    }
    let (_, lines) = server.inspect(ORG, "42").await;
    assert_eq!(lines.len(), 2, "no refusal writes anything: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_violations_are_reported_in_zitadels_order() {
    let server = Server::start().await;
    for door in Door::ALL {
        let answer = Ask::new("42", ADMIN)
            .password("ä")
            .through(door, server.address)
            .await;
        let Some(Detail::BadRequest(violations)) = answer.details.get(1) else {
            panic!("no BadRequest through {door:?}: {answer:?}");
        };
        let ids: Vec<_> = violations.iter().map(|(_, id, _)| id.as_str()).collect();
        let all = [
            "DOMAIN-HuJf6",
            "DOMAIN-co3Xw",
            "DOMAIN-VoaRj",
            "DOMAIN-ZBv4H",
        ];
        assert_eq!(
            ids, all,
            "through {door:?}: a letter outside ASCII is a symbol"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_password_is_set_through_every_door() {
    let server = Server::start().await;
    let mut sequence = 1;
    for method in [Method::Set, Method::SetInitial] {
        for door in Door::ALL {
            sequence += 1;
            let answer = Ask::new("42", ADMIN)
                .method(method)
                .through(door, server.address)
                .await;
            assert_eq!(answer.code, 0, "{door:?}: {answer:?}");
            assert_eq!(answer.sequence, Some(sequence), "{door:?}");
            assert_eq!(answer.owner.as_deref(), Some(ORG), "{door:?}");
            assert_eq!(answer.operation.map(|id| id.len()), Some(32), "{door:?}");
        }
    }
    let (exit, lines) = server.inspect(ORG, "42").await;
    assert_eq!((exit, lines.len()), (0, 14));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoints_differ_in_must_change_only() {
    let server = Server::start().await;
    let mut kept = Ask::new("42", ADMIN);
    kept.no_change_required = true;
    let initial = Ask::new("42", ADMIN).method(Method::SetInitial);
    for door in Door::ALL {
        for (ask, must_change) in [
            (&kept, false),
            (&Ask::new("42", ADMIN), true),
            (&initial, true),
        ] {
            assert_eq!(ask.through(door, server.address).await.code, 0);
            let (_, lines) = server.inspect(ORG, "42").await;
            assert_eq!(lines[0]["must_change"], must_change, "{door:?} {ask:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn locked_and_inactive_users_are_set_and_stay_what_they_are() {
    let server = Server::start().await;
    for user in ["locked", "inactive"] {
        for door in Door::ALL {
            let answer = Ask::new(user, ADMIN).through(door, server.address).await;
            assert_eq!(answer.code, 0, "{user} through {door:?}: {answer:?}");
        }
        let (exit, lines) = server.inspect(ORG, user).await;
        assert_eq!((exit, &lines[0]["state"]), (0, &user.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_organisation_header_chooses_among_users_of_one_id() {
    let server = Server::start().await;
    for door in Door::ALL {
        let home = Ask::new("42", IAM).through(door, server.address).await;
        let there = Ask::new("42", IAM).org(OTHER_ORG).password("aaa");
        let there = there.through(door, server.address).await;
        assert_eq!(
            (home.owner.as_deref(), home.code),
            (Some(ORG), 0),
            "{door:?}"
        );
        assert_eq!(
            (there.owner.as_deref(), there.code),
            (Some(OTHER_ORG), 0),
            "{door:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_with_nul_or_over_1_kib_are_invalid() {
    let server = Server::start().await;
    for id in ["a\0b".to_owned(), "x".repeat(1025)] {
        for door in Door::ALL {
            let answer = Ask::new(&id, ADMIN).through(door, server.address).await;
            assert_eq!(answer.code, 3, "{door:?}: {answer:?}");
            assert!(answer.message.contains("UserId"), "{door:?}: {answer:?}");
            assert!(!answer.message.contains(&id), "no error repeats input");
        }
    }
    for door in Door::ALL {
        let ask = Ask::new("42", ADMIN).org(&"x".repeat(1025));
        assert_eq!(ask.through(door, server.address).await.code, 3, "{door:?}");
        let ask = Ask::new(&"x".repeat(1024), ADMIN);
        assert_eq!(ask.through(door, server.address).await.code, 9, "{door:?}");
    }
}
