//! The contract of `UserStore`, over a schema of a real server; once more as a role that may only
//! call functions, with every statement in one message as a pooler needs it.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "server/place.rs"]
mod place;
#[path = "server/schema.rs"]
mod schema;

portcullis_testkit::store_conformance!(schema::Schema<false>);

mod guarded {
    portcullis_testkit::store_conformance!(crate::schema::Schema<true>);
}
