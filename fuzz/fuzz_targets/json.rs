//! REST and Connect read the same JSON the same way, and no body breaks either.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::post;

fuzz_target!(|body: &[u8]| {
    let rest = post("/management/v1/users/42/password", "application/json", body);
    let rpc = "/zitadel.management.v1.ManagementService/SetHumanPassword";
    let connect = post(rpc, "application/json", body);
    // The path names the user over REST, the body over Connect, so only this direction holds.
    if connect.0.is_success() {
        assert!(rest.0.is_success(), "accepted over Connect alone");
    }
});
