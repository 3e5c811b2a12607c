//! The contracts of `UserStore` and `DocumentStore`, over a cluster.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test reports by panicking"
)]

#[path = "common/shared.rs"]
mod shared;

use shared::Shared;

portcullis_testkit::store_conformance!(Shared<true>);
portcullis_testkit::document_conformance!(Shared<true>);
