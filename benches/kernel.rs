//! What a hash costs with each kernel, beside the `argon2` crate as it is commonly used.
//!
//! `cargo bench -p portcullis-benches --bench kernel [-- --rounds=N]`
//!
//! The crate allocates its memory for every hash, as `hash_password_into` does; ours keeps an
//! arena and wipes it, within what is measured. They take turns, and ratios are made round by
//! round, so that a busy neighbour meets both; the median and the quartiles are reported.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]
#![expect(clippy::indexing_slicing, reason = "a bench reports by panicking")]

use std::{
    env,
    io::{Write, stdout},
    time::{Duration, Instant},
};

use portcullis_argon2::{Arena, Argon2, Kernel, Params, Speed, Variant, Version};

/// Memory in KiB and passes, and the most that AVX2 and AVX-512 may take of the crate's time.
const SETTINGS: [(u32, u32, f64, f64); 4] = [
    (19_456, 2, 0.58, 0.32),
    (47_104, 1, 0.30, 0.165),
    (7_168, 5, 0.57, 0.28),
    (65_536, 3, 0.52, 0.32),
];

const PASSWORD: &[u8] = b"Secret-1234";
const SALT: &[u8] = b"sixteen bytes...";

fn main() {
    let rounds = env::args().find_map(|argument| argument.strip_prefix("--rounds=")?.parse().ok());
    let mut out = stdout().lock();
    for kernel in Kernel::available() {
        let speed = Speed::measure_kernel(kernel).unwrap();
        writeln!(out, "{speed}").unwrap();
    }
    for setting in SETTINGS {
        contest(setting, rounds.unwrap_or(15), &mut out);
    }
}

fn contest(
    (memory, passes, avx2, avx512): (u32, u32, f64, f64),
    rounds: usize,
    out: &mut impl Write,
) {
    let params = argon2::Params::new(memory, passes, 1, Some(32)).unwrap();
    let theirs = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let params = Params::new(memory, passes, 1).unwrap();
    let ours = Argon2::new(Variant::Argon2id, Version::V0x13, params);
    let kernels = Kernel::available();
    let mut arena = Arena::with_blocks(params.blocks()).unwrap();
    let mut ratios = vec![Vec::new(); kernels.len()];
    let mut times = vec![Vec::new(); kernels.len()];
    // The first round warms up.
    for round in 0..=rounds {
        let mut expected = [0; 32];
        let crates = timed(|| {
            theirs
                .hash_password_into(PASSWORD, SALT, &mut expected)
                .unwrap()
        });
        for (number, kernel) in kernels.iter().enumerate() {
            let (ours, mut tag) = (ours.with_kernel(*kernel), [0; 32]);
            let time = timed(|| {
                ours.hash_into(&mut arena, PASSWORD, SALT, &mut tag)
                    .unwrap()
            });
            assert_eq!(tag, expected);
            if round > 0 {
                ratios[number].push(time.as_secs_f64() / crates.as_secs_f64());
                times[number].push(time.as_secs_f64() * 1e3);
            }
        }
    }
    for (number, kernel) in kernels.iter().enumerate() {
        let bar = match kernel {
            Kernel::Avx2 => avx2,
            Kernel::Avx512 => avx512,
            _ => 1.0,
        };
        let [low, median, high] = quartiles(&mut ratios[number]);
        let [_, time, _] = quartiles(&mut times[number]);
        let verdict = if median <= bar { "held" } else { "MISSED" };
        let cost = format!("m={memory},t={passes}");
        writeln!(
            out,
            "{cost:<12} {kernel:<8} {time:>7.2} ms, {median:.3} [{low:.3} to {high:.3}] of the \
             crate's time, at most {bar}: {verdict}"
        )
        .unwrap();
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}
