//! How long requests wait that come at random to threads that take equally long for each.

/// Threads that hash, and what is asked of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queueing {
    pub(crate) workers: usize,
    /// Requests a second.
    pub(crate) arrivals: f64,
    /// Seconds for each hash while all threads are busy.
    pub(crate) seconds: f64,
}

impl Queueing {
    /// Hashes a second that can be done.
    pub(crate) fn capacity(self) -> f64 {
        self.workers as f64 / self.seconds
    }

    /// The share of the capacity that is asked for.
    pub(crate) fn utilisation(self) -> f64 {
        self.arrivals / self.capacity()
    }

    /// Seconds that all but this share of the requests wait at most; infinite when more is asked
    /// than can be done.
    ///
    /// Erlang's formula says how many wait at all. Their times decay as with random service
    /// times, but twice as fast: with constant ones the mean wait is half as long.
    pub(crate) fn wait(self, share: f64) -> f64 {
        if self.utilisation() >= 1.0 {
            return f64::INFINITY;
        }
        let decay = 2.0 * (self.capacity() - self.arrivals);
        (self.share_that_waits() / share).ln().max(0.0) / decay
    }

    /// Erlang C, by the recursion for Erlang B, which never overflows.
    fn share_that_waits(self) -> f64 {
        let load = self.arrivals * self.seconds;
        let blocked = (1..=self.workers).fold(1.0, |blocked, servers| {
            load * blocked / (servers as f64 + load * blocked)
        });
        blocked / (1.0 - self.utilisation() * (1.0 - blocked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn queueing(workers: usize, arrivals: f64, seconds: f64) -> Queueing {
        Queueing {
            workers,
            arrivals,
            seconds,
        }
    }

    #[test]
    fn with_one_thread_the_share_that_waits_is_the_utilisation() {
        for arrivals in [1.0, 5.0, 9.0] {
            let one = queueing(1, arrivals, 0.1);
            assert!((one.share_that_waits() - one.utilisation()).abs() < 1e-12);
        }
    }

    #[test]
    fn erlangs_table() {
        // Two servers at one erlang: a third of the callers wait.
        let two = queueing(2, 10.0, 0.1);
        assert!((two.share_that_waits() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn nobody_waits_where_little_is_asked() {
        assert!(queueing(8, 1.0, 0.01).wait(0.01).abs() < 1e-12);
    }

    #[test]
    fn waits_grow_with_the_load_without_end() {
        let waits = [50.0, 90.0, 99.0].map(|arrivals| queueing(4, arrivals, 0.04).wait(0.01));
        assert!(waits.is_sorted(), "{waits:?}");
        assert!(queueing(4, 100.0, 0.04).wait(0.01).is_infinite());
    }
}
