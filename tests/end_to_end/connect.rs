//! Connect on the RPC paths (contract 11.12).

use base64::Engine;
use portcullis_tests::{ADMIN, Ask, Door, Options, Server, get, post};

const PATH: &str = "/zitadel.management.v1.ManagementService/SetHumanPassword";
const AUTH: (&str, &str) = ("authorization", "Bearer token-admin");
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn json_as_zitadels_newer_clients_send_it() {
    let server = Server::start().await;
    let body = r#"{"userId":"42","password":"Secret-1234","noChangeRequired":true}"#;
    let reply = post(server.address, PATH, &[AUTH, JSON], body).await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(reply.json()["details"]["sequence"], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_connects_form() {
    let server = Server::start().await;
    let reply = post(
        server.address,
        PATH,
        &[AUTH, JSON],
        r#"{"userId":"initial","password":"Secret-1234"}"#,
    )
    .await;
    assert_eq!(reply.status, 400);
    let json = reply.json();
    assert_eq!(json["code"], "failed_precondition");
    assert_eq!(
        json["message"],
        "User is not yet initialized (COMMAND-M9dse)"
    );
    assert_eq!(json["details"][0]["type"], "zitadel.v1.ErrorDetail");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_body_is_refused_after_authentication() {
    let server = Server::start().await;
    for body in [
        "{",
        r#"{"password":1}"#,
        r#"{"userId":"42","user_id":"42"}"#,
    ] {
        let unknown = [("authorization", "Bearer unknown"), JSON];
        assert_eq!(post(server.address, PATH, &unknown, body).await.status, 401);
        let reply = post(server.address, PATH, &[AUTH, JSON], body).await;
        assert_eq!(
            (reply.status, reply.json()["code"].as_str()),
            (400, Some("invalid_argument"))
        );
        assert_eq!(reply.json()["message"], "invalid request body");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold() {
    let server = Server::start().await;
    let answer = Ask::new("42", ADMIN).password("x".repeat(66_000));
    for door in [Door::ConnectJson, Door::ConnectProto] {
        assert_eq!(
            answer.through(door, server.address).await.code,
            8,
            "{door:?}"
        );
    }
    assert_eq!(get(server.address, PATH, &[AUTH]).await.status, 405);
    let reply = post(
        server.address,
        PATH,
        &[AUTH, ("content-type", "text/plain")],
        "x",
    )
    .await;
    assert_eq!(reply.status, 415);
}

/// The caller's time runs while its body is read: one that never ends is cut off by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_costs_its_callers_own_time() {
    let server = Server::start().await;
    for (kind, name, value) in [
        ("application/json", "connect-timeout-ms", "50"),
        ("application/grpc-web", "grpc-timeout", "50m"),
        ("application/grpc-web-text", "grpc-timeout", "50m"),
    ] {
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
             content-type: {kind}\r\nauthorization: Bearer token-admin\r\n\
             {name}: {value}\r\ncontent-length: 100\r\n\r\n"
        );
        // Far below the default of ten seconds.
        let asked = portcullis_tests::send_raw(server.address, head.as_bytes());
        let reply = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await;
        let reply = reply.unwrap();
        let text = match kind {
            "application/grpc-web-text" => {
                let text = base64::engine::general_purpose::STANDARD.decode(&reply.body);
                String::from_utf8_lossy(&text.unwrap()).into_owned()
            }
            _ => reply.text(),
        };
        let status = reply.header("grpc-status").unwrap_or_default();
        assert!(
            text.contains("deadline_exceeded") || text.contains("grpc-status: 4") || status == "4",
            "{kind}: {reply:?} {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_are_kept() {
    let server = Server::with(Options {
        argon2: "m=262144,t=4,p=1",
        ..Default::default()
    })
    .await;
    let headers = [AUTH, JSON, ("connect-timeout-ms", "20")];
    let body = r#"{"userId":"42","password":"Secret-1234"}"#;
    let reply = post(server.address, PATH, &headers, body).await;
    assert_eq!(
        (reply.status, reply.json()["code"].as_str()),
        (504, Some("deadline_exceeded"))
    );
}
