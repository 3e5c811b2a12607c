//! The contracts of `UserStore` and `DocumentStore`, over one server.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test reports by panicking"
)]

#[path = "common/shared.rs"]
mod shared;

use shared::Shared;

portcullis_testkit::store_conformance!(Shared<false>);
portcullis_testkit::document_conformance!(Shared<false>);
