//! What the end-to-end tests share: the running server, a raw HTTP client, and one question that
//! can be put through every transport.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod ask;
mod call;
mod http;
mod load;
mod server;
mod world;

pub use ask::{Answer, Ask, Detail, Door, Method};
pub use call::{Body, Call, Outcome};
pub use http::{Reply, exchange, get, post, request, send_raw, try_send_raw};
pub use load::{Audit, Journal, Load, operation_id, try_set_password};
pub use server::{InProcess, Options, Server, binary, example, run};
pub use world::{
    ADMIN, BOOTSTRAP, IAM, NOBODY, ORG, OTHER_ADMIN, OTHER_ORG, VIEWER, rig, user_key,
};
