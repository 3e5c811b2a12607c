//! Users are locked, unlocked, deactivated, reactivated, and read.

use portcullis_tests::{Body, Door, Server};
use prost::Message;
use serde_json::Value;
use zitadel::api::zitadel::management::v1::{GetUserByIdResponse, ListUserChangesResponse};

use super::calls::{GOOD, changes, check, get_user, newcomer, state};

const LOCK: &str = "zitadel.management.v1.ManagementService/LockUser";
const UNLOCK: &str = "zitadel.management.v1.ManagementService/UnlockUser";
const DEACTIVATE: &str = "zitadel.management.v1.ManagementService/DeactivateUser";
const REACTIVATE: &str = "zitadel.management.v1.ManagementService/ReactivateUser";

fn state_in(body: &Body) -> String {
    match body {
        Body::Json(json) => json["user"]["state"].as_str().unwrap().to_owned(),
        Body::Proto(bytes) => {
            let user = GetUserByIdResponse::decode(&**bytes).unwrap().user.unwrap();
            user.state().as_str_name().to_owned()
        }
        Body::None => panic!("refused"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_follow_each_other_as_zitadel_lets_them() {
    let server = Server::start().await;
    for (index, door) in Door::ALL.into_iter().enumerate() {
        let user = newcomer(&server, door, &format!("user{index}")).await;
        for (rpc, expected, then) in [
            (UNLOCK, (9, Some("COMMAND-4M0ds")), "USER_STATE_ACTIVE"),
            (REACTIVATE, (9, Some("COMMAND-6M0sf")), "USER_STATE_ACTIVE"),
            (LOCK, (0, None), "USER_STATE_LOCKED"),
            (LOCK, (9, Some("COMMAND-3NN8v")), "USER_STATE_LOCKED"),
            (UNLOCK, (0, None), "USER_STATE_ACTIVE"),
            (DEACTIVATE, (0, None), "USER_STATE_INACTIVE"),
            (
                DEACTIVATE,
                (9, Some("COMMAND-5M0sf")),
                "USER_STATE_INACTIVE",
            ),
            (REACTIVATE, (0, None), "USER_STATE_ACTIVE"),
        ] {
            let outcome = state(&user, rpc).through(door, server.address).await;
            assert_eq!(
                (outcome.code, outcome.id()),
                expected,
                "{door:?} {rpc}: {outcome:?}"
            );
            let read = get_user(&user).through(door, server.address).await;
            assert_eq!(state_in(&read.body), then, "{door:?} after {rpc}");
            let check = check(&user, GOOD).through(door, server.address).await;
            assert_eq!(
                check.code == 0,
                then == "USER_STATE_ACTIVE",
                "{door:?} after {rpc}"
            );
        }
    }
}

/// Sequences and event types.
fn listed(body: &Body) -> Vec<(u64, String)> {
    match body {
        Body::Json(json) => {
            let number = |change: &Value| change["sequence"].as_str().unwrap().parse().unwrap();
            let kind = |change: &Value| change["eventType"]["key"].as_str().unwrap().to_owned();
            let changes = json["result"].as_array().unwrap().iter();
            changes
                .map(|change| (number(change), kind(change)))
                .collect()
        }
        Body::Proto(bytes) => {
            let response = ListUserChangesResponse::decode(&**bytes).unwrap();
            let changes = response.result.into_iter();
            changes
                .map(|change| (change.sequence, change.event_type.unwrap().key))
                .collect()
        }
        Body::None => panic!("refused"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_history_is_read_in_both_directions() {
    let server = Server::start().await;
    let user = newcomer(&server, Door::Rest, "bob").await;
    for rpc in [LOCK, UNLOCK, DEACTIVATE, REACTIVATE] {
        assert_eq!(
            state(&user, rpc)
                .through(Door::Rest, server.address)
                .await
                .code,
            0
        );
    }
    let all = [
        (1, "user.human.added"),
        (2, "user.locked"),
        (3, "user.unlocked"),
        (4, "user.deactivated"),
        (5, "user.reactivated"),
    ];
    let all = all.map(|(sequence, kind)| (sequence, kind.to_owned()));
    let newest: Vec<_> = all.iter().cloned().rev().collect();
    for door in Door::ALL {
        for (sequence, limit, asc, expected) in [
            (0, 0, true, &all[..]),
            (2, 2, true, &all[2..4]),
            (5, 1, true, &[]),
            (0, 0, false, &newest[..]),
            (0, 2, false, &newest[..2]),
            (4, 2, false, &newest[2..4]),
            (1, 2, false, &[]),
        ] {
            let call = changes(&user, sequence, limit, asc);
            let outcome = call.through(door, server.address).await;
            if expected.is_empty() {
                assert_eq!(
                    (outcome.code, outcome.id()),
                    (5, Some("QUERY-FpQqK")),
                    "{door:?}"
                );
            } else {
                assert_eq!(
                    listed(&outcome.body),
                    expected,
                    "{door:?} {sequence} {limit} {asc}"
                );
            }
        }
        let outcome = changes("absent", 0, 0, false)
            .through(door, server.address)
            .await;
        assert_eq!(
            (outcome.code, outcome.id()),
            (5, Some("QUERY-FpQqK")),
            "{door:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_read_with_both_dates_and_no_hash() {
    let server = Server::start().await;
    let user = newcomer(&server, Door::Rest, "bob").await;
    let outcome = get_user(&user).through(Door::Rest, server.address).await;
    let Body::Json(json) = &outcome.body else {
        panic!("{outcome:?}")
    };
    let details = &json["user"]["details"];
    assert_eq!(details["sequence"], "1");
    assert_eq!(details["creationDate"], details["changeDate"]);
    assert_eq!(json["user"]["userName"], "bob");
    assert_eq!(json["user"]["loginNames"], serde_json::json!(["bob"]));
    assert_eq!(
        json["user"]["human"]["passwordChanged"],
        details["changeDate"]
    );
    assert!(!json.to_string().contains("argon2"));
}
