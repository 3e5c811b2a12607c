//! From measurements and an objective to parameters. Nothing here measures.

use std::time::Duration;

use portcullis_core::Argon2Params;
use serde::Serialize;

use crate::{queueing::Queueing, standard::Standard};

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Objective {
    pub(crate) p99: Duration,
    pub(crate) per_second: f64,
    pub(crate) standard: Standard,
}

/// What there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) workers: usize,
    /// Bytes that all running hashes may take together.
    pub(crate) memory: u64,
}

/// The cost at one size of memory, with every thread busy.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    pub(crate) memory_kib: u32,
    /// Seconds of a hash with one pass.
    pub(crate) first_pass: f64,
    /// Seconds of every further one.
    pub(crate) further_pass: f64,
    /// How much longer than the median the slowest hashes took.
    pub(crate) jitter: f64,
}

impl Sample {
    pub(crate) fn seconds(&self, passes: u32) -> f64 {
        self.first_pass + f64::from(passes.saturating_sub(1)) * self.further_pass
    }

    /// The better of two measurements in each part. What else runs on the machine can only make a
    /// hash slower, and it seldom hits both.
    pub(crate) const fn quieter(self, other: Self) -> Self {
        Self {
            memory_kib: self.memory_kib,
            first_pass: self.first_pass.min(other.first_pass),
            further_pass: self.further_pass.min(other.further_pass),
            jitter: self.jitter.min(other.jitter),
        }
    }
}

/// Settings, and what is expected of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) params: Argon2Params,
    pub(crate) workers: usize,
    pub(crate) queue: usize,
    pub(crate) memory: u64,
    pub(crate) wait: Duration,
    pub(crate) expected: Expected,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Expected {
    pub(crate) hash_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) capacity: f64,
    pub(crate) utilisation: f64,
}

/// Why there is no plan, and what comes nearest.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unmet {
    /// Nothing that the standard accepts fits into the memory.
    Memory,
    /// The cheapest parameters that the standard accepts, with these expectations.
    Time(Argon2Params, Expected),
}

/// The parameters that cost an attacker most among those that meet the objective.
///
/// An attacker pays for memory and for how long it is held, so the measure is memory × memory ×
/// passes. That leads to much memory and few passes, as in RFC 9106. `slack` is by how much
/// hashes were slower under load than here, 1 if that is not known.
pub(crate) fn decide(
    objective: Objective,
    machine: Machine,
    samples: &[Sample],
    slack: f64,
) -> Result<Plan, Unmet> {
    let candidates = candidates(objective.standard, machine, samples, objective, slack);
    let met = candidates.iter().filter(|(_, expected, _)| {
        expected.p99_ms <= objective.p99.as_secs_f64() * 1e3
            && expected.utilisation <= MOST_UTILISATION
    });
    let best = met.max_by(|a, b| strength(a.0).cmp(&strength(b.0)));
    if let Some((params, expected, jitter)) = best {
        return Ok(plan(*params, *expected, *jitter, objective, machine));
    }
    let nearest = candidates
        .iter()
        .min_by(|a, b| a.1.hash_ms.total_cmp(&b.1.hash_ms));
    Err(nearest.map_or(Unmet::Memory, |(params, expected, _)| {
        Unmet::Time(*params, *expected)
    }))
}

/// Whether a single pass is already more than can be planned with. More memory takes longer still.
pub(crate) fn is_out_of_reach(objective: Objective, machine: Machine, sample: Sample) -> bool {
    let expected = expected(sample.first_pass, 1.0, objective, machine);
    expected.hash_ms > objective.p99.as_secs_f64() * 1e3 || expected.utilisation > 1.0
}

/// Everything that the standard accepts and the memory holds.
fn candidates(
    standard: Standard,
    machine: Machine,
    samples: &[Sample],
    objective: Objective,
    slack: f64,
) -> Vec<(Argon2Params, Expected, f64)> {
    let pairs = samples
        .iter()
        .flat_map(|sample| (1..=10).map(move |passes| (sample, passes)));
    let fitting = pairs.filter_map(|(sample, passes)| {
        let params = Argon2Params::new(sample.memory_kib, passes, 1).ok()?;
        let needed = bytes(params).saturating_mul(machine.workers as u64);
        let allowed = standard.accepts(params) && needed <= machine.memory;
        let seconds = sample.seconds(passes) * slack;
        allowed.then(|| {
            let expected = expected(seconds, sample.jitter, objective, machine);
            (params, expected, sample.jitter)
        })
    });
    fitting.collect()
}

fn expected(seconds: f64, jitter: f64, objective: Objective, machine: Machine) -> Expected {
    let queueing = Queueing {
        workers: machine.workers,
        arrivals: objective.per_second,
        seconds,
    };
    Expected {
        hash_ms: seconds * 1e3,
        p50_ms: (queueing.wait(0.5) + seconds) * 1e3,
        p99_ms: (queueing.wait(0.01) + seconds * jitter) * 1e3,
        capacity: queueing.capacity(),
        utilisation: queueing.utilisation(),
    }
}

/// The queue is as long as may wait and still be answered in time: refusing the next one at once
/// is better than answering it too late.
fn plan(
    params: Argon2Params,
    expected: Expected,
    jitter: f64,
    objective: Objective,
    machine: Machine,
) -> Plan {
    let slowest = expected.hash_ms / 1e3 * jitter;
    let spare = (objective.p99.as_secs_f64() - slowest).max(0.0);
    let queue = whole(spare * expected.capacity).max(machine.workers);
    Plan {
        params,
        workers: machine.workers,
        queue,
        memory: bytes(params).saturating_mul(machine.workers as u64),
        wait: Duration::from_secs_f64(spare.max(1e-3)),
        expected,
    }
}

const fn strength(params: Argon2Params) -> u64 {
    let memory = params.memory_kib() as u64;
    memory * memory * params.passes() as u64
}

const fn bytes(params: Argon2Params) -> u64 {
    params.memory_kib() as u64 * 1024
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` ends at the largest number"
)]
#[expect(clippy::cast_sign_loss, reason = "never negative")]
const fn whole(value: f64) -> usize {
    value as usize
}

/// Beyond this, small errors of the measurement are large errors of the waiting times.
pub(crate) const MOST_UTILISATION: f64 = 0.7;

#[cfg(test)]
mod tests;
