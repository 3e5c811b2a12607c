//! Policies are read, begun, changed and ended, and what they say applies.

use portcullis_tests::{ADMIN, IAM, ORG, Server, VIEWER, exchange};
use serde_json::{Value, json};

use super::calls::{GOOD, prepare};

async fn ask(server: &Server, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("x-zitadel-orgid", ORG)];
    let body = body.to_string();
    let reply = exchange(server.address, method, path, &headers, body.as_bytes()).await;
    (reply.status, reply.json())
}

fn id(answer: &(u16, Value)) -> &str {
    answer.1["details"][0]["id"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_goes_through_its_life() {
    let server = Server::start().await;
    for (path, first, second, refused) in [
        (
            "password/complexity",
            json!({"minLength": "12", "hasNumber": true}),
            json!({"minLength": "3"}),
            ["Org-LdhbS", "ORG-Dgs3g", "ORG-ADgs2", "Org-DAs21"],
        ),
        (
            "password/age",
            json!({"maxAgeDays": 90, "expireWarnDays": 10}),
            json!({"maxAgeDays": 30}),
            ["ORG-Lk0dS", "ORG-0oPew", "ORG-Dgs1g", "Org-dsgjR"],
        ),
        (
            "lockout",
            json!({"maxPasswordAttempts": 5, "maxOtpAttempts": 3}),
            json!({"maxPasswordAttempts": 7}),
            ["ORG-0olDf", "ORG-ADfs1", "ORG-D4zuz", "ORG-0JFSr"],
        ),
    ] {
        let url = format!("/management/v1/policies/{path}");
        let [exists, not_found, none_to_reset, unchanged] = refused;
        let go = |method: &'static str, body: &Value| {
            let (server, url, body) = (&server, &url, body.clone());
            async move { ask(server, ADMIN, method, url, body).await }
        };
        let before = go("GET", &json!(null)).await;
        assert_eq!(
            (before.0, &before.1["isDefault"]),
            (200, &json!(true)),
            "{before:?}"
        );
        let answer = go("PUT", &first).await;
        assert_eq!((answer.0, id(&answer)), (404, not_found), "{answer:?}");
        let answer = go("DELETE", &json!(null)).await;
        assert_eq!((answer.0, id(&answer)), (404, none_to_reset), "{answer:?}");
        let answer = go("POST", &first).await;
        assert_eq!(
            (answer.0, &answer.1["details"]["sequence"]),
            (200, &json!("1")),
            "{answer:?}"
        );
        assert!(
            answer.1["details"]["creationDate"].is_string(),
            "{answer:?}"
        );
        let answer = go("POST", &second).await;
        assert_eq!((answer.0, id(&answer)), (409, exists), "{answer:?}");
        let answer = go("PUT", &first).await;
        assert_eq!((answer.0, id(&answer)), (400, unchanged), "{answer:?}");
        let answer = go("GET", &json!(null)).await;
        assert_eq!(answer.1["isDefault"], Value::Null, "{answer:?}");
        for (name, value) in first.as_object().unwrap() {
            let text = |value: &Value| value.to_string().replace('"', "");
            assert_eq!(
                text(&answer.1["policy"][name]),
                text(value),
                "{path} {name}"
            );
        }
        let answer = go("PUT", &second).await;
        assert_eq!(
            (answer.0, &answer.1["details"]["sequence"]),
            (200, &json!("2")),
            "{answer:?}"
        );
        let answer = go("DELETE", &json!(null)).await;
        assert_eq!(
            (answer.0, &answer.1["details"]["sequence"]),
            (200, &json!("3")),
            "{answer:?}"
        );
        let after = go("GET", &json!(null)).await;
        assert_eq!(after.1["policy"], before.1["policy"], "{path}");

        let default = format!("/management/v1/policies/default/{path}");
        let answer = ask(&server, VIEWER, "GET", &default, json!(null)).await;
        assert_eq!(
            (answer.0, &answer.1["policy"]["isDefault"]),
            (200, &json!(true)),
            "{answer:?}"
        );
        let answer = ask(&server, VIEWER, "POST", &url, first).await;
        assert_eq!((answer.0, id(&answer)), (403, "AUTH-5mWD2"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_applies_at_once_and_wins_over_the_file() {
    let server = Server::start().await;
    let url = "/management/v1/policies/password/complexity";
    let answer = ask(&server, ADMIN, "POST", url, json!({"minLength": "20"})).await;
    assert_eq!(answer.0, 200, "{answer:?}");
    let set = "/management/v1/users/42/password";
    let answer = ask(&server, ADMIN, "POST", set, json!({"password": GOOD})).await;
    assert_eq!(id(&answer), "DOMAIN-HuJf6", "{answer:?}");
    let long = json!({"password": "twenty lower letters and no more"});
    assert_eq!(ask(&server, ADMIN, "POST", set, long).await.0, 200);
    for (length, expected) in [("0", 400), ("73", 400), ("72", 200), ("1", 200)] {
        let answer = ask(&server, ADMIN, "PUT", url, json!({"minLength": length})).await;
        assert_eq!(answer.0, expected, "{length}: {answer:?}");
        if expected == 400 {
            assert_eq!(id(&answer), "MODEL-Lsp0e");
        }
    }
    // Another server, and this one after a restart, go by what was written.
    let other = server.beside().await;
    let answer = ask(&other, ADMIN, "GET", url, json!(null)).await;
    assert_eq!(answer.1["policy"]["minLength"], "1", "{answer:?}");
    let answer = ask(&other, ADMIN, "POST", set, json!({"password": "x"})).await;
    assert_eq!(answer.0, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lockout_that_is_written_counts() {
    let server = Server::start().await;
    prepare(&server, "42").await;
    let url = "/management/v1/policies/lockout";
    let answer = ask(
        &server,
        ADMIN,
        "POST",
        url,
        json!({"maxPasswordAttempts": 1}),
    )
    .await;
    assert_eq!(answer.0, 200, "{answer:?}");
    let check = |password: &str| json!({"checks": {"user": {"userId": "42"}, "password": {"password": password}}});
    let answer = ask(&server, ADMIN, "POST", "/v2/sessions", check("Wrong-1234")).await;
    assert_eq!(id(&answer), "COMMAND-3M0fs", "{answer:?}");
    let answer = ask(&server, ADMIN, "POST", "/v2/sessions", check(GOOD)).await;
    assert_eq!(id(&answer), "COMMAND-JLK35", "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_say_the_same_and_whose_they_are() {
    let server = Server::start().await;
    for (path, name, value) in [
        ("password/complexity", "minLength", json!("8")),
        ("password/expiry", "maxAgeDays", Value::Null),
        ("lockout", "maxPasswordAttempts", Value::Null),
    ] {
        let url = format!("/v2/settings/{path}");
        let answer = ask(&server, VIEWER, "GET", &url, json!(null)).await;
        let settings = &answer.1["settings"];
        assert_eq!((answer.0, &settings[name]), (200, &value), "{answer:?}");
        assert_eq!(
            settings["resourceOwnerType"],
            "RESOURCE_OWNER_TYPE_INSTANCE"
        );
    }
    let url = "/v2/settings/password/complexity?ctx.orgId=other";
    let answer = ask(&server, IAM, "GET", url, json!(null)).await;
    assert_eq!(answer.1["settings"]["minLength"], "3", "{answer:?}");
    assert_eq!(
        answer.1["settings"]["resourceOwnerType"],
        "RESOURCE_OWNER_TYPE_ORG"
    );
    let answer = ask(&server, VIEWER, "GET", url, json!(null)).await;
    assert_eq!((answer.0, id(&answer)), (404, "AUTHZ-cdgFk"), "{answer:?}");
    let url = "/auth/v1/policies/passwords/complexity";
    let answer = ask(&server, ADMIN, "GET", url, json!(null)).await;
    assert_eq!(answer.1["policy"]["minLength"], "8", "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_change_of_a_policy_is_told_and_only_as_itself() {
    let server = Server::start().await;
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("authorization", bearer.as_str()),
        (
            "x-portcullis-operation-id",
            "000102030405060708090a0b0c0d0e0f",
        ),
    ];
    let url = "/management/v1/policies/password/complexity";
    let address = server.address;
    let go = |method: &'static str, body: Value| async move {
        let body = body.to_string();
        let reply = exchange(address, method, url, &headers, body.as_bytes()).await;
        (reply.status, reply.json())
    };
    let first = go("POST", json!({"minLength": "12"})).await;
    assert_eq!(first.0, 200, "{first:?}");
    let again = go("POST", json!({"minLength": "12"})).await;
    assert_eq!(again.1["details"]["sequence"], "1", "{again:?}");
    for (method, body) in [
        ("POST", json!({"minLength": "13"})),
        ("PUT", json!({"minLength": "13"})),
        ("DELETE", json!(null)),
    ] {
        let answer = go(method, body).await;
        assert_eq!(id(&answer), "PORTCULLIS-Oper2", "{method}: {answer:?}");
    }
    let read = go("GET", json!(null)).await;
    assert_eq!(read.1["policy"]["minLength"], "12", "{read:?}");
}
