//! Waiting is injected too, so that this crate needs no runtime and tests need no patience.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::oneshot;

/// Lets the engine wait for a permit without blocking a thread.
///
/// An application on a runtime hands in that runtime's sleep, for example `tokio::time::sleep`.
/// How long the engine waits in all is measured by its [`Clock`](crate::Clock).
#[async_trait]
pub trait Timer: Debug + Send + Sync + 'static {
    /// Returns after this time, or somewhat later.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use portcullis_core::{ThreadTimer, Timer};
    /// ThreadTimer::start()?.sleep(Duration::from_millis(1)).await;
    /// # Ok(()) }
    /// ```
    async fn sleep(&self, time: Duration);
}

/// A timer with one thread of its own, for any runtime and for none.
pub struct ThreadTimer {
    alarms: Sender<Alarm>,
}

struct Alarm {
    at: Instant,
    ring: oneshot::Sender<()>,
}

impl ThreadTimer {
    /// Starts the thread. It ends when the timer is dropped.
    ///
    /// ```
    /// let timer = portcullis_core::ThreadTimer::start()?;
    /// # Ok::<_, std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread.
    pub fn start() -> io::Result<Self> {
        let (alarms, incoming) = channel();
        thread::Builder::new()
            .name("portcullis-timer".to_owned())
            .spawn(move || ring(&incoming))?;
        Ok(Self { alarms })
    }
}

#[async_trait]
impl Timer for ThreadTimer {
    async fn sleep(&self, time: Duration) {
        let (ring, rung) = oneshot::channel();
        let Some(at) = Instant::now().checked_add(time) else {
            return std::future::pending().await;
        };
        if self.alarms.send(Alarm { at, ring }).is_ok() {
            // An error means that the thread is gone, and then nobody would ever ring.
            let _ = rung.await;
        }
    }
}

impl Debug for ThreadTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadTimer").finish_non_exhaustive()
    }
}

fn ring(incoming: &Receiver<Alarm>) {
    // The number keeps alarms apart that ring at the same time.
    let mut waiting = BTreeMap::new();
    for number in 0_u64.. {
        let now = Instant::now();
        while let Some(entry) = waiting.first_entry()
            && entry.key() <= &(now, u64::MAX)
        {
            let ring: oneshot::Sender<()> = entry.remove();
            // Nobody waits any more if this fails.
            let _ = ring.send(());
        }
        let next = waiting.first_key_value().map(|((at, _), _)| *at);
        let alarm = match next {
            Some(at) => incoming.recv_timeout(at.saturating_duration_since(now)),
            None => incoming.recv().map_err(RecvTimeoutError::from),
        };
        match alarm {
            Ok(Alarm { at, ring }) => {
                waiting.insert((at, number), ring);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
