//! Names of what this crate counts through the [`metrics`](https://docs.rs/metrics) facade.
//!
//! Nothing is counted without the crate feature `metrics`, and nothing is exported without a
//! recorder, which the embedding application installs. No label carries a user or an
//! organisation. The label `suite` is a hash's algorithm and cost; beyond the first eight suites
//! that a process meets it is `other`.

/// Gauge: requests whose hash has started and whose commit is not done.
pub const HASH_COMMITTING: &str = "portcullis_hash_committing";
/// Gauge: bytes of memory that running hashes have been charged.
pub const HASH_IN_FLIGHT: &str = "portcullis_hash_in_flight_bytes";
/// Gauge, constant: bytes of memory that running hashes may take together.
pub const HASH_MEMORY: &str = "portcullis_hash_memory_bytes";
/// Counter of Argon2 runs by `kind`: `set`, `compare`, `dummy` or `upgrade`. It moves before the
/// work begins, so work that is later abandoned is counted too.
pub const HASH_OPERATIONS: &str = "portcullis_hash_operations_total";
/// Gauge, constant: requests that may wait.
pub const HASH_QUEUE: &str = "portcullis_hash_queue";
/// Histogram: seconds that a hash ran, by `suite`.
pub const HASH_RUN: &str = "portcullis_hash_run_seconds";
/// Gauge: hashes that run.
pub const HASH_RUNNING: &str = "portcullis_hash_running";
/// Counter of what was turned away unhashed, by `reason`: `abandoned` (the caller went away),
/// `closed`, `displaced` (by an organisation with a smaller share), `expired` (waited for too
/// long), `full`, `late` (would have waited for too long) or `too_large` (more than all memory).
pub const HASH_SHED: &str = "portcullis_hash_shed_total";
/// Gauge, constant: milliseconds for which a job may wait.
pub const HASH_WAIT: &str = "portcullis_hash_wait_ms";
/// Histogram: seconds that a hash waited before it started, by `suite`.
pub const HASH_WAITED: &str = "portcullis_hash_wait_seconds";
/// Gauge: hashes that wait.
pub const HASH_WAITING: &str = "portcullis_hash_waiting";
/// Gauge, constant: threads that hash.
pub const HASH_WORKERS: &str = "portcullis_hash_workers";

#[cfg(not(feature = "metrics"))]
pub(crate) use off::{
    count_hash, count_shed, record_config, record_levels, record_run, record_wait,
};
#[cfg(feature = "metrics")]
pub(crate) use on::{
    count_hash, count_shed, record_config, record_levels, record_run, record_wait,
};

#[cfg(feature = "metrics")]
mod on {
    use std::{sync::Arc, time::Duration};

    use super::{
        HASH_COMMITTING, HASH_IN_FLIGHT, HASH_MEMORY, HASH_OPERATIONS, HASH_QUEUE, HASH_RUN,
        HASH_RUNNING, HASH_SHED, HASH_WAIT, HASH_WAITED, HASH_WAITING, HASH_WORKERS,
    };
    use crate::hash::{HashKind, HashPoolConfig, Levels};

    pub(crate) fn count_hash(kind: HashKind, times: u64) {
        ::metrics::counter!(HASH_OPERATIONS, "kind" => kind.as_str()).increment(times);
    }

    pub(crate) fn count_shed(reason: &'static str, times: u64) {
        ::metrics::counter!(HASH_SHED, "reason" => reason).increment(times);
    }

    pub(crate) fn record_config(config: &HashPoolConfig) {
        gauge(HASH_WORKERS, number(config.workers.get()));
        gauge(HASH_MEMORY, config.memory);
        gauge(HASH_QUEUE, number(config.queue));
        gauge(
            HASH_WAIT,
            u64::try_from(config.wait.as_millis()).unwrap_or(u64::MAX),
        );
    }

    pub(crate) fn record_levels(levels: &Levels) {
        gauge(HASH_WAITING, number(levels.waiting));
        gauge(HASH_RUNNING, number(levels.running));
        gauge(HASH_COMMITTING, number(levels.seated));
        gauge(HASH_IN_FLIGHT, levels.memory);
    }

    pub(crate) fn record_run(suite: Arc<str>, time: Duration) {
        ::metrics::histogram!(HASH_RUN, "suite" => suite).record(time);
    }

    pub(crate) fn record_wait(suite: Arc<str>, time: Duration) {
        ::metrics::histogram!(HASH_WAITED, "suite" => suite).record(time);
    }

    fn gauge(name: &'static str, value: u64) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "gauges are floats, and 2^53 is far away"
        )]
        ::metrics::gauge!(name).set(value as f64);
    }

    fn number(count: usize) -> u64 {
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

#[cfg(not(feature = "metrics"))]
mod off {
    use std::{sync::Arc, time::Duration};

    use crate::hash::{HashKind, HashPoolConfig, Levels};

    pub(crate) const fn count_hash(_: HashKind, _: u64) {}
    pub(crate) const fn count_shed(_: &'static str, _: u64) {}
    pub(crate) const fn record_config(_: &HashPoolConfig) {}
    pub(crate) const fn record_levels(_: &Levels) {}
    pub(crate) fn record_run(_: Arc<str>, _: Duration) {}
    pub(crate) fn record_wait(_: Arc<str>, _: Duration) {}
}

/// Counter of attempts at a password or code by `outcome`: `verified`, the reason of a refusal, or
/// `too_many`.
pub const ATTEMPTS: &str = "portcullis_attempts_total";

#[cfg(feature = "metrics")]
pub(crate) fn count_attempt(outcome: &'static str) {
    ::metrics::counter!(ATTEMPTS, "outcome" => outcome).increment(1);
}

#[cfg(not(feature = "metrics"))]
pub(crate) const fn count_attempt(_outcome: &'static str) {}
