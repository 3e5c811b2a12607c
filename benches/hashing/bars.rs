//! What was promised, and whether it holds here.

use portcullis_argon2::Kernel;

use crate::{
    contenders::{ARGON2_RUST_HASHER, CRATE_FRESH, CRATE_KEPT, Cost, ONE_LANE, OWASP, ours},
    contest::{Spread, Times},
};

/// One promise.
pub(crate) struct Bar {
    pub(crate) what: String,
    bound: Bound,
    /// Nothing where the machine cannot do it.
    measured: Option<Spread>,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    pub(crate) const fn at_least(what: String, bound: f64, measured: Option<Spread>) -> Self {
        let bound = Bound::AtLeast(bound);
        Self {
            what,
            bound,
            measured,
        }
    }

    pub(crate) const fn at_most(what: String, bound: f64, measured: Option<Spread>) -> Self {
        let bound = Bound::AtMost(bound);
        Self {
            what,
            bound,
            measured,
        }
    }

    /// What cannot be measured here is not missed.
    pub(crate) fn is_held(&self) -> bool {
        let measured = self.measured.map(|spread| spread.median);
        measured.is_none_or(|measured| match self.bound {
            Bound::AtLeast(bound) => measured >= bound,
            Bound::AtMost(bound) => measured <= bound,
        })
    }

    /// A row of Markdown.
    pub(crate) fn row(&self) -> String {
        let (sign, bound) = match self.bound {
            Bound::AtLeast(bound) => ('≥', bound),
            Bound::AtMost(bound) => ('≤', bound),
        };
        let (measured, verdict) = match self.measured {
            None => (String::new(), "not on this machine"),
            Some(spread) if self.is_held() => (spread.to_string(), "held"),
            Some(spread) => (spread.to_string(), "**MISSED**"),
        };
        format!(
            "| {} | {sign} {bound} | {measured} | {verdict} |",
            self.what
        )
    }
}

/// Cost, AVX-512 against the crate, AVX2 against the crate, AVX-512 against argon2-rust.
const RATIOS: [(Cost, f64, f64, f64); 4] = [
    (OWASP[1], 0.32, 0.58, 0.85),
    (OWASP[0], 0.165, 0.30, 0.87),
    (OWASP[4], 0.28, 0.57, 0.85),
    (ONE_LANE, 0.32, 0.52, 0.85),
];

/// The promises about one caller, from the contests with one.
pub(crate) fn of_one_caller(contests: &[(Cost, Vec<Times>)]) -> Vec<Bar> {
    let mut bars = Vec::new();
    let alone = |cost: Cost| {
        let found = contests.iter().find(|(other, _)| *other == cost);
        found.and_then(|(_, times)| times.iter().find(|times| times.callers == 1))
    };
    let against_crate = |cost, kernel: Kernel, bound| {
        let ratio = alone(cost).and_then(|times| times.ratio(&ours(kernel), CRATE_FRESH));
        let what = format!("{cost}: {kernel} against the argon2 crate, time");
        Bar::at_most(what, bound, ratio)
    };
    for (cost, bound, ..) in RATIOS {
        bars.push(against_crate(cost, Kernel::Avx512, bound));
    }
    for (cost, _, bound, _) in RATIOS {
        bars.push(against_crate(cost, Kernel::Avx2, bound));
    }
    for (cost, .., bound) in RATIOS {
        let avx512 = ours(Kernel::Avx512);
        let ratio = alone(cost).and_then(|times| times.ratio(&avx512, ARGON2_RUST_HASHER));
        let what = format!("{cost}: avx512 against argon2-rust's Hasher, time");
        bars.push(Bar::at_most(what, bound, ratio));
    }
    let portable = ours(Kernel::Portable);
    let ratio = alone(OWASP[1]).and_then(|times| times.ratio(CRATE_KEPT, &portable));
    let what = format!(
        "{}: portable against the crate on kept memory, throughput",
        OWASP[1]
    );
    bars.push(Bar::at_least(what, 0.97, ratio));
    bars
}
