//! What hashing costs: ours by every kernel, the other libraries, and other functions.
//!
//! ```text
//! cargo bench -p portcullis-benches --bench hash [-- --quick] [--report] [--all]
//! ```
//!
//! It takes several minutes, with `--quick` about two. `--report` writes
//! `benches/report/`: tables and pictures. `--all` adds the first recommendation of RFC 9106, which
//! takes 2 GiB for each hash. It exits with 1 if a bar is missed.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]
#![expect(clippy::panic, reason = "a bench reports by panicking")]
#![expect(clippy::indexing_slicing, reason = "a bench reports by panicking")]
#![expect(clippy::cast_possible_truncation, reason = "places in short lists")]

mod bars;
mod contenders;
mod contest;
mod load;
mod machine;
mod plots;
mod pools;
mod report;
mod served;
mod server;

use std::{
    env, fs,
    io::{Write, stdout},
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use contenders::{Contender, Cost, ONE_LANE, OWASP, RFC, RFC_FIRST};
use contest::{Effort, Times};
use machine::Ticks;
use report::Results;

#[derive(Debug, Default)]
struct Options {
    quick: bool,
    report: bool,
    all: bool,
}

fn main() -> ExitCode {
    let mut options = Options::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--quick" => options.quick = true,
            "--report" => options.report = true,
            "--all" => options.all = true,
            // A process of its own, so that nothing else is in its memory.
            FRESH | POOL => return sample_memory(argument == FRESH),
            server::SERVE => return server::serve(arguments),
            _ => {
                eprintln!("usage: cargo bench --bench hash [-- [--quick] [--report] [--all]]");
                return ExitCode::from(2);
            }
        }
    }
    let results = measure(&options);
    let mut out = stdout().lock();
    writeln!(out, "{}", results.to_markdown(false)).unwrap();
    if options.report {
        write(&results);
    }
    if results.all_held() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn measure(options: &Options) -> Results {
    let (start, ticks) = (Instant::now(), Ticks::now());
    let say = |what: &str| eprintln!("{:4} s  {what}", start.elapsed().as_secs());
    let contests = contests(options, say);
    say("other functions");
    let mut others = contenders::argon2id(OWASP[1]);
    others.truncate(1);
    others.push(contenders::argon2id(OWASP[1]).pop().unwrap());
    others.extend(contenders::other_functions());
    let others = by_callers(&others, &callers(options, RFC), options);
    say("16 callers, page faults");
    let mut bars = bars::of_one_caller(&contests);
    bars.extend(load::bars(if options.quick { 4 } else { 14 }));
    say("the service");
    bars.extend(served::bars(served::Effort::new(options.quick)));
    say("overload");
    let seconds = Duration::from_secs(if options.quick { 3 } else { 60 });
    let overloads = [4.0, 10.0]
        .map(|times| load::overload(times, seconds))
        .into();
    let mut results = Results {
        contests,
        others,
        overloads,
        memory: None,
        bars,
        elsewhere: None,
        command: if options.quick { QUICK } else { FULL },
    };
    let of_overload = results.overloads.iter().flat_map(load::Overload::bars);
    results.bars.extend(of_overload);
    results.elsewhere = Ticks::now()
        .zip(ticks)
        .map(|(now, then)| now.elsewhere_since(then, start.elapsed().as_secs_f64()));
    if options.report {
        say("memory over time");
        results.memory = Some([FRESH, POOL].map(memory_of_child));
    }
    say("done");
    results
}

fn contests(options: &Options, say: impl Fn(&str) + Copy) -> Vec<(Cost, Vec<Times>)> {
    let mut contests = Vec::new();
    for cost in OWASP.into_iter().chain([RFC]) {
        say(&format!("Argon2id, {cost}"));
        let mut contenders = contenders::argon2id(cost);
        contenders.push(contenders::admitted(cost));
        contenders::assert_agreement(&contenders);
        contests.push((
            cost,
            by_callers(&contenders, &callers(options, cost), options),
        ));
    }
    contests.push(alone(ONE_LANE, options, say));
    if options.all {
        contests.push(alone(RFC_FIRST, options, say));
    }
    contests
}

/// One caller, and no pool: a hash of this size fits into none of them.
fn alone(cost: Cost, options: &Options, say: impl Fn(&str)) -> (Cost, Vec<Times>) {
    say(&format!("Argon2id, {cost}"));
    let contenders = contenders::argon2id(cost);
    let needed = contenders.len() as u64 * u64::from(cost.memory);
    assert!(
        needed < machine::free_memory(),
        "there is not enough memory for {cost}"
    );
    contenders::assert_agreement(&contenders);
    (cost, by_callers(&contenders, &[1], options))
}

fn callers(options: &Options, cost: Cost) -> Vec<usize> {
    match (options.quick, cost == RFC) {
        (false, _) => vec![1, 2, 4, 8],
        (true, false) => vec![1, 8],
        (true, true) => vec![1],
    }
}

fn by_callers(contenders: &[Contender], callers: &[usize], options: &Options) -> Vec<Times> {
    let effort = |callers: usize| match (options.quick, callers) {
        (false, 1) => Effort {
            rounds: 7,
            time: Duration::from_secs(5),
        },
        (false, _) => Effort {
            rounds: 3,
            time: Duration::from_millis(2500),
        },
        (true, 1) => Effort {
            rounds: 3,
            time: Duration::from_secs(1),
        },
        (true, _) => Effort {
            rounds: 1,
            time: Duration::from_millis(500),
        },
    };
    let contests = callers
        .iter()
        .map(|&callers| contest::run(contenders, callers, effort(callers)));
    contests.collect()
}

fn write(results: &Results) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("report");
    fs::create_dir_all(&directory).unwrap();
    for (name, text) in plots::all(results) {
        fs::write(directory.join(name), text).unwrap();
    }
    fs::write(directory.join("README.md"), results.to_markdown(true)).unwrap();
}

fn sample_memory(fresh: bool) -> ExitCode {
    let mut out = stdout().lock();
    for (seconds, mebibytes) in load::memory(fresh, Duration::from_secs(5)) {
        writeln!(out, "{seconds} {mebibytes}").unwrap();
    }
    ExitCode::SUCCESS
}

fn memory_of_child(which: &str) -> Vec<(f64, f64)> {
    let output = Command::new(env::current_exe().unwrap())
        .arg(which)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let samples = text.lines().map(|line| {
        let (seconds, mebibytes) = line.split_once(' ').unwrap();
        (seconds.parse().unwrap(), mebibytes.parse().unwrap())
    });
    samples.collect()
}

const FRESH: &str = "--memory-of-fresh";
const POOL: &str = "--memory-of-pool";
const FULL: &str = "cargo bench -p portcullis-benches --bench hash -- --report";
const QUICK: &str = "cargo bench -p portcullis-benches --bench hash -- --quick --report";
