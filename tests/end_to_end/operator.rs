//! What operators look at.

use portcullis_tests::{ADMIN, Ask, Door, Options, Server, get, post};

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(server.address, path, &[]).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_requests_and_hashes() {
    let server = Server::start().await;
    let before = get(server.address, "/metrics", &[]).await.text();
    for kind in ["set", "compare", "dummy", "upgrade"] {
        let line = format!("portcullis_hash_operations_total{{kind=\"{kind}\"}} 0");
        assert!(before.contains(&line), "{before}");
    }
    for door in Door::ALL {
        assert_eq!(
            Ask::new("42", ADMIN)
                .through(door, server.address)
                .await
                .code,
            0
        );
        Ask::new("42", ADMIN)
            .password("x")
            .through(door, server.address)
            .await;
    }
    let text = get(server.address, "/metrics", &[]).await.text();
    assert!(
        text.contains("portcullis_hash_operations_total{kind=\"set\"} 6"),
        "{text}"
    );
    for (transport, number) in [("rest", 1), ("grpc", 1), ("grpc-web", 2), ("connect", 2)] {
        for code in ["OK", "INVALID_ARGUMENT"] {
            let labels =
                format!("endpoint=\"SetHumanPassword\",transport=\"{transport}\",code=\"{code}\"");
            let line = format!("portcullis_requests_total{{{labels}}} {number}");
            assert!(text.contains(&line), "{line} in {text}");
            let line = format!("portcullis_request_duration_seconds_count{{{labels}}} {number}");
            assert!(text.contains(&line), "{line} in {text}");
        }
    }
}

/// What never became a call is counted all the same.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_is_refused_at_the_door() {
    let server = Server::start().await;
    let rpc = "/zitadel.management.v1.ManagementService/SetHumanPassword";
    let large = "x".repeat(200_000);
    for (path, kind, body) in [
        ("/management/v1/users/42/password", "application/json", "{"),
        (
            "/management/v1/users/42/password",
            "application/json",
            &*large,
        ),
        (rpc, "application/json", &large),
        (rpc, "application/grpc-web", &large),
        (rpc, "application/grpc-web", "\u{1}\0\0\0\u{2}no"),
        (rpc, "application/grpc-web-text", "!"),
        (rpc, "text/plain", "x"),
    ] {
        let headers = [
            ("content-type", kind),
            ("authorization", "Bearer token-admin"),
        ];
        post(server.address, path, &headers, body).await;
    }
    get(server.address, "/portcullis/v1/operations/a/b/%FF", &[]).await;
    let text = get(server.address, "/metrics", &[]).await.text();
    for (endpoint, transport, code, number) in [
        ("SetHumanPassword", "rest", "INVALID_ARGUMENT", 1),
        ("SetHumanPassword", "rest", "RESOURCE_EXHAUSTED", 1),
        ("SetHumanPassword", "connect", "RESOURCE_EXHAUSTED", 1),
        ("SetHumanPassword", "connect", "UNIMPLEMENTED", 1),
        ("SetHumanPassword", "grpc-web", "RESOURCE_EXHAUSTED", 1),
        ("SetHumanPassword", "grpc-web", "INVALID_ARGUMENT", 1),
        ("GetOperation", "rest", "INVALID_ARGUMENT", 1),
    ] {
        let labels = format!("endpoint=\"{endpoint}\",transport=\"{transport}\",code=\"{code}\"");
        let line = format!("portcullis_requests_total{{{labels}}} {number}");
        assert!(text.contains(&line), "{line} in {text}");
    }
    let refused = text.lines().filter(|line| {
        line.starts_with("portcullis_requests_total") && line.contains("\"grpc-web\"")
    });
    let refused: u32 = refused
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap())
        .sum();
    assert_eq!(refused, 3, "too large, bad gzip, bad base64: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn admission_shows_the_values_in_use() {
    let options = Options {
        arguments: &[
            "--hash-workers=3",
            "--hash-memory=7",
            "--hash-queue=5",
            "--hash-wait=1234",
        ],
        ..Default::default()
    };
    let server = Server::with(options).await;
    let ask = Ask::new("42", ADMIN);
    assert_eq!(ask.through(Door::Rest, server.address).await.code, 0);
    let text = get(server.address, "/metrics", &[]).await.text();
    for line in [
        "portcullis_hash_workers 3",
        "portcullis_hash_memory_bytes 7340032",
        "portcullis_hash_queue 5",
        "portcullis_hash_wait_ms 1234",
        "portcullis_hash_waiting 0",
        "portcullis_hash_running 0",
        "portcullis_hash_committing 0",
        "portcullis_hash_in_flight_bytes 0",
        "portcullis_hash_run_seconds_count{suite=\"argon2id,m=8,t=1,p=1\"} 1",
        "portcullis_hash_wait_seconds_count{suite=\"argon2id,m=8,t=1,p=1\"} 1",
        "portcullis_hash_shed_total{reason=\"full\"} 0",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_costs_no_hash() {
    let server = Server::start().await;
    for ask in [
        Ask::new("42", "unknown"),
        Ask::new("42", ADMIN).password("x"),
        Ask::new("absent", ADMIN),
        Ask::new("initial", ADMIN),
    ] {
        assert_ne!(ask.through(Door::Rest, server.address).await.code, 0);
    }
    let text = get(server.address, "/metrics", &[]).await.text();
    assert!(
        text.contains("portcullis_hash_operations_total{kind=\"set\"} 0"),
        "{text}"
    );
}
