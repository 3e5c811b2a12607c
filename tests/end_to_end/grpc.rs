//! gRPC over h2c, with real clients: trailers, details, deadlines, gzip, limits, and the two
//! standard services.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use portcullis_tests::{ADMIN, Server};
use tonic::{Code, Request, codec::CompressionEncoding, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::{
    v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    },
    v1alpha,
};
use zitadel::api::zitadel::management::v1::{
    SetHumanPasswordRequest, management_service_client::ManagementServiceClient,
};

const SERVICE: &str = "zitadel.management.v1.ManagementService";

async fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

fn request(password: impl Into<String>) -> Request<SetHumanPasswordRequest> {
    let mut request = Request::new(SetHumanPasswordRequest {
        user_id: "42".to_owned(),
        password: password.into(),
        no_change_required: true,
    });
    let token = format!("Bearer {ADMIN}").parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_in_and_out() {
    let server = Server::start().await;
    let mut client = ManagementServiceClient::new(channel(server.address).await)
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    let response = client
        .set_human_password(request("Secret-1234"))
        .await
        .unwrap();
    assert_eq!(response.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert_eq!(response.into_inner().details.unwrap().sequence, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_bounded_before_and_after_decompression() {
    let server = Server::start().await;
    let mut plain = ManagementServiceClient::new(channel(server.address).await);
    let status = plain
        .set_human_password(request("x".repeat(65 * 1024)))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let mut packed = ManagementServiceClient::new(channel(server.address).await)
        .send_compressed(CompressionEncoding::Gzip);
    for size in [65 << 10, 16 << 20] {
        let status = packed
            .set_human_password(request("x".repeat(size)))
            .await
            .unwrap_err();
        assert_eq!(
            status.code(),
            Code::ResourceExhausted,
            "{size} bytes: {status:?}"
        );
    }
    let largest = request("x".repeat(60 * 1024));
    let status = packed.set_human_password(largest).await.unwrap_err();
    assert_eq!(
        status.code(),
        Code::InvalidArgument,
        "within the limit it is only too long"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_is_one_block_of_headers_and_a_good_one_ends_in_trailers() {
    let server = Server::start().await;
    for (password, status) in [("Secret-1234", "0"), ("x", "3")] {
        let (head, trailers, body) = raw_call(server.address, password).await;
        assert_eq!(head.status, 200);
        assert_eq!(head.headers["content-type"], "application/grpc+proto");
        if status == "0" {
            assert!(!body.is_empty());
            assert_eq!(trailers.unwrap()["grpc-status"], status);
        } else {
            assert_eq!(head.headers["grpc-status"], status);
            assert!(head.headers.contains_key("grpc-status-details-bin"));
            assert!(body.is_empty() && trailers.is_none());
        }
    }
}

type Raw = (http::response::Parts, Option<http::HeaderMap>, Bytes);

fn h2c() -> Client<HttpConnector, Full<Bytes>> {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.http2_only(true).build_http()
}

async fn raw_call(address: SocketAddr, password: &str) -> Raw {
    let user_and_password = [
        b"\x0a\x0242\x12",
        &[u8::try_from(password.len()).unwrap()][..],
    ];
    let message = [&user_and_password.concat(), password.as_bytes()].concat();
    let mut frame = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    frame.extend_from_slice(&message);
    let request = http::Request::post(format!("http://{address}/{SERVICE}/SetHumanPassword"))
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(Full::new(Bytes::from(frame)))
        .unwrap();
    let (head, body) = h2c().request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    (head, trailers, body.to_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_are_kept_by_the_server() {
    let options = portcullis_tests::Options {
        argon2: "m=262144,t=4,p=1",
        ..Default::default()
    };
    let server = Server::with(options).await;
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let message = b"\0\0\0\0\x11\x0a\x0242\x12\x0bSecret-1234";
    let request = http::Request::post(format!(
        "http://{}/{SERVICE}/SetHumanPassword",
        server.address
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .header("grpc-timeout", "30m")
    .header("authorization", format!("Bearer {ADMIN}"))
    .body(Full::new(Bytes::from_static(message)))
    .unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "4");
    assert_eq!(response.headers()["x-portcullis-operation-id"].len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_methods_and_services_are_unimplemented() {
    let server = Server::start().await;
    for path in [
        format!("/{SERVICE}/AddHumanUser"),
        "/acme.Nothing/Do".to_owned(),
    ] {
        let headers = [("content-type", "application/grpc-web+proto")];
        let reply = portcullis_tests::post(server.address, &path, &headers, [0; 5]).await;
        assert!(
            reply.text().contains("grpc-status: 12"),
            "{path}: {}",
            reply.text()
        );
        assert!(!reply.text().contains("Nothing"), "no error repeats input");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_message_is_refused_after_permission() {
    let server = Server::start().await;
    for (token, code) in [("token-admin", 3), ("token-viewer", 7), ("unknown", 16)] {
        for (kind, body) in [
            ("application/grpc-web+proto", &b"\0\0\0\0\x02\xff\xff"[..]),
            ("application/grpc-web+json", b"\0\0\0\0\x01{"),
        ] {
            let authorization = format!("Bearer {token}");
            let headers = [
                ("content-type", kind),
                ("authorization", authorization.as_str()),
            ];
            let path = format!("/{SERVICE}/SetHumanPassword");
            let text = portcullis_tests::post(server.address, &path, &headers, body)
                .await
                .text();
            assert!(
                text.contains(&format!("grpc-status: {code}")),
                "{kind} {token}: {text}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_messages_are_served_too() {
    let server = Server::start().await;
    let body = br#"{"userId":"42","password":"Secret-1234","no_change_required":true}"#;
    let mut frame = vec![0, 0, 0, 0, u8::try_from(body.len()).unwrap()];
    frame.extend_from_slice(body);
    let headers = [
        ("content-type", "application/grpc-web+json"),
        ("authorization", "Bearer token-admin"),
    ];
    let path = format!("/{SERVICE}/SetHumanPassword");
    let text = portcullis_tests::post(server.address, &path, &headers, frame)
        .await
        .text();
    assert!(
        text.contains(r#""sequence":"2""#) && text.contains("grpc-status: 0"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn json_messages_are_served_over_http_2() {
    let server = Server::start().await;
    let body = br#"{"userId":"42","password":"Secret-1234"}"#;
    let mut frame = vec![0, 0, 0, 0, u8::try_from(body.len()).unwrap()];
    frame.extend_from_slice(body);
    let request = http::Request::post(format!(
        "http://{}/{SERVICE}/SetHumanPassword",
        server.address
    ))
    .header("content-type", "application/grpc+json")
    .header("te", "trailers")
    .header("authorization", "Bearer token-admin")
    .body(Full::new(Bytes::from(frame)))
    .unwrap();
    let response = h2c().request(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc+json");
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    assert!(text.contains(r#""sequence":"2""#), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_and_grpc_web_are_served_over_http_2() {
    let server = Server::start().await;
    let message = b"\x0a\x0242\x12\x0bSecret-1234";
    let mut frame = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    frame.extend_from_slice(message);
    for (path, kind, body, expected) in [
        (
            "/management/v1/users/42/password".to_owned(),
            "application/json",
            br#"{"password":"Secret-1234"}"#.to_vec(),
            r#""sequence":"2""#,
        ),
        (
            format!("/{SERVICE}/SetHumanPassword"),
            "application/grpc-web",
            frame,
            "grpc-status: 0",
        ),
    ] {
        let request = http::Request::post(format!("http://{}{path}", server.address))
            .header("content-type", kind)
            .header("authorization", "Bearer token-admin")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = h2c().request(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(text.contains(expected), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoding_that_is_not_known_is_refused_without_repeating_it() {
    let server = Server::start().await;
    let path = format!("/{SERVICE}/SetHumanPassword");
    for (kind, header) in [
        ("application/grpc-web", "grpc-encoding"),
        ("application/json", "content-encoding"),
    ] {
        let headers = [
            ("authorization", "Bearer token-admin"),
            ("content-type", kind),
            (header, "hunter2"),
        ];
        let reply = portcullis_tests::post(server.address, &path, &headers, "{}").await;
        let said = format!("{reply:?} {}", reply.text());
        assert!(said.contains("unsupported compression"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_served() {
    let server = Server::start().await;
    let mut client = HealthClient::new(channel(server.address).await);
    for service in ["", SERVICE] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let response = client.check(request.clone()).await.unwrap().into_inner();
        assert_eq!(response.status, 1, "{service} is serving");
        let mut watched = client.watch(request).await.unwrap().into_inner();
        assert_eq!(watched.message().await.unwrap().unwrap().status, 1);
    }
    let unknown = HealthCheckRequest {
        service: "unknown".to_owned(),
    };
    assert_eq!(
        client.check(unknown).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_and_describes_the_service() {
    let server = Server::start().await;
    let mut client = ServerReflectionClient::new(channel(server.address).await);
    let ask = |message_request| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let requests = tokio_stream::iter([
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(format!(
            "{SERVICE}.SetHumanPassword"
        ))),
        ask(MessageRequest::FileContainingSymbol(
            "zitadel.v1.ErrorDetail".to_owned(),
        )),
    ]);
    let mut answers = client
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    let mut next = async || {
        answers
            .message()
            .await
            .unwrap()
            .unwrap()
            .message_response
            .unwrap()
    };
    let MessageResponse::ListServicesResponse(list) = next().await else {
        panic!("no list")
    };
    assert!(
        list.service.iter().any(|service| service.name == SERVICE),
        "{list:?}"
    );
    for _ in 0..2 {
        let MessageResponse::FileDescriptorResponse(files) = next().await else {
            panic!("no file")
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }

    let channel = channel(server.address).await;
    let mut alpha = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let list = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(list),
    };
    let answers = alpha
        .server_reflection_info(tokio_stream::iter([request]))
        .await;
    assert!(
        answers
            .unwrap()
            .into_inner()
            .message()
            .await
            .unwrap()
            .is_some()
    );
}
