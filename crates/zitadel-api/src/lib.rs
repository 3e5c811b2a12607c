#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod authenticate;
mod body;
mod call;
mod details;
mod endpoint;
mod endpoints;
#[cfg(feature = "health")]
mod health;
mod limits;
mod message;
mod methods;
pub mod metrics;
mod middleware;
mod operations;
#[cfg(feature = "reflection")]
mod reflection;
mod rest;
mod rpc;
mod status;
mod validate;
mod web_text;

#[path = "../gen/wire.rs"]
#[allow(
    clippy::allow_attributes_without_reason,
    clippy::all,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::must_use_candidate,
    clippy::missing_errors_doc,
    clippy::use_self,
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_imports,
    unused_qualifications,
    reason = "generated code"
)]
mod wire;

pub use api::ZitadelApi;
pub use authenticate::{BearerToken, TokenAuthenticator};
pub use limits::Limits;

/// The REST side as an OpenAPI 3.1 document, in JSON.
pub const OPENAPI: &str = include_str!("../openapi.json");
