//! What a hash costs with every thread busy.

use std::{
    thread,
    time::{Duration, Instant},
};

use portcullis_argon2::{Arena, Argon2, Params, Variant, Version};

use crate::{
    BoxError,
    decide::{Machine, Objective, Sample, is_out_of_reach},
    progress::Progress,
};

/// Sizes in KiB, the floors of the standards among them.
const SIZES: [u32; 16] = [
    7_168, 9_216, 12_288, 16_384, 19_456, 24_576, 32_768, 47_104, 65_536, 98_304, 131_072, 196_608,
    262_144, 327_680, 393_216, 524_288,
];

/// From little memory to much, as far as it can matter, twice.
pub(crate) fn samples(
    objective: Objective,
    machine: Machine,
    progress: &Progress,
) -> Result<Vec<Sample>, BoxError> {
    let mut samples = Vec::new();
    for memory_kib in SIZES {
        let all = u64::from(memory_kib) * 1024 * machine.workers as u64;
        if all > machine.memory {
            break;
        }
        progress.say(&measuring(memory_kib, machine));
        let sample = sample(memory_kib, machine.workers)?;
        samples.push(sample);
        if is_out_of_reach(objective, machine, sample) {
            break;
        }
    }
    for first in &mut samples {
        progress.say(&format!("{}, again", measuring(first.memory_kib, machine)));
        *first = first.quieter(sample(first.memory_kib, machine.workers)?);
    }
    Ok(samples)
}

fn measuring(memory_kib: u32, machine: Machine) -> String {
    let (mebibytes, threads) = (memory_kib / 1024, machine.workers);
    format!("measuring {mebibytes} MiB on {threads} threads")
}

fn sample(memory_kib: u32, workers: usize) -> Result<Sample, BoxError> {
    let one = times(memory_kib, 1, workers)?;
    let three = times(memory_kib, 3, workers)?;
    let (first_pass, of_three) = (quantile(&one, 0.5), quantile(&three, 0.5));
    let slowest = |times: &[f64]| quantile(times, 0.99) / quantile(times, 0.5);
    Ok(Sample {
        memory_kib,
        first_pass,
        further_pass: ((of_three - first_pass) / 2.0).max(0.0),
        jitter: slowest(&one).max(slowest(&three)).clamp(1.0, MOST_JITTER),
    })
}

/// Seconds of each hash, in order of length.
fn times(memory_kib: u32, passes: u32, workers: usize) -> Result<Vec<f64>, BoxError> {
    let params = Params::new(memory_kib, passes, 1)?;
    let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params);
    let of_one_thread = || -> Result<Vec<f64>, portcullis_argon2::Error> {
        let (mut arena, mut times, mut tag) = (Arena::new(), Vec::new(), [0; 32]);
        let start = Instant::now();
        while times.len() <= LEAST_HASHES || start.elapsed() < LEAST_TIME {
            let start = Instant::now();
            argon2.hash_into(&mut arena, b"correct horse", b"battery staple..", &mut tag)?;
            times.push(start.elapsed().as_secs_f64());
        }
        // The first one maps the memory.
        Ok(times.split_off(1))
    };
    let mut all = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(of_one_thread)).collect();
        for thread in threads {
            let times = thread
                .join()
                .map_err(|_| "a thread died while it hashed")??;
            all.extend(times);
        }
        Ok::<_, BoxError>(())
    })?;
    all.sort_by(f64::total_cmp);
    Ok(all)
}

/// Of values in order; 0 if there are none.
#[expect(clippy::cast_possible_truncation, reason = "a place in a list")]
#[expect(clippy::cast_sign_loss, reason = "never negative")]
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    let place = (last * share).round() as usize;
    sorted.get(place).copied().unwrap_or(0.0)
}

const LEAST_HASHES: usize = 4;
const LEAST_TIME: Duration = Duration::from_millis(150);
/// One pause of the machine must not decide.
const MOST_JITTER: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_few_values() {
        assert!(quantile(&[], 0.5).abs() < 1e-12);
        assert!((quantile(&[3.0], 0.99) - 3.0).abs() < 1e-12);
        assert!((quantile(&[1.0, 2.0, 3.0], 0.5) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn sizes_ascend_and_have_the_floors() {
        assert!(SIZES.is_sorted());
        for floor in [7_168, 9_216, 12_288, 19_456, 47_104, 65_536] {
            assert!(SIZES.contains(&floor));
        }
    }
}
