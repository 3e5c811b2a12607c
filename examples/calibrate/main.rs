//! Which Argon2id parameters this machine can afford, for an objective in milliseconds and
//! requests.
//!
//! ```text
//! cargo run --release --example calibrate -- --p99-ms 250 --per-second 50
//! ```
//!
//! It measures with every core busy, plans with the waiting times of a queue, and then tries the
//! plan. `--help` lists the options.

mod decide;
mod measure;
mod options;
mod plot;
mod progress;
mod queueing;
mod report;
mod standard;
mod trial;

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use clap::Parser;
use portcullis_argon2::Kernel;
use portcullis_core::HashPoolConfig;

use crate::{
    decide::{Machine, Plan, Sample, decide},
    options::Options,
    progress::Progress,
    report::Report,
    trial::Measured,
};

/// An error on its way to the operator.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, BoxError> {
    let objective = options.objective();
    // The defaults know the cores and the memory of the control group.
    let defaults = HashPoolConfig::default();
    let machine = Machine {
        workers: defaults.workers.get(),
        memory: defaults.memory,
    };
    let kernel = Kernel::in_use()?;
    let progress = Progress::new();
    let samples = measure::samples(objective, machine, &progress)?;
    let outcome = plan_and_try(options, machine, &samples, &progress)?;
    drop(progress);
    let (plan, measured) = match outcome {
        Ok(outcome) => outcome,
        Err(unmet) => return refuse(options, &report::unmet(unmet, objective, machine)),
    };
    let report = Report {
        objective,
        kernel,
        samples,
        plan,
        measured,
    };
    let mut out = stdout().lock();
    if options.json {
        writeln!(out, "{:#}", report.to_json())?;
    } else {
        write!(out, "{report}")?;
    }
    if let Some(path) = &options.plot {
        plot::draw(&report, path)?;
    }
    Ok(if report.is_met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn refuse(options: &Options, reason: &str) -> Result<ExitCode, BoxError> {
    let mut out = stdout().lock();
    if options.json {
        let answer = serde_json::json!({ "met": false, "reason": reason });
        writeln!(out, "{answer:#}")?;
    } else {
        writeln!(out, "{reason}")?;
    }
    Ok(ExitCode::FAILURE)
}

type Outcome = Result<(Plan, Measured), decide::Unmet>;

/// Where the trial is slower than the plan, the plan is made anew for hashes that are that much
/// slower.
fn plan_and_try(
    options: &Options,
    machine: Machine,
    samples: &[Sample],
    progress: &Progress,
) -> Result<Outcome, BoxError> {
    let objective = options.objective();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()?;
    let mut slack = 1.0;
    let mut tried = None;
    for _ in 0..TRIALS {
        let plan = match decide(objective, machine, samples, slack) {
            Ok(plan) => plan,
            // A trial that missed says more than the plan that there is none.
            Err(unmet) => return Ok(tried.ok_or(unmet)),
        };
        progress.say(&format!("trying {} for {:?}", plan.params, options.trial()));
        let trial = trial::run(&plan, objective.per_second, options.trial());
        let measured = runtime.block_on(trial)?;
        tried = Some((plan, measured));
        if measured.meets(objective.p99) {
            break;
        }
        slack *= (measured.p99_ms / plan.expected.p99_ms).clamp(1.05, 1.5);
    }
    tried.map(Ok).ok_or_else(|| "no trial was made".into())
}

const TRIALS: usize = 3;
