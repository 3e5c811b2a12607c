//! Stores under load while what they stand on fails: failover, lost answers, moving slots, full
//! disks. What was acknowledged is there afterwards, and what an error says is true.
//!
//! Every test that counts to zero has a control beside it that counts to more.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test reports by panicking, and prints its counts"
)]

mod backup;
mod cluster;
mod dice;
mod disk;
mod errors;
mod fault;
mod fsync;
mod halves;
mod handles;
mod linearizable;
mod people;
mod postgres_failover;
mod redis_failover;
mod scale;
mod site;
mod torn;
mod two_writes;
