//! Contenders in turns, and what is made of their times.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use crate::contenders::{Caller, Contender};

/// How long one contest goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
}

/// Seconds for each hash, by contender and round.
pub(crate) struct Times {
    names: Vec<String>,
    pub(crate) callers: usize,
    seconds: Vec<Vec<f64>>,
}

/// So many callers at once, each contender alone, all of them in a new order in every round.
pub(crate) fn run(contenders: &[Contender], callers: usize, effort: Effort) -> Times {
    let mut teams: Vec<Vec<Caller>> = contenders
        .iter()
        .map(|contender| contender.callers(callers))
        .collect();
    let mut seconds = vec![Vec::new(); teams.len()];
    // The first round maps memory and fills caches, and is not counted.
    for team in &mut teams {
        time(team);
    }
    let start = Instant::now();
    for round in 0.. {
        if round >= effort.rounds && start.elapsed() >= effort.time {
            break;
        }
        for turn in shuffled(teams.len()) {
            seconds[turn].push(time(&mut teams[turn]));
        }
    }
    Times {
        names: contenders
            .iter()
            .map(|contender| contender.name.clone())
            .collect(),
        callers,
        seconds: quieter(&seconds),
    }
}

/// The half of the rounds in which least happened beside them: in which all contenders together
/// were quickest, each measured by its own mean.
pub(crate) fn quieter(seconds: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    let means: Vec<f64> = seconds.iter().map(|times| mean(times)).collect();
    let together = |round: usize| -> f64 {
        let shares = seconds.iter().zip(&means);
        shares.map(|(times, mean)| times[round] / mean).sum()
    };
    let mut rounds: Vec<usize> = (0..seconds[0].len()).collect();
    rounds.sort_by(|a, b| together(*a).total_cmp(&together(*b)));
    rounds.truncate(rounds.len().div_ceil(2));
    let of_quiet = |times: &Vec<f64>| rounds.iter().map(|round| times[*round]).collect();
    seconds.iter().map(of_quiet).collect()
}

/// Seconds of wall time for each hash of a team.
fn time(team: &mut [Caller]) -> f64 {
    // Two callers alone end at different times; over more hashes that matters less.
    let each = if team.len() == 2 { 2 } else { 1 };
    let hashes = team.len() * each;
    let start = Instant::now();
    match team {
        [alone] => {
            black_box(alone());
        }
        team => thread::scope(|scope| {
            for caller in team {
                scope.spawn(move || {
                    (0..each).for_each(|_| {
                        black_box(caller());
                    })
                });
            }
        }),
    }
    start.elapsed().as_secs_f64() / hashes as f64
}

impl Times {
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub(crate) fn rounds(&self) -> usize {
        self.seconds[0].len()
    }

    /// Nothing if nobody of this name took part.
    pub(crate) fn milliseconds(&self, name: &str) -> Option<Spread> {
        let times = self.of(name)?;
        Some(Spread::of(times.iter().map(|time| time * 1e3).collect()))
    }

    /// How much time one takes of another's, round by round.
    pub(crate) fn ratio(&self, name: &str, baseline: &str) -> Option<Spread> {
        let pairs = self.of(name)?.iter().zip(self.of(baseline)?);
        Some(Spread::of(pairs.map(|(own, other)| own / other).collect()))
    }

    fn of(&self, name: &str) -> Option<&Vec<f64>> {
        let at = self.names.iter().position(|other| other == name)?;
        Some(&self.seconds[at])
    }
}

/// Median and quartiles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (values.len() - 1) as f64 * share;
            let (below, above) = (
                values[place.floor() as usize],
                values[place.ceil() as usize],
            );
            below + (above - below) * place.fract()
        };
        Self {
            low: at(0.25),
            median: at(0.5),
            high: at(0.75),
        }
    }

    pub(crate) fn only(value: f64) -> Self {
        Self::of(vec![value])
    }
}

/// `0.295 [0.291–0.302]`, with a precision before the point if one is given.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        let Self { low, median, high } = self;
        write!(f, "{median:.digits$} [{low:.digits$}–{high:.digits$}]")
    }
}

fn shuffled(length: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    let random = RandomState::new();
    order.sort_by_key(|index| random.hash_one(index));
    order
}
