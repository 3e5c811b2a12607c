//! Everything that was measured, as Markdown.

use std::fmt::Write;

use crate::{
    bars::Bar,
    contenders::{ARGON2_RUST_HASHER, CRATE_FRESH, Cost},
    contest::Times,
    load::{Overload, percentile},
    machine,
};

/// All results of one run.
pub(crate) struct Results {
    pub(crate) contests: Vec<(Cost, Vec<Times>)>,
    pub(crate) others: Vec<Times>,
    pub(crate) overloads: Vec<Overload>,
    /// On fresh memory and through the pool: seconds and MiB.
    pub(crate) memory: Option<[Vec<(f64, f64)>; 2]>,
    pub(crate) bars: Vec<Bar>,
    /// How much of a core other programs used meanwhile.
    pub(crate) elsewhere: Option<f64>,
    pub(crate) command: &'static str,
}

impl Results {
    pub(crate) fn all_held(&self) -> bool {
        self.bars.iter().all(Bar::is_held)
    }

    pub(crate) fn to_markdown(&self, pictures: bool) -> String {
        let mut text = format!(
            "# What hashing costs\n\nWritten by `{}`.\n\nMeasured on: {}.\n\n{METHOD}\n",
            self.command,
            machine::description(),
        );
        if let Some(cores) = self.elsewhere {
            let _infallible = write!(text, "\nMeanwhile other programs used {cores:.2} cores.\n");
        }
        self.bars_table(&mut text);
        if pictures {
            for (file, what) in self.pictures() {
                let _infallible = write!(text, "\n![{what}]({file})\n");
            }
        }
        for (cost, contests) in &self.contests {
            let _infallible = write!(text, "\n## Argon2id, {cost}\n\n");
            contest_table(&mut text, contests);
        }
        text.push_str("\n## Other functions\n\nEach at what OWASP asks for, bcrypt also at 12. ");
        text.push_str(
            "One implementation each, so there is nothing that they could agree with.\n\n",
        );
        contest_table(&mut text, &self.others);
        self.overload_table(&mut text);
        text.push_str(ELSEWHERE);
        text
    }

    fn bars_table(&self, text: &mut String) {
        text.push_str("\n## Promises\n\n| what | bar | measured | |\n|---|---|---|---|\n");
        for bar in &self.bars {
            let _infallible = writeln!(text, "{}", bar.row());
        }
    }

    fn pictures(&self) -> Vec<(&'static str, &'static str)> {
        let mut pictures = vec![
            (
                "cost.svg",
                "What one hash costs at 19 MiB, t=2, and by other functions",
            ),
            (
                "time-by-memory.svg",
                "Time of one hash over the memory it uses",
            ),
            (
                "throughput.svg",
                "Hashes a second over the number of callers",
            ),
            ("overload.svg", "Latency under overload, by percentile"),
        ];
        if self.memory.is_some() {
            pictures.push((
                "memory.svg",
                "Memory of the process over time, with 64 callers",
            ));
        }
        pictures
    }

    fn overload_table(&self, text: &mut String) {
        text.push_str(OVERLOAD);
        for load in &self.overloads {
            let at = |times: &[f64], share| percentile(times, share);
            let _infallible = writeln!(
                text,
                "| {} | {:.0} | {:.0} | {:.0} / {:.0} | {:.2} / {:.2} | {} of {} |",
                load.times,
                load.capacity,
                load.goodput,
                at(&load.admitted, 0.5),
                at(&load.admitted, 0.99),
                at(&load.refused, 0.5),
                at(&load.refused, 0.99),
                load.refused.len() - load.without_retry_time,
                load.refused.len(),
            );
        }
    }
}

fn contest_table(text: &mut String, contests: &[Times]) {
    let Some((alone, together)) = contests.split_first() else {
        return;
    };
    let has_hasher = alone.names().any(|name| name == ARGON2_RUST_HASHER);
    text.push_str("| | ms alone | time against the crate |");
    if has_hasher {
        text.push_str(" against argon2-rust's Hasher |");
    }
    for times in together {
        let _infallible = write!(text, " hashes/s, {} callers | against |", times.callers);
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(2 + usize::from(has_hasher) + 2 * together.len()));
    for name in alone.names() {
        let time = alone.milliseconds(name).unwrap();
        let ratio = alone.ratio(name, CRATE_FRESH).unwrap();
        let _infallible = write!(text, "\n| {name} | {time:.1} | {ratio} |");
        if let Some(ratio) = alone.ratio(name, ARGON2_RUST_HASHER) {
            let _infallible = write!(text, " {ratio:.2} |");
        }
        for times in together {
            let rate = 1e3 / times.milliseconds(name).unwrap().median;
            let ratio = times.ratio(name, CRATE_FRESH).unwrap();
            let _infallible = write!(text, " {rate:.1} | {ratio:.2} |");
        }
    }
    let rounds: Vec<_> = contests
        .iter()
        .map(|times| times.rounds().to_string())
        .collect();
    let _infallible = writeln!(text, "\n\nRounds that count: {}.", rounds.join(", "));
}

const METHOD: &str = "\
All contenders take turns in one process, in a new order in every round, on as many threads as \
there are callers. All computed the same tag before anything was timed. Ratios are made round by \
round; what is shown is the median and, in brackets, the quartiles of the quieter half of the \
rounds. Ours wipes its memory after \
each hash, as argon2-rust does; the argon2 crate and rust-argon2 do not. Lanes are computed one \
after the other on one thread. \"Kept memory\" is a vector that is used again, on ordinary pages. \
`HashPool` is what servers hash through: as many threads as cores, however many callers there are. \
Ratios carry over to other machines of the kind; milliseconds do not.";

const OVERLOAD: &str = "
## More requests than can be served

At 19 MiB, t=2 through `HashPool`, with a queue of 8. Requests come at a fixed rate, whatever \
becomes of them, and time counts from when each was due. What sends the requests shares the cores.

| × capacity | capacity, hashes/s | goodput | admitted: p50 / p99, ms | refused: p50 / p99, ms | \
refused with a retry time |
|---:|---:|---:|---:|---:|---:|
";

const ELSEWHERE: &str = "
## What is not measured here

What the service adds to a hash, in time of the processor, is in the bench `service`. The C libraries are not called: this
workspace has foreign code in one crate only.
";
