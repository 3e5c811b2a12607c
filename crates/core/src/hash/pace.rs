//! How fast the backlog moves, for an honest retry time.

use std::time::Duration;

use super::{HashCost, HashPoolConfig};

/// Moving averages over about eight runs.
#[derive(Debug)]
pub(super) struct Pace {
    workers: u64,
    seats: u64,
    budget: u64,
    /// Averages of one run. Time and work are kept apart, so that cheap runs, which take longer
    /// than their work says, do not stand for costly ones.
    nanos: u64,
    work: u64,
    memory: u64,
    /// The average time from the start of a request's first hash to the end of its commit.
    held: u64,
}

/// What stands before a request.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backlog {
    pub(super) jobs: u64,
    pub(super) work: u64,
}

impl Pace {
    /// Expects runs of this cost until some have been measured.
    pub(super) fn new(config: &HashPoolConfig, usual: HashCost) -> Self {
        Self {
            workers: number(config.workers.get()),
            seats: number(config.workers.get().saturating_add(config.commits)),
            budget: config.memory,
            nanos: usual.work().saturating_mul(ASSUMED_NANOS),
            work: usual.work(),
            memory: usual.memory_bytes(),
            held: 0,
        }
    }

    pub(super) fn ran(&mut self, cost: HashCost, time: Duration) {
        self.nanos = average(self.nanos, nanos(time));
        self.work = average(self.work, cost.work());
        self.memory = average(self.memory, cost.memory_bytes());
    }

    pub(super) fn held(&mut self, time: Duration) {
        self.held = average(self.held, nanos(time));
    }

    /// The work of a job of which nothing is known yet.
    pub(super) const fn usual_work(&self) -> u64 {
        self.work
    }

    /// The time until this much is done: by the threads, as many as the memory lets run, or by the
    /// store behind them, whichever is slower.
    pub(super) fn time(&self, ahead: Backlog) -> Duration {
        let fitting = self.budget / self.memory.max(1);
        let workers = self.workers.min(fitting).max(1);
        let hashing = u128::from(ahead.work) * u128::from(self.nanos)
            / u128::from(self.work.max(1))
            / u128::from(workers);
        let storing =
            u128::from(ahead.jobs) * u128::from(self.held) / u128::from(self.seats.max(1));
        Duration::from_nanos(u64::try_from(hashing.max(storing)).unwrap_or(u64::MAX))
    }
}

/// What a KiB and pass takes on a machine without wide vectors, until it was measured.
const ASSUMED_NANOS: u64 = 500;

const fn average(mean: u64, sample: u64) -> u64 {
    mean - mean / 8 + sample / 8
}

fn nanos(time: Duration) -> u64 {
    // An hour is more than any run takes, and far from overflow.
    u64::try_from(time.as_nanos().min(3_600_000_000_000)).unwrap_or(u64::MAX)
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn pace(workers: usize, memory: u64, commits: usize) -> Pace {
        let config = HashPoolConfig::default()
            .with_workers(NonZeroUsize::new(workers).unwrap())
            .with_memory(memory)
            .with_commits(commits);
        Pace::new(&config, HashCost::new(1024, 1))
    }

    fn ahead(jobs: u64) -> Backlog {
        let work = jobs * 1024;
        Backlog { jobs, work }
    }

    fn settle(pace: &mut Pace, cost: HashCost, time: Duration) {
        (0..200).for_each(|_| pace.ran(cost, time));
    }

    /// Integers lose a little of an average.
    fn about(time: Duration, expected: u64) -> bool {
        let expected = Duration::from_millis(expected);
        time > expected * 98 / 100 && time < expected * 102 / 100
    }

    #[test]
    fn the_time_is_the_measured_pace_over_all_workers() {
        let mut pace = pace(2, 1 << 40, 0);
        settle(&mut pace, HashCost::new(1024, 1), Duration::from_millis(10));
        assert!(about(pace.time(ahead(100)), 500));
        assert!(about(pace.time(ahead(200)), 1_000));
    }

    #[test]
    fn costly_jobs_count_for_more_than_cheap_ones() {
        let mut pace = pace(1, 1 << 40, 0);
        settle(&mut pace, HashCost::new(1024, 1), Duration::from_millis(10));
        let work = HashCost::new(65_536, 3).work();
        assert!(about(pace.time(Backlog { jobs: 1, work }), 1_920));
    }

    #[test]
    fn memory_that_lets_only_some_run_counts_as_fewer_workers() {
        let mut pace = pace(8, 2 * 1024 * 1024, 0);
        settle(&mut pace, HashCost::new(1024, 1), Duration::from_millis(10));
        assert!(about(pace.time(ahead(100)), 500));
    }

    #[test]
    fn a_slow_store_sets_the_pace() {
        let mut pace = pace(2, 1 << 40, 8);
        settle(&mut pace, HashCost::new(1024, 1), Duration::from_millis(10));
        (0..200).for_each(|_| pace.held(Duration::from_secs(1)));
        assert!(about(pace.time(ahead(100)), 10_000));
    }

    #[test]
    fn before_anything_ran_the_time_is_assumed_and_never_zero() {
        let pace = pace(1, 1 << 40, 0);
        assert!(pace.time(ahead(100)) > Duration::from_millis(10));
        assert_eq!(pace.time(Backlog::default()), Duration::ZERO);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut pace = pace(1, 0, 0);
        settle(&mut pace, HashCost::new(u32::MAX, u32::MAX), Duration::MAX);
        let all = Backlog {
            jobs: u64::MAX,
            work: u64::MAX,
        };
        assert!(pace.time(all) > Duration::ZERO);
    }
}
