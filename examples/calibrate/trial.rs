//! The plan, tried: requests at random times, through the pool that a server hashes through.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_core::{Argon2id, HashError, HashKind, HashPool, HashPoolConfig, OrgId, Password};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::{BoxError, decide::Plan, measure::quantile};

/// What the trial showed.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Measured {
    pub(crate) requests: usize,
    pub(crate) refused: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Hashes a second while more was asked for than could be done.
    pub(crate) capacity: f64,
}

impl Measured {
    /// Whether 99 of 100 were answered, and in time.
    pub(crate) fn meets(&self, p99: Duration) -> bool {
        self.p99_ms <= p99.as_secs_f64() * 1e3 && self.refused * 100 <= self.requests
    }
}

pub(crate) async fn run(
    plan: &Plan,
    per_second: f64,
    length: Duration,
) -> Result<Measured, BoxError> {
    let workers = NonZeroUsize::new(plan.workers).ok_or("there are no threads")?;
    let config = HashPoolConfig::default()
        .with_workers(workers)
        .with_memory(plan.memory)
        .with_queue(plan.queue)
        .with_wait(plan.wait);
    let trial = Trial {
        pool: Arc::new(HashPool::start(
            Arc::new(Argon2id::new(plan.params)),
            config,
        )?),
        organisation: OrgId::new("calibrate")?,
        password: Arc::new(Password::new("correct horse battery".to_owned())?),
    };
    // Maps the memory of every thread.
    trial.saturated(plan.workers, Duration::ZERO).await?;
    let mut times = trial.at_random(per_second, length).await?;
    let refused = times.iter().filter(|time| time.is_infinite()).count();
    times.retain(|time| time.is_finite());
    times.sort_by(f64::total_cmp);
    let capacity = trial
        .saturated(plan.workers, length.min(MOST_SATURATED))
        .await?;
    Ok(Measured {
        requests: times.len() + refused,
        refused,
        p50_ms: quantile(&times, 0.5) * 1e3,
        p99_ms: quantile(&times, 0.99) * 1e3,
        capacity,
    })
}

struct Trial {
    pool: Arc<HashPool>,
    organisation: OrgId,
    password: Arc<Password>,
}

impl Trial {
    /// Seconds from when each request was due to its answer, infinite if it was refused. Whoever
    /// comes does not wait for whoever is there.
    async fn at_random(&self, per_second: f64, length: Duration) -> Result<Vec<f64>, BoxError> {
        let (start, mut due, mut requests) = (Instant::now(), 0.0, JoinSet::new());
        while due < length.as_secs_f64() {
            let at = start + Duration::from_secs_f64(due);
            tokio::time::sleep_until(at.into()).await;
            let hash = self.hash();
            requests.spawn(async move {
                match hash.await {
                    Ok(_) => Ok(at.elapsed().as_secs_f64()),
                    Err(HashError::Overloaded { .. }) => Ok(f64::INFINITY),
                    Err(error) => Err(error),
                }
            });
            due += gap(per_second)?;
        }
        let answers = requests.join_all().await.into_iter();
        Ok(answers.collect::<Result<_, _>>()?)
    }

    /// Hashes a second with as many callers as threads that never pause.
    async fn saturated(&self, callers: usize, length: Duration) -> Result<f64, BoxError> {
        let (start, mut requests, mut done) = (Instant::now(), JoinSet::new(), 0_u32);
        for _ in 0..callers {
            requests.spawn(self.hash());
        }
        while let Some(answer) = requests.join_next().await {
            answer??;
            done += 1;
            if start.elapsed() < length {
                requests.spawn(self.hash());
            }
        }
        Ok(f64::from(done) / start.elapsed().as_secs_f64())
    }

    fn hash(&self) -> impl Future<Output = Result<(), HashError>> + Send + 'static {
        let (pool, organisation) = (Arc::clone(&self.pool), self.organisation.clone());
        let password = Arc::clone(&self.password);
        async move {
            pool.hash(HashKind::Set, &organisation, &password).await?;
            Ok(())
        }
    }
}

/// Seconds to the next of requests that know nothing of each other.
fn gap(per_second: f64) -> Result<f64, BoxError> {
    let random = getrandom::u64().map_err(|error| error.to_string())?;
    // 53 bits, and never zero.
    let share = ((random >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
    Ok(-share.ln() / per_second)
}

const MOST_SATURATED: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_is_not_answered_in_time() {
        let measured = |p99_ms, refused| Measured {
            requests: 200,
            refused,
            p50_ms: 1.0,
            p99_ms,
            capacity: 100.0,
        };
        let p99 = Duration::from_millis(250);
        assert!(measured(250.0, 2).meets(p99));
        assert!(!measured(251.0, 0).meets(p99));
        assert!(!measured(100.0, 3).meets(p99));
    }
}
