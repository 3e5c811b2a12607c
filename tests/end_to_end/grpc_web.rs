//! gRPC-Web over HTTP/1.1: a real client, the text form in odd pieces, and CORS.

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use portcullis_tests::{ADMIN, Server, exchange, post};
use tonic::Request;
use tonic_web::GrpcWebClientLayer;
use zitadel::api::zitadel::management::v1::{
    SetHumanPasswordRequest, management_service_client::ManagementServiceClient,
};

const PATH: &str = "/zitadel.management.v1.ManagementService/SetHumanPassword";
const FRAME: &[u8] = b"\0\0\0\0\x11\x0a\x0242\x12\x0bSecret-1234";

#[tokio::test(flavor = "multi_thread")]
async fn a_real_client() {
    let server = Server::start().await;
    let http = Client::builder(TokioExecutor::new()).build_http();
    let service = tower::ServiceBuilder::new()
        .layer(GrpcWebClientLayer::new())
        .service(http);
    let origin = format!("http://{}", server.address).parse().unwrap();
    let mut client = ManagementServiceClient::with_origin(service, origin);
    let message = |password: &str| {
        let mut request = Request::new(SetHumanPasswordRequest {
            user_id: "42".to_owned(),
            password: password.to_owned(),
            no_change_required: true,
        });
        let token = format!("Bearer {ADMIN}").parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        request
    };
    let response = client
        .set_human_password(message("Secret-1234"))
        .await
        .unwrap();
    assert_eq!(response.into_inner().details.unwrap().sequence, 2);
    let status = client.set_human_password(message("x")).await.unwrap_err();
    assert_eq!(status.message(), "Password is too short (DOMAIN-HuJf6)");
    assert!(!status.details().is_empty());
}

async fn text(server: &Server, body: &str, kind: &str) -> (Option<String>, Vec<u8>) {
    let headers = [
        ("content-type", kind),
        ("authorization", "Bearer token-admin"),
    ];
    let reply = post(server.address, PATH, &headers, body).await;
    assert_eq!(reply.status, 200);
    let kind = reply.header("content-type").map(str::to_owned);
    (kind, STANDARD.decode(&reply.body).expect("base64"))
}

#[tokio::test(flavor = "multi_thread")]
async fn text_may_be_padded_anywhere() {
    let server = Server::start().await;
    for split in 0..=FRAME.len() {
        let (head, tail) = FRAME.split_at(split);
        let body = STANDARD.encode(head) + &STANDARD.encode(tail);
        let (kind, answer) = text(&server, &body, "application/grpc-web-text").await;
        assert_eq!(kind.as_deref(), Some("application/grpc-web-text+proto"));
        assert!(answer.ends_with(b"grpc-status: 0\r\n"), "split at {split}");
    }
    let (kind, answer) = text(
        &server,
        &STANDARD.encode(FRAME),
        "application/grpc-web-text+proto",
    )
    .await;
    assert_eq!(kind.as_deref(), Some("application/grpc-web-text+proto"));
    assert!(answer.ends_with(b"grpc-status: 0\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_none_is_refused_in_its_own_form() {
    let server = Server::start().await;
    for body in ["*", "AAAA*", "AAA", "A===", "AAAAAAAAAA=A"] {
        let (_, answer) = text(&server, body, "application/grpc-web-text").await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains("grpc-status: "), "{body}: {answer}");
        assert!(!answer.contains("grpc-status: 0"), "{body}: {answer}");
    }
    let large = STANDARD.encode(vec![0; 70 * 1024]);
    let (_, answer) = text(&server, &large, "application/grpc-web-text").await;
    assert!(String::from_utf8_lossy(&answer).contains("grpc-status: 8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_frames_in_odd_shapes_are_refused() {
    let server = Server::start().await;
    let headers = [
        ("content-type", "application/grpc-web"),
        ("authorization", "Bearer token-admin"),
    ];
    let huge = b"\0\xff\xff\xff\xff".to_vec();
    let twice = [FRAME, FRAME].concat();
    for body in [&b""[..], b"\0", b"\0\0\0\0\x20short", &huge, &twice] {
        let text = post(server.address, PATH, &headers, body).await.text();
        assert!(text.contains("grpc-status: "), "{text}");
        assert!(!text.contains("grpc-status: 0"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_let_in() {
    let server = Server::start().await;
    let asked = "origin,content-type,accept,accept-language,authorization,x-zitadel-orgid,\
                 x-user-agent,x-grpc-web";
    for path in [PATH, "/management/v1/users/42/password"] {
        let headers = [
            ("origin", "https://console.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", asked),
        ];
        let reply = exchange(server.address, "OPTIONS", path, &headers, b"").await;
        assert!(
            reply.status == 200 || reply.status == 204,
            "{path}: {}",
            reply.status
        );
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
        let allowed = reply
            .header("access-control-allow-headers")
            .unwrap()
            .to_owned();
        for header in asked.split(',') {
            assert!(
                allowed.split(',').any(|allowed| allowed == header),
                "{path}: {header}"
            );
        }
        assert!(
            reply
                .header("access-control-allow-methods")
                .unwrap()
                .contains("POST")
        );
    }
    let headers = [
        ("origin", "https://console.example"),
        ("content-type", "application/grpc-web+proto"),
    ];
    let reply = post(server.address, PATH, &headers, FRAME).await;
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    let readable = reply.header("access-control-expose-headers").unwrap();
    for header in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        assert!(readable.contains(header), "{readable}");
    }
}
