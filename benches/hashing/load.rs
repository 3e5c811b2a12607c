//! Many callers at once, and more of them than can be served.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use portcullis_argon2::{Arena, Kernel};
use portcullis_core::{HashError, HashKind, HashString, OrgId};

use crate::{
    bars::Bar,
    contenders::{Cost, OWASP, by_us, password},
    contest::{self, Spread},
    machine, pools,
};

/// What 16 callers get of one caller's rate times the cores, in turns, in the quieter rounds.
pub(crate) fn sixteen_callers(kernel: Kernel, rounds: usize) -> Spread {
    let cost = OWASP[1];
    let pool = Arc::new(pools::pool(cost, kernel, 512));
    let mut arena = Arena::new();
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let times = (0..8).map(|_| {
            let start = Instant::now();
            by_us(cost, kernel, &mut arena);
            start.elapsed().as_secs_f64()
        });
        let one = Spread::of(times.collect()).median / pools::cores() as f64;
        let all = 1.0 / pools::throughput(&pool, 16, Duration::from_millis(500));
        // The first round maps memory.
        if round > 0 {
            alone.push(one);
            together.push(all);
        }
    }
    let quiet = contest::quieter(&[alone, together]);
    let rounds = quiet[0].iter().zip(&quiet[1]);
    Spread::of(rounds.map(|(alone, together)| alone / together).collect())
}

/// Promises that need more than one caller, or none.
pub(crate) fn bars(rounds: usize) -> Vec<Bar> {
    let usable = |kernel: Kernel| kernel.check().is_ok();
    let mut bars = Vec::new();
    for (kernel, bound) in [(Kernel::Portable, 0.9), (Kernel::Avx512, 0.7)] {
        let share = usable(kernel).then(|| sixteen_callers(kernel, rounds));
        let what = format!("{}: {kernel}, 16 callers against one × cores", OWASP[1]);
        bars.push(Bar::at_least(what, bound, share));
    }
    for kernel in [Kernel::Portable, Kernel::Avx2, Kernel::Avx512] {
        let faults = usable(kernel).then(|| machine::faults(OWASP[1], kernel));
        let what = format!("{}: {kernel}, page faults for each hash", OWASP[1]);
        bars.push(Bar::at_most(what, 0.0, faults.flatten().map(Spread::only)));
    }
    bars
}

/// What became of requests that came at a fixed rate, whatever the pool did.
#[derive(Debug, Default)]
pub(crate) struct Overload {
    pub(crate) times: f64,
    /// Hashes a second with as many callers as the queue and the threads hold.
    pub(crate) capacity: f64,
    /// Those that were hashed, by second.
    pub(crate) goodput: f64,
    /// Milliseconds from the arrival on.
    pub(crate) admitted: Vec<f64>,
    pub(crate) refused: Vec<f64>,
    pub(crate) without_retry_time: usize,
    pub(crate) queue: usize,
}

/// So many times the capacity, with a short queue.
pub(crate) fn overload(times: f64, length: Duration) -> Overload {
    const QUEUE: usize = 8;
    let cost: Cost = OWASP[1];
    let pool = Arc::new(pools::pool(cost, Kernel::detected(), QUEUE));
    let callers = QUEUE + pools::cores();
    let capacity = pools::throughput(&pool, callers, length.min(Duration::from_secs(3)));
    let outcome = Arc::new(Mutex::new(Overload {
        times,
        capacity,
        queue: QUEUE,
        ..Overload::default()
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let start = Instant::now();
    runtime.block_on(async {
        let mut requests = tokio::task::JoinSet::new();
        let mut number = 0.0;
        while start.elapsed() < length {
            let due = start + Duration::from_secs_f64(number / (capacity * times));
            tokio::time::sleep_until(due.into()).await;
            let (pool, outcome) = (Arc::clone(&pool), Arc::clone(&outcome));
            requests.spawn(async move {
                let acme = OrgId::new("acme").unwrap();
                let result = pool.hash(HashKind::Set, &acme, &password()).await;
                let milliseconds = due.elapsed().as_secs_f64() * 1e3;
                outcome.lock().unwrap().record(milliseconds, result);
            });
            number += 1.0;
            while requests.try_join_next().is_some() {}
        }
        while requests.join_next().await.is_some() {}
    });
    drop(runtime);
    let mut outcome = Arc::into_inner(outcome).unwrap().into_inner().unwrap();
    outcome.goodput = outcome.admitted.len() as f64 / start.elapsed().as_secs_f64();
    outcome.admitted.sort_by(f64::total_cmp);
    outcome.refused.sort_by(f64::total_cmp);
    outcome
}

impl Overload {
    fn record(&mut self, milliseconds: f64, result: Result<HashString, HashError>) {
        match result {
            Ok(_) => self.admitted.push(milliseconds),
            Err(HashError::Overloaded { retry_after }) => {
                self.refused.push(milliseconds);
                self.without_retry_time += usize::from(retry_after.is_zero());
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn bars(&self) -> [Bar; 3] {
        let (times, waiting) = (self.times, (self.queue + pools::cores()) as f64);
        let bound = 2.0 * 1e3 * waiting / self.capacity;
        let share = self.goodput / self.capacity;
        let measured = |value: f64| Some(Spread::only(value));
        let what = |what: &str| format!("{times} times overload: {what}");
        [
            Bar::at_least(what("goodput against capacity"), 0.95, measured(share)),
            Bar::at_most(
                what("p99 of the admitted, of 2 × (queue + workers) / rate"),
                1.0,
                measured(percentile(&self.admitted, 0.99) / bound),
            ),
            Bar::at_most(
                what("p99 of refusals, ms"),
                10.0,
                measured(percentile(&self.refused, 0.99)),
            ),
        ]
    }
}

pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted
        .get((last * share).round() as usize)
        .copied()
        .unwrap_or(0.0)
}

/// Megabytes of this process while 64 callers hash as fast as they can: seconds and MiB.
pub(crate) fn memory(fresh: bool, length: Duration) -> Vec<(f64, f64)> {
    let start = Instant::now();
    let cost = OWASP[1];
    thread::scope(|scope| {
        if fresh {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    let callers = crate::contenders::argon2id(cost)[0].callers(1);
                    let mut caller = callers.into_iter().next().unwrap();
                    while start.elapsed() < length {
                        caller();
                    }
                });
            }
        } else {
            scope.spawn(|| {
                let pool = Arc::new(pools::pool(cost, Kernel::detected(), 512));
                pools::throughput(&pool, CALLERS, length)
            });
        }
        let mut samples = Vec::new();
        while start.elapsed() < length {
            samples.push((start.elapsed().as_secs_f64(), machine::resident()));
            thread::sleep(Duration::from_millis(100));
        }
        samples
    })
}

/// As many as a blocking call on every request of a busy server.
const CALLERS: usize = 64;
