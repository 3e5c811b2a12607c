//! Time is injected: nothing in the engine or a store asks the operating system for it.

use std::{
    fmt::Debug,
    sync::Mutex,
    time::{Duration, Instant},
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// A moment in UTC with microsecond precision, the precision that every store keeps.
pub type Timestamp = DateTime<Utc>;

/// Where the engine and the embedded stores read time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock, in UTC, cut to microseconds. It may jump either way.
    ///
    /// ```
    /// use portcullis_core::{Clock, SystemClock};
    /// assert_eq!(SystemClock::new().now().timestamp_subsec_nanos() % 1_000, 0);
    /// ```
    fn now(&self) -> Timestamp;

    /// Time since a fixed but arbitrary moment. It never goes back; deadlines are kept on it.
    ///
    /// ```
    /// use portcullis_core::{Clock, SystemClock};
    /// let clock = SystemClock::new();
    /// assert!(clock.elapsed() <= clock.elapsed());
    /// ```
    fn elapsed(&self) -> Duration;
}

/// The later of `now` and `previous`.
///
/// A change date never decreases for one user, whatever the wall clock does.
///
/// ```
/// use portcullis_core::{Clock, SystemClock, not_before};
/// let later = SystemClock::new().now();
/// let earlier = later - std::time::Duration::from_secs(1);
/// assert_eq!(not_before(earlier, later), later);
/// ```
#[must_use]
pub fn not_before(now: Timestamp, previous: Timestamp) -> Timestamp {
    now.max(previous)
}

/// The operating system's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose [`elapsed`](Clock::elapsed) starts at zero now.
    ///
    /// ```
    /// use portcullis_core::{Clock, SystemClock};
    /// assert!(SystemClock::new().elapsed().as_secs() < 60);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Utc::now().trunc_subsecs(6)
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that moves only when it is told to, for tests.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// A clock that stands at `wall`.
    ///
    /// ```
    /// use portcullis_core::{Clock, ManualClock, SystemClock};
    /// let start = SystemClock::new().now();
    /// assert_eq!(ManualClock::at(start).now(), start);
    /// ```
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self {
            state: Mutex::new((wall.trunc_subsecs(6), Duration::ZERO)),
        }
    }

    /// Moves both clocks on.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis_core::{Clock, ManualClock, SystemClock};
    /// let clock = ManualClock::at(SystemClock::new().now());
    /// let start = clock.now();
    /// clock.advance(Duration::from_secs(30));
    /// assert_eq!(clock.now() - start, chrono::TimeDelta::seconds(30));
    /// assert_eq!(clock.elapsed(), Duration::from_secs(30));
    /// ```
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        let delta = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        state.0 = state
            .0
            .checked_add_signed(delta)
            .unwrap_or(Timestamp::MAX_UTC);
        state.1 = state.1.saturating_add(by);
    }

    /// Sets the wall clock alone, as an administrator or a time server would.
    ///
    /// ```
    /// use portcullis_core::{Clock, ManualClock, SystemClock};
    /// let clock = ManualClock::at(SystemClock::new().now());
    /// let before = clock.now() - chrono::TimeDelta::days(1);
    /// clock.set(before);
    /// assert_eq!(clock.now(), before);
    /// assert!(clock.elapsed().is_zero());
    /// ```
    pub fn set(&self, wall: Timestamp) {
        self.lock().0 = wall.trunc_subsecs(6);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        // Two plain values cannot be left half-written, so a poisoned lock is still good.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().0
    }

    fn elapsed(&self) -> Duration {
        self.lock().1
    }
}
