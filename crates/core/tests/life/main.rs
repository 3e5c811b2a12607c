//! The life of a password: checked, changed, reset, within a budget of guesses.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod budget;
mod change;
mod check;
mod codes;
mod faults;
mod hashes;
mod order;
mod sessions;
mod state;
mod work;
mod world;
