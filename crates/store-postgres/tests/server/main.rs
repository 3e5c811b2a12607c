//! What holds on a real server beyond the contract of the trait.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod documents;
mod faults;
mod kills;
mod model;
mod opening;
mod outbox;
mod place;
mod pooler;
mod roles;
mod round_trips;
mod standbys;
mod transactions;
mod users;
