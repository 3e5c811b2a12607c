//! Everything that was measured, as pictures.

use portcullis_argon2::Kernel;
use portcullis_chart::{Axis, Bars, Lines, Series};

use crate::{
    contenders::{ADMITTED, CRATE_FRESH, Cost, OWASP, ours},
    contest::Times,
    load::percentile,
    report::Results,
};

/// File names and what is in them.
pub(crate) fn all(results: &Results) -> Vec<(&'static str, String)> {
    let mut plots = vec![
        ("cost.svg", cost(results)),
        ("time-by-memory.svg", time_by_memory(results)),
        ("throughput.svg", throughput(results)),
        ("overload.svg", overload(results)),
    ];
    plots.extend(
        results
            .memory
            .as_ref()
            .map(|[fresh, pool]| ("memory.svg", memory(fresh, pool))),
    );
    plots
}

/// At OWASP's second setting, and the other functions.
fn cost(results: &Results) -> String {
    let note = "one caller, medians; Argon2id at 19 MiB, t=2 where nothing else is said";
    let mut chart = Bars::new("What one hash costs", "milliseconds").with_note(note);
    let (argon2, others) = (contests(results, OWASP[1])[0], &results.others[0]);
    let mut bars: Vec<(&str, f64)> = Vec::new();
    for times in [argon2, others] {
        for name in times.names() {
            if name != ADMITTED && bars.iter().all(|(other, _)| *other != name) {
                bars.push((name, times.milliseconds(name).unwrap().median));
            }
        }
    }
    bars.sort_by(|a, b| a.1.total_cmp(&b.1));
    for (name, value) in bars {
        chart = chart.with(name, value, name == ours(Kernel::detected()));
    }
    chart.to_svg()
}

fn time_by_memory(results: &Results) -> String {
    let x = Axis::linear("memory, MiB (with 5, 4, 3, 2 and 1 passes)");
    let x = x.with_ticks(OWASP.map(Cost::mebibytes));
    let mut chart = Lines::new(
        "Time against memory",
        x,
        Axis::linear("time of one hash, ms"),
    )
    .with_note("the five settings of OWASP's cheat sheet, one caller, medians");
    for name in ours_first(contests(results, OWASP[1])[0]) {
        if name == ADMITTED {
            continue;
        }
        let points = OWASP.iter().rev().map(|cost| {
            let time = contests(results, *cost)[0].milliseconds(name).unwrap();
            (cost.mebibytes(), time.median)
        });
        chart = chart.with(marked(name, points));
    }
    chart.to_svg()
}

fn throughput(results: &Results) -> String {
    let contests = contests(results, OWASP[1]);
    let ticks = contests.iter().map(|times| times.callers as f64);
    let x = Axis::logarithmic("callers at once").with_ticks(ticks);
    let mut chart = Lines::new(
        "Throughput against callers",
        x,
        Axis::linear("hashes a second"),
    )
    .with_note("Argon2id at 19 MiB, t=2, medians; HashPool has as many threads as cores");
    for name in ours_first(contests[0]) {
        let points = contests.iter().map(|times| {
            let rate = 1e3 / times.milliseconds(name).unwrap().median;
            (times.callers as f64, rate)
        });
        chart = chart.with(marked(name, points));
    }
    chart.to_svg()
}

fn overload(results: &Results) -> String {
    let (x, y) = (
        Axis::linear("percentile").with_ticks([0.0, 25.0, 50.0, 75.0, 90.0, 99.0]),
        Axis::logarithmic("time until the answer, ms"),
    );
    let mut chart = Lines::new("Latency under overload", x, y)
        .with_note("Argon2id at 19 MiB, t=2 through HashPool, a queue of 8, open loop");
    for load in &results.overloads {
        for (what, times) in [("admitted", &load.admitted), ("refused", &load.refused)] {
            let shares = [1, 10, 25, 50, 75, 90, 95, 99].map(f64::from);
            let points = shares.map(|share| (share, percentile(times, share / 100.0).max(1e-3)));
            let name = format!("{what}, {} × capacity", load.times);
            let series = Series::new(&name, points);
            let ours = what == "admitted";
            chart = chart.with(if ours { series.strong() } else { series });
        }
    }
    chart.to_svg()
}

fn memory(fresh: &[(f64, f64)], pool: &[(f64, f64)]) -> String {
    let (x, y) = (
        Axis::linear("seconds"),
        Axis::linear("resident memory, MiB"),
    );
    Lines::new("Memory over time with 64 callers", x, y)
        .with_note(
            "Argon2id at 19 MiB, t=2; 64 threads with fresh memory, and 64 behind a HashPool",
        )
        .with(Series::new(ADMITTED, pool.iter().copied()).strong())
        .with(Series::new(CRATE_FRESH, fresh.iter().copied()))
        .to_svg()
}

fn contests(results: &Results, cost: Cost) -> Vec<&Times> {
    let found = results.contests.iter().find(|(other, _)| *other == cost);
    found.map(|(_, times)| times.iter().collect()).unwrap()
}

/// So that ours have the same colours in every picture.
fn ours_first(times: &Times) -> Vec<&str> {
    let mut names: Vec<_> = times.names().collect();
    let best = ours(Kernel::detected());
    names.sort_by_key(|name| (!is_ours(name), *name == ADMITTED, *name != best));
    names
}

fn is_ours(name: &str) -> bool {
    name.starts_with("portcullis")
}

fn marked(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Series {
    let series = Series::new(name, points);
    if is_ours(name) {
        series.strong()
    } else {
        series
    }
}
