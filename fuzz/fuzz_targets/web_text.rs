//! gRPC-Web's text form: any bytes are an answer, and never an internal error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::post;

fuzz_target!(|body: &[u8]| {
    let path = "/zitadel.management.v1.ManagementService/SetHumanPassword";
    post(path, "application/grpc-web-text", body);
});
