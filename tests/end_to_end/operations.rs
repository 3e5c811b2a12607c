//! Operation ids: contract 11.16.

use portcullis_tests::{ADMIN, Ask, Door, Method, NOBODY, ORG, Server, VIEWER, get};
use serde_json::json;

const ID: &str = "000102030405060708090a0b0c0d0e0f";

fn authorization(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_again_returns_the_first_result_and_writes_nothing() {
    let server = Server::start().await;
    let first = Ask::new("42", ADMIN)
        .operation(ID)
        .through(Door::Rest, server.address)
        .await;
    assert_eq!((first.code, first.sequence), (0, Some(2)));
    assert!(first.date.is_some());
    for door in Door::ALL {
        for password in ["Secret-1234", "Another-5678", "weak"] {
            let again = Ask::new("42", ADMIN).password(password).operation(ID);
            let again = again.through(door, server.address).await;
            assert_eq!(
                (again.code, again.sequence, again.date),
                (0, Some(2), first.date),
                "{door:?} {password}"
            );
            assert_eq!(again.operation.as_deref(), Some(ID), "{door:?}");
        }
    }
    let (exit, lines) = server.inspect(ORG, "42").await;
    assert_eq!((exit, lines.len()), (0, 3), "one event");
    assert_eq!(lines[2]["operation_id"], ID);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_for_another_user_or_method_is_invalid() {
    let server = Server::start().await;
    let ask = Ask::new("42", ADMIN).operation(ID);
    assert_eq!(ask.through(Door::Rest, server.address).await.code, 0);
    for door in Door::ALL {
        let user = Ask::new("locked", ADMIN).operation(ID);
        assert_eq!(user.through(door, server.address).await.code, 3, "{door:?}");
        let method = ask.clone().method(Method::SetInitial);
        assert_eq!(
            method.through(door, server.address).await.code,
            3,
            "{door:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_is_authorised_again() {
    let server = Server::start().await;
    let ask = Ask::new("42", ADMIN).operation(ID);
    assert_eq!(ask.through(Door::Rest, server.address).await.code, 0);
    for door in Door::ALL {
        let viewer = ask.clone().authorization(Some(&authorization(VIEWER)));
        assert_eq!(
            viewer.through(door, server.address).await.code,
            7,
            "{door:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_an_id() {
    let server = Server::start().await;
    for door in Door::ALL {
        let given = Ask::new("absent", ADMIN)
            .operation(ID)
            .through(door, server.address)
            .await;
        assert_eq!(
            given.operation.as_deref(),
            Some(ID),
            "{door:?}: on errors too"
        );
        let made = Ask::new("absent", ADMIN)
            .through(door, server.address)
            .await;
        assert!(made.operation.is_some_and(|id| id.len() == 32), "{door:?}");
        for bad in [
            "xyz",
            "0",
            "00010203-0405-0607-0809-0a0b0c0d0e0f",
            &"0".repeat(33),
        ] {
            let bad = Ask::new("42", ADMIN)
                .operation(bad)
                .through(door, server.address)
                .await;
            assert_eq!(bad.code, 3, "{door:?}");
            assert!(bad.operation.is_some_and(|id| id.len() == 32), "{door:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_call_can_be_asked() {
    let server = Server::start().await;
    let path = format!("/portcullis/v1/operations/{ORG}/42/{ID}");
    let viewer = authorization(VIEWER);
    let headers = [("authorization", viewer.as_str())];
    let absent = get(server.address, &path, &headers).await;
    assert_eq!(
        (absent.status, absent.json()),
        (200, json!({"state": "absent"}))
    );
    let refused = Ask::new("42", ADMIN).password("weak").operation(ID);
    refused.through(Door::Rest, server.address).await;
    assert_eq!(
        get(server.address, &path, &headers).await.json(),
        json!({"state": "absent"})
    );

    let set = Ask::new("42", ADMIN)
        .operation(ID)
        .through(Door::Grpc, server.address)
        .await;
    let applied = get(server.address, &path, &headers).await.json();
    assert_eq!(applied["state"], "applied");
    assert_eq!(
        applied["details"]["sequence"],
        set.sequence.unwrap().to_string()
    );
    assert_eq!(applied["details"]["resourceOwner"], ORG);

    let other = format!("/portcullis/v1/operations/{ORG}/locked/{ID}");
    assert_eq!(
        get(server.address, &other, &headers).await.json(),
        json!({"state": "absent"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_needs_permission_and_good_ids() {
    let server = Server::start().await;
    let path = format!("/portcullis/v1/operations/{ORG}/42/{ID}");
    assert_eq!(get(server.address, &path, &[]).await.status, 401);
    let nobody = authorization(NOBODY);
    let reply = get(server.address, &path, &[("authorization", &nobody)]).await;
    assert_eq!(reply.json()["code"], 5);
    let viewer = authorization(VIEWER);
    let headers = [("authorization", viewer.as_str())];
    let elsewhere = format!("/portcullis/v1/operations/other/42/{ID}");
    assert_eq!(
        get(server.address, &elsewhere, &headers).await.json()["code"],
        5
    );
    for path in [
        format!("/portcullis/v1/operations/{ORG}/42/xyz"),
        format!("/portcullis/v1/operations/{ORG}/a%00b/{ID}"),
        format!("/portcullis/v1/operations/a%00b/42/{ID}"),
    ] {
        let reply = get(server.address, &path, &headers).await;
        assert_eq!(
            (reply.status, reply.json()["code"].as_i64()),
            (400, Some(3)),
            "{path}"
        );
    }
    assert_eq!(
        portcullis_tests::post(server.address, &path, &headers, "")
            .await
            .status,
        405
    );
}
