//! The contracts of `UserStore` and `DocumentStore`, over a schema of a real server; once more as a role that may only
//! call functions, through PgBouncer in transaction mode; and once more over partitions.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "server/place.rs"]
mod place;
#[path = "server/schema.rs"]
mod schema;

portcullis_testkit::store_conformance!(schema::Schema<{ schema::PLAIN }>);
portcullis_testkit::document_conformance!(schema::Schema<{ schema::PLAIN }>);

mod guarded {
    portcullis_testkit::store_conformance!(crate::schema::Schema<{ crate::schema::GUARDED }>);
    portcullis_testkit::document_conformance!(crate::schema::Schema<{ crate::schema::GUARDED }>);
}

mod partitioned {
    portcullis_testkit::store_conformance!(crate::schema::Schema<{ crate::schema::PARTITIONED }>);
    portcullis_testkit::document_conformance!(
        crate::schema::Schema<{ crate::schema::PARTITIONED }>
    );
}
