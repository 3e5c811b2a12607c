//! No protobuf message breaks a handler, and one message is one answer in every framing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::post;

fuzz_target!(|message: &[u8]| {
    for method in ["SetHumanPassword", "SetHumanInitialPassword"] {
        let path = format!("/zitadel.management.v1.ManagementService/{method}");
        let connect = post(&path, "application/proto", message);
        let mut framed = vec![0];
        framed.extend(
            u32::try_from(message.len())
                .unwrap_or(u32::MAX)
                .to_be_bytes(),
        );
        framed.extend(message);
        let (status, body) = post(&path, "application/grpc-web", &framed);
        assert!(status.is_success(), "gRPC-Web tells errors in its trailers");
        let trailers = String::from_utf8_lossy(&body);
        assert_eq!(
            trailers.contains("grpc-status: 0\r\n"),
            connect.0.is_success()
        );
    }
});
