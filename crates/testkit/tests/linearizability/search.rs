//! The definition itself: some order of the calls, which agrees with time, is a register's.

use std::collections::HashSet;

use portcullis_core::HashDigest;
use portcullis_testkit::linearizability::{Call, Entry, Outcome, Seen};

/// The state of the register: its sequence, and its hash.
type State = (u64, Option<HashDigest>);

/// Tries every order.
pub(crate) fn is_linearizable(start: &Seen, entries: &[Entry]) -> bool {
    let search = Search { start, entries };
    let all = (1_u32 << entries.len()) - 1;
    search.completes(all, (start.sequence, start.hash), &mut HashSet::new())
}

struct Search<'a> {
    start: &'a Seen,
    entries: &'a [Entry],
}

impl Search<'_> {
    /// Whether the calls that are left, as bits, can follow on a state.
    fn completes(&self, left: u32, state: State, tried: &mut HashSet<(u32, State)>) -> bool {
        if left == 0 {
            return true;
        }
        if !tried.insert((left, state)) {
            return false;
        }
        let indices = 0..self.entries.len();
        let mut next =
            indices.filter(|index| left & (1 << index) != 0 && self.may_be_next(*index, left));
        next.any(|index| {
            let states = self.after(&self.entries[index], state);
            let mut states = states.into_iter().flatten();
            states.any(|state| self.completes(left & !(1 << index), state, tried))
        })
    }

    /// Whether no other call that is left had ended before this one began.
    fn may_be_next(&self, index: usize, left: u32) -> bool {
        let others = self.entries.iter().enumerate();
        let mut others = others.filter(|(other, _)| left & (1 << other) != 0);
        others.all(|(_, other)| end(other) >= self.entries[index].began)
    }

    /// The states in which a call can leave the register, if its answer fits.
    fn after(&self, entry: &Entry, state: State) -> [Option<State>; 2] {
        let (sequence, current) = state;
        let ahead = self.start.version.0 - self.start.sequence;
        match entry.call {
            Call::Read(seen) => {
                let fits = seen.sequence == sequence
                    && seen.version.0 == sequence + ahead
                    && seen.hash == current;
                [fits.then_some(state), None]
            }
            Call::Write {
                base,
                hash,
                outcome,
            } => {
                let matches = base.0 == sequence + ahead;
                let made = matches.then_some((sequence + 1, Some(hash)));
                match outcome {
                    Outcome::Acknowledged(as_sequence) => {
                        [made.filter(|(made, _)| *made == as_sequence), None]
                    }
                    Outcome::Conflict => [(!matches).then_some(state), None],
                    Outcome::NotApplied => [Some(state), None],
                    Outcome::Unknown => [Some(state), made],
                }
            }
        }
    }
}

fn end(entry: &Entry) -> u64 {
    match entry.call {
        Call::Write {
            outcome: Outcome::Unknown,
            ..
        } => u64::MAX,
        _ => entry.ended,
    }
}
