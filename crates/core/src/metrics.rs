//! Names of what this crate counts through the [`metrics`](https://docs.rs/metrics) facade.
//!
//! Nothing is counted without the crate feature `metrics`, and nothing is exported without a
//! recorder, which the embedding application installs. No label carries a user or an
//! organisation.

/// Counter of Argon2 runs by `kind`: `set`, `compare`, `dummy` or `upgrade`. It moves before the
/// work begins, so work that is later abandoned is counted too.
pub const HASH_OPERATIONS: &str = "portcullis_hash_operations_total";

use crate::hash::HashKind;

#[cfg(feature = "metrics")]
pub(crate) fn count_hash(kind: HashKind, times: u64) {
    ::metrics::counter!(HASH_OPERATIONS, "kind" => kind.as_str()).increment(times);
}

#[cfg(not(feature = "metrics"))]
pub(crate) const fn count_hash(_kind: HashKind, _times: u64) {}

/// Counter of attempts at a password or code by `outcome`: `verified`, the reason of a refusal, or
/// `too_many`.
pub const ATTEMPTS: &str = "portcullis_attempts_total";

#[cfg(feature = "metrics")]
pub(crate) fn count_attempt(outcome: &'static str) {
    ::metrics::counter!(ATTEMPTS, "outcome" => outcome).increment(1);
}

#[cfg(not(feature = "metrics"))]
pub(crate) const fn count_attempt(_outcome: &'static str) {}
