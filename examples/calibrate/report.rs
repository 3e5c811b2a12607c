//! What came out, for people and for programs.

use std::fmt::{self, Display, Formatter};

use portcullis_argon2::Kernel;
use serde_json::{Value, json};

use crate::{
    decide::{Machine, Objective, Plan, Sample, Unmet},
    standard::Standard,
    trial::Measured,
};

/// A plan that was tried.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) objective: Objective,
    pub(crate) kernel: Kernel,
    pub(crate) samples: Vec<Sample>,
    pub(crate) plan: Plan,
    pub(crate) measured: Measured,
}

impl Report {
    pub(crate) fn is_met(&self) -> bool {
        self.measured.meets(self.objective.p99)
    }

    /// With the names that the example server's options have.
    pub(crate) fn to_json(&self) -> Value {
        let (objective, plan) = (self.objective, &self.plan);
        let floors = Standard::ALL.map(|standard| {
            json!({ "standard": standard.to_string(), "met": standard.accepts(plan.params) })
        });
        json!({
            "met": self.is_met(),
            "objective": {
                "p99_ms": objective.p99.as_secs_f64() * 1e3,
                "per_second": objective.per_second,
                "standard": objective.standard.to_string(),
            },
            "kernel": self.kernel.as_str(),
            "argon2": {
                "memory_kib": plan.params.memory_kib(),
                "passes": plan.params.passes(),
                "lanes": plan.params.lanes(),
                "text": plan.params.to_string(),
            },
            "hash_workers": plan.workers,
            "hash_queue": plan.queue,
            "hash_memory_mib": plan.memory.div_ceil(MIB),
            "hash_wait_ms": plan.wait.as_secs_f64() * 1e3,
            "floors": floors,
            "predicted": plan.expected,
            "measured": self.measured,
            "samples": self.samples,
        })
    }

    fn write_comparison(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (expected, measured) = (self.plan.expected, self.measured);
        writeln!(f, "\n{:<24}{:>12}{:>12}", "", "predicted", "measured")?;
        writeln!(f, "{:<24}{:>12.1}{:>12}", "hash, ms", expected.hash_ms, "")?;
        let rows = [
            ("request p50, ms", expected.p50_ms, measured.p50_ms),
            ("request p99, ms", expected.p99_ms, measured.p99_ms),
            ("capacity, hashes/s", expected.capacity, measured.capacity),
        ];
        for (what, predicted, measured) in rows {
            writeln!(f, "{what:<24}{predicted:>12.1}{measured:>12.1}")?;
        }
        writeln!(
            f,
            "{} requests in the trial, {} refused; {:.0} % of the capacity is used\n",
            measured.requests,
            measured.refused,
            expected.utilisation * 100.0
        )
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (objective, plan) = (self.objective, &self.plan);
        writeln!(
            f,
            "objective   99 of 100 in {:.0} ms at {} a second, floors of {}",
            objective.p99.as_secs_f64() * 1e3,
            objective.per_second,
            objective.standard
        )?;
        writeln!(f, "kernel      {}", self.kernel)?;
        writeln!(f, "parameters  {}", plan.params)?;
        for standard in Standard::ALL {
            let verdict = if standard.accepts(plan.params) {
                "met"
            } else {
                "not met"
            };
            writeln!(f, "            {standard}: {verdict}")?;
        }
        self.write_comparison(f)?;
        if !self.is_met() {
            writeln!(
                f,
                "The trial MISSED the objective. Is anything else running here?\n"
            )?;
        }
        writeln!(
            f,
            "identity-server --argon2 {} --hash-workers {} --hash-memory {} --hash-queue {} \
             --hash-wait {}",
            plan.params,
            plan.workers,
            plan.memory.div_ceil(MIB),
            plan.queue,
            plan.wait.as_millis().max(1)
        )
    }
}

/// Says what could be had instead.
pub(crate) fn unmet(unmet: Unmet, objective: Objective, machine: Machine) -> String {
    match unmet {
        Unmet::Memory => format!(
            "Nothing that {} accepts fits: {} threads share {} MiB. Give the process more memory, \
             or fewer cores.",
            objective.standard,
            machine.workers,
            machine.memory / MIB
        ),
        Unmet::Time(params, expected) => format!(
            "The objective cannot be met under {}.\nThe quickest that it accepts is {params}: \
             {:.1} ms for each hash, at most {:.0} a second on {} threads, of which {:.0} can be \
             planned with.\nAsk for less: a longer --p99-ms, a lower --per-second or another \
             --standard. Or give the process more cores.",
            objective.standard,
            expected.hash_ms,
            expected.capacity,
            machine.workers,
            expected.capacity * crate::decide::MOST_UTILISATION
        ),
    }
}

const MIB: u64 = 1024 * 1024;
