//! REST/JSON in raw bytes: contract sections 1.1, 1.3 and 11.14, rows R1 to R3.

use std::net::SocketAddr;

use portcullis_tests::{ADMIN, ORG, Reply, Server, exchange, get, post, send_raw};

const PATH: &str = "/management/v1/users/42/password";
const AUTH: (&str, &str) = ("authorization", "Bearer token-admin");

async fn set(address: SocketAddr, body: impl AsRef<[u8]>) -> Reply {
    post(address, PATH, &[AUTH], body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_unknown_paths() {
    let server = Server::start().await;
    for path in [
        "/",
        "/management/v1/users/42/password/reset",
        "/management/v1/users/42/password/",
        "/v2/users",
    ] {
        let reply = post(server.address, path, &[AUTH], "{}").await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(
            reply.json(),
            serde_json::json!({"code": 5, "message": "Not Found"}),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_wrong_methods() {
    let server = Server::start().await;
    for path in [PATH, "/management/v1/users/42/password/_initialize"] {
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let reply = exchange(server.address, method, path, &[AUTH], b"").await;
            assert_eq!(reply.status, 405, "{method} {path}");
            let body = serde_json::json!({"code": 12, "message": "Method Not Allowed"});
            assert_eq!(reply.json(), body, "{method} {path}");
            assert_eq!(reply.header("allow"), Some("POST"), "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_what_is_no_request_is_refused_before_authentication() {
    let server = Server::start().await;
    let bodies: [&[u8]; 22] = [
        b"{",
        b"[]",
        b"null",
        b"\"text\"",
        b"nonsense",
        br#"{"password":1}"#,
        br#"{"password":true}"#,
        br#"{"password":["x"]}"#,
        br#"{"password":{"x":1}}"#,
        br#"{"password":"x","noChangeRequired":"true"}"#,
        br#"{"password":"x","noChangeRequired":1}"#,
        br#"{"password":"x","no_change_required":[]}"#,
        br#"{"userId":42,"password":"x"}"#,
        br#"{"password":"x","password":"y"}"#,
        br#"{"userId":"1","user_id":"2"}"#,
        br#"{"noChangeRequired":true,"no_change_required":true}"#,
        br#"{"other":1,"other":2}"#,
        br#"{"password":"\ud800"}"#,
        br#"{"password":"\q"}"#,
        b"{\"password\":\"\xff\"}",
        b"{\"password\":\"a\nb\"}",
        br#"{"password":"x"#,
    ];
    for body in bodies {
        let reply = post(server.address, PATH, &[], body).await;
        let place = String::from_utf8_lossy(body);
        assert_eq!(reply.status, 400, "{place}");
        let json = reply.json();
        assert_eq!(json["code"], 3, "{place}");
        assert!(json.get("details").is_none(), "{place}");
        assert_eq!(
            json["message"], "invalid request body",
            "{place}: errors repeat no input"
        );
    }
    let deep = format!(r#"{{"password":"x","other":{}}}"#, "[".repeat(10_000));
    assert_eq!(set(server.address, deep).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn lenient_where_grpc_gateway_is() {
    let server = Server::start().await;
    let bodies = [
        r#"{"password":"Secret-1234"}"#,
        r#"{"password":"Secret-1234","noChangeRequired":true}"#,
        r#"{"password":"Secret-1234","no_change_required":true}"#,
        r#"{"password":"Secret-1234","noChangeRequired":null,"userId":null}"#,
        r#"{"password":"Secret-1234","unknown":{"a":[1,2.5,"x",null,true]},"noVerification":true}"#,
        r#"  {"password" : "Secret-1234"}  "#,
        r#"{"password":"Secret-1234"} trailing bytes"#,
        r#"{"password":"Secret-1234"}{"password":"x"}"#,
        r#"{"password":"\u0053ecret-1234"}"#,
        r#"{"pass\u0077ord":"Secret-1234"}"#,
    ];
    for body in bodies {
        let reply = set(server.address, body).await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
    ] {
        let headers = [AUTH, ("content-type", content_type)];
        let body = r#"{"password":"Secret-1234"}"#;
        assert_eq!(
            post(server.address, PATH, &headers, body).await.status,
            200,
            "{content_type}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_body_is_an_empty_object() {
    let server = Server::start().await;
    for body in ["", "  \r\n", "{}"] {
        let json = set(server.address, body).await.json();
        let message = json["message"].as_str().unwrap();
        assert!(
            message.starts_with("invalid SetHumanPasswordRequest.Password"),
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_wins_over_the_body_and_is_percent_decoded() {
    let server = Server::start().await;
    let body = r#"{"userId":"absent","password":"Secret-1234"}"#;
    assert_eq!(set(server.address, body).await.status, 200);
    let path = "/management/v1/users/%34%32/password";
    assert_eq!(post(server.address, path, &[AUTH], body).await.status, 200);
    let path = "/management/v1/users/absent/password";
    let body = r#"{"userId":"42","user_Id":"42","password":"Secret-1234"}"#;
    assert_eq!(
        post(server.address, path, &[AUTH], body).await.json()["code"],
        9
    );
    let path = "/management/v1/users/%ff/password";
    assert_eq!(post(server.address, path, &[AUTH], body).await.status, 400);
    for path in [
        "/management/v1/users//password",
        "/management/v1/users//password/_initialize",
    ] {
        let json = post(server.address, path, &[AUTH], body).await.json();
        assert!(
            json["message"].as_str().unwrap().contains("UserId"),
            "{json}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_looks_like_zitadels() {
    let server = Server::start().await;
    let reply = set(server.address, r#"{"password":"Secret-1234"}"#).await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let json = reply.json();
    let details = json["details"].as_object().unwrap();
    let mut members: Vec<_> = details.keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(
        members,
        ["changeDate", "resourceOwner", "sequence"],
        "no creationDate on a write"
    );
    assert_eq!(details["sequence"], "2", "uint64 is a string");
    assert_eq!(details["resourceOwner"], ORG);
    let date = details["changeDate"].as_str().unwrap();
    let fraction = date.strip_suffix('Z').and_then(|date| date.split_once('.'));
    let digits = fraction.map_or(0, |(_, fraction)| fraction.len());
    assert!([0, 3, 6, 9].contains(&digits), "{date}");
    assert!(
        !reply.text().contains(": ") && !reply.text().contains(", "),
        "stable white space"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_cached() {
    let server = Server::start().await;
    let replies = [
        set(server.address, r#"{"password":"Secret-1234"}"#).await,
        set(server.address, r#"{"password":"x"}"#).await,
        set(server.address, "{").await,
        post(server.address, PATH, &[], "{}").await,
        get(server.address, "/nothing", &[]).await,
    ];
    for reply in replies {
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("pragma"), Some("no-cache"));
        assert!(reply.header("expires").unwrap().ends_with("GMT"));
        assert!(reply.header("x-robots-tag").is_some());
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_repeats_the_metadata_behind_it() {
    let server = Server::start().await;
    for body in [r#"{"password":"Secret-1234"}"#, r#"{"password":"x"}"#] {
        let reply = set(server.address, body).await;
        for (name, value) in [
            ("grpcgateway-content-type", "application/grpc"),
            ("grpcgateway-cache-control", "no-store"),
            ("grpcgateway-pragma", "no-cache"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{body}");
        }
    }
    let reply = set(server.address, "{").await;
    let repeated = reply.header("grpcgateway-content-type");
    assert_eq!(repeated, None, "what is no request never got behind it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_caller_is_told_how_to_authenticate() {
    let server = Server::start().await;
    for (headers, expected) in [
        (vec![], "auth header missing"),
        (vec![("authorization", "")], "auth header missing"),
        (
            vec![("authorization", "Basic x")],
            "invalid auth header (AUTH-toLo1)",
        ),
        (
            vec![("authorization", "Bearer x")],
            "Errors.Token.Invalid (AUTH-7fs1e)",
        ),
    ] {
        let reply = post(server.address, PATH, &headers, "{}").await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.header("www-authenticate"), Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_comes_under_the_gateways_names_too() {
    let server = Server::start().await;
    let good = r#"{"password":"aaa"}"#;
    let token = ("grpc-metadata-authorization", "Bearer token-iam");
    let org = ("grpc-metadata-x-zitadel-orgid", "other");
    let reply = post(server.address, PATH, &[token, org], good).await;
    assert_eq!(reply.json()["details"]["resourceOwner"], "other");
    let reply = post(
        server.address,
        PATH,
        &[token, ("x-zitadel-orgid", "")],
        good,
    )
    .await;
    assert_eq!(
        reply.json()["code"],
        3,
        "an empty header is no header: home's policy holds"
    );
    let id = "000102030405060708090a0b0c0d0e0f";
    let operation = ("grpc-metadata-x-portcullis-operation-id", id);
    let first = post(server.address, PATH, &[token, org, operation], good).await;
    assert_eq!(first.header("x-portcullis-operation-id"), Some(id));
    let again = post(server.address, PATH, &[token, org, operation], good).await;
    assert_eq!(again.json(), first.json(), "one id, one effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_cut_off_early() {
    let server = Server::start().await;
    let limit = 64 * 1024;
    let padded = |length: usize| {
        let mut body = br#"{"password":"Secret-1234"}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    assert_eq!(set(server.address, padded(limit)).await.status, 200);
    let before = peak_memory(server.pid());
    for body in [padded(limit + 1), padded(64 << 20)] {
        let reply = set(server.address, body).await;
        assert_eq!(reply.status, 413);
        let body = serde_json::json!({"code": 8, "message": "request body too large"});
        assert_eq!(reply.json(), body);
    }
    let mut chunked = format!(
        "POST {PATH} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {ADMIN}\r\n\
         connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for _ in 0..1024 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend(std::iter::repeat_n(b' ', 0x10000));
        chunked.extend_from_slice(b"\r\n");
    }
    assert_eq!(send_raw(server.address, &chunked).await.status, 413);
    let grown = peak_memory(server.pid()) - before;
    assert!(grown < 16 * 1024, "{grown} KiB for bodies of 64 MiB");
}

/// Largest resident set so far, in KiB.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_of_the_gateway_is_kept() {
    let options = portcullis_tests::Options {
        argon2: "m=262144,t=4,p=1",
        ..Default::default()
    };
    let server = Server::with(options).await;
    let headers = [AUTH, ("grpc-timeout", "20m")];
    let reply = post(
        server.address,
        PATH,
        &headers,
        r#"{"password":"Secret-1234"}"#,
    )
    .await;
    assert_eq!(
        (reply.status, reply.json()["code"].as_i64()),
        (504, Some(4))
    );
    assert_eq!(
        reply.header("x-portcullis-operation-id").map(str::len),
        Some(32)
    );
}
