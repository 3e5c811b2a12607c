//! The check, by sequence.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use portcullis_core::{HashDigest, UserKey, store::Version};

use super::{
    Call, Counts, Entry, History, Moment, Outcome, Seen, UserHistory, Violation, ViolationKind,
};

/// Asks whether each call of a history could have happened at one moment between its begin and
/// its end.
///
/// The writes of a user are ordered by their sequences, and a read comes between the write that it
/// saw and the next one. That order and the order of time agree if no call began after one that
/// comes later had ended, so it is enough to look for such a pair.
///
/// # Errors
///
/// With what no register does, if there is something.
///
/// # Panics
///
/// When two writes of a user have the same hash: then no read tells which of them it saw.
pub fn check(history: &History) -> Result<Counts, Vec<Violation>> {
    let (mut counts, mut violations) = (Counts::default(), Vec::new());
    for (user, of_user) in &history.users {
        let mut timeline = Timeline::new(user, of_user);
        timeline.check();
        timeline.count(&mut counts);
        violations.extend(timeline.violations);
    }
    if violations.is_empty() {
        Ok(counts)
    } else {
        Err(violations)
    }
}

/// A write, without the sequence that it turns out to have.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Write {
    began: Moment,
    ended: Moment,
    /// The sequence that it replaces; none that is before the start of the history.
    base: Option<u64>,
    hash: HashDigest,
    outcome: Outcome,
}

impl Write {
    /// The only sequence that it can have.
    fn slot(&self) -> Option<u64> {
        self.base.map(|base| base + 1)
    }
}

/// A call in the order of sequences: writes have even ranks, reads the odd ones that follow.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    rank: u64,
    began: Moment,
    ended: Moment,
}

/// One user's history, and which write has which sequence.
struct Timeline<'a> {
    user: &'a UserKey,
    start: Seen,
    reads: Vec<(Entry, Seen)>,
    writes: Vec<Write>,
    slots: BTreeMap<u64, Write>,
    violations: Vec<Violation>,
    unknown_applied: usize,
}

impl<'a> Timeline<'a> {
    fn new(user: &'a UserKey, history: &UserHistory) -> Self {
        let start = history.start;
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for entry in &history.entries {
            match entry.call {
                Call::Read(seen) => reads.push((*entry, seen)),
                Call::Write {
                    base,
                    hash,
                    outcome,
                } => {
                    let unknown = outcome == Outcome::Unknown;
                    writes.push(Write {
                        began: entry.began,
                        ended: if unknown { Moment::MAX } else { entry.ended },
                        base: sequence_of(&start, base),
                        hash,
                        outcome,
                    });
                }
            }
        }
        Self {
            user,
            start,
            reads,
            writes,
            slots: BTreeMap::new(),
            violations: Vec::new(),
            unknown_applied: 0,
        }
    }

    /// Each step needs what the one before it found sound.
    fn check(&mut self) {
        for step in [
            Self::place_acknowledged,
            Self::place_seen,
            Self::place_unknown,
            Self::check_order,
        ] {
            step(self);
            if !self.violations.is_empty() {
                return;
            }
        }
    }

    fn report(&mut self, kind: ViolationKind, sequence: u64) {
        self.violations.push(Violation {
            user: self.user.clone(),
            sequence,
            kind,
        });
    }

    /// Acknowledged writes say their sequence.
    fn place_acknowledged(&mut self) {
        for write in self.writes.clone() {
            let Outcome::Acknowledged(sequence) = write.outcome else {
                continue;
            };
            if write.slot() != Some(sequence) {
                self.report(ViolationKind::WrongBase, sequence);
            } else if self.slots.insert(sequence, write).is_some() {
                self.report(ViolationKind::Forked, sequence);
            }
        }
    }

    /// Reads say the sequence of a write that nobody acknowledged, and have to agree with the
    /// others.
    fn place_seen(&mut self) {
        let by_hash: HashMap<_, _> = self
            .writes
            .iter()
            .map(|write| (write.hash, *write))
            .collect();
        assert_eq!(by_hash.len(), self.writes.len(), "a hash was used twice");
        for (_, seen) in self.reads.clone() {
            let sequence = seen.sequence;
            if sequence_of(&self.start, seen.version) != Some(sequence) {
                self.report(ViolationKind::Torn, sequence);
            } else if seen.hash == self.start.hash {
                if sequence != self.start.sequence {
                    self.report(ViolationKind::AppliedTwice, sequence);
                }
            } else {
                match seen.hash.and_then(|hash| by_hash.get(&hash)) {
                    None => self.report(ViolationKind::Phantom, sequence),
                    Some(write) => self.place(*write, sequence),
                }
            }
        }
    }

    /// A read saw this write at this sequence.
    fn place(&mut self, write: Write, sequence: u64) {
        match write.outcome {
            Outcome::Conflict | Outcome::NotApplied => {
                self.report(ViolationKind::RefusedIsApplied, sequence);
            }
            Outcome::Acknowledged(other) if other != sequence => {
                self.report(ViolationKind::AppliedTwice, sequence);
            }
            Outcome::Unknown if write.slot() != Some(sequence) => {
                self.report(ViolationKind::WrongBase, sequence);
            }
            Outcome::Acknowledged(_) | Outcome::Unknown => {
                if *self.slots.entry(sequence).or_insert(write) != write {
                    self.report(ViolationKind::Forked, sequence);
                }
            }
        }
    }

    /// What nobody acknowledged and nobody saw must have been one of unknown outcome. After the
    /// last write they are free to have happened, which may explain a conflict.
    fn place_unknown(&mut self) {
        let unknown = self.writes.iter();
        let unknown = unknown.filter(|write| write.outcome == Outcome::Unknown);
        let mut candidates = HashMap::new();
        for write in unknown {
            // Of several, the one that began first fits wherever another fits.
            let first = candidates.entry(write.slot()).or_insert(*write);
            if write.began < first.began {
                *first = *write;
            }
        }
        let seen = self.slots.values();
        let seen = seen.filter(|write| write.outcome == Outcome::Unknown);
        self.unknown_applied = seen.count();
        let last = self.slots.keys().next_back().copied();
        for sequence in self.start.sequence + 1.. {
            if self.slots.contains_key(&sequence) {
                continue;
            }
            match candidates.get(&Some(sequence)) {
                Some(write) => {
                    self.slots.insert(sequence, *write);
                }
                None if last.is_some_and(|last| sequence < last) => {
                    return self.report(ViolationKind::Gap, sequence);
                }
                None => return,
            }
        }
    }

    fn check_order(&mut self) {
        let order = Order::new(self.ranked());
        for call in &order.calls {
            if call.began > order.first_end_from(call.rank + 1) {
                let kind = match call.rank % 2 {
                    0 => ViolationKind::Reordered,
                    _ => ViolationKind::Stale,
                };
                self.report(kind, call.rank / 2);
            }
        }
        self.check_conflicts(&order);
    }

    /// A conflict happened before its base was written, or after the next write. One that cannot
    /// have come after has to come before, and then its base was written after it began: so they
    /// are looked at from the highest base down.
    fn check_conflicts(&mut self, order: &Order) {
        let conflicts = self.writes.iter();
        let conflicts = conflicts.filter(|write| write.outcome == Outcome::Conflict);
        // Before the start there were other versions.
        let bases = conflicts.filter_map(|conflict| Some((conflict.base?, *conflict)));
        let mut conflicts: Vec<_> = bases.collect();
        conflicts.sort_by_key(|(base, _)| Reverse(*base));
        let mut not_before = HashMap::new();
        for (base, conflict) in conflicts {
            let next = base + 1;
            let replaced = order.last_begin_to(2 * next);
            let replaced = not_before
                .get(&next)
                .map_or(replaced, |at| replaced.max(*at));
            if self.slots.contains_key(&next) && replaced <= conflict.ended {
                continue;
            }
            if base > self.start.sequence && conflict.began <= order.first_end_from(2 * base) {
                let at = not_before.entry(base).or_insert(0);
                *at = conflict.began.max(*at);
                continue;
            }
            self.report(ViolationKind::ImpossibleConflict, base);
        }
    }

    fn ranked(&self) -> Vec<Ranked> {
        let reads = self.reads.iter().map(|(entry, seen)| Ranked {
            rank: 2 * seen.sequence + 1,
            began: entry.began,
            ended: entry.ended,
        });
        let writes = self.slots.iter().map(|(sequence, write)| Ranked {
            rank: 2 * sequence,
            began: write.began,
            ended: write.ended,
        });
        reads.chain(writes).collect()
    }

    fn count(&self, counts: &mut Counts) {
        counts.reads += self.reads.len();
        counts.unknown_applied += self.unknown_applied;
        for write in &self.writes {
            *match write.outcome {
                Outcome::Acknowledged(_) => &mut counts.acknowledged,
                Outcome::Conflict => &mut counts.conflicts,
                Outcome::NotApplied => &mut counts.not_applied,
                Outcome::Unknown => &mut counts.unknown,
            } += 1;
        }
    }
}

/// Calls by rank.
struct Order {
    calls: Vec<Ranked>,
    /// For each call the latest begin among it and those before it.
    last_begins: Vec<Moment>,
    /// For each call the earliest end among it and those after it.
    first_ends: Vec<Moment>,
}

impl Order {
    fn new(mut calls: Vec<Ranked>) -> Self {
        calls.sort_by_key(|call| call.rank);
        let mut latest = 0;
        let begins = calls.iter().map(|call| {
            latest = call.began.max(latest);
            latest
        });
        let last_begins = begins.collect();
        let mut earliest = Moment::MAX;
        let ends = calls.iter().rev().map(|call| {
            earliest = call.ended.min(earliest);
            earliest
        });
        let mut first_ends: Vec<_> = ends.collect();
        first_ends.reverse();
        Self {
            calls,
            last_begins,
            first_ends,
        }
    }

    /// The earliest end of a call of this rank or a higher one.
    fn first_end_from(&self, rank: u64) -> Moment {
        let index = self.calls.partition_point(|call| call.rank < rank);
        self.first_ends.get(index).copied().unwrap_or(Moment::MAX)
    }

    /// The latest begin of a call of this rank or a lower one.
    fn last_begin_to(&self, rank: u64) -> Moment {
        let count = self.calls.partition_point(|call| call.rank <= rank);
        count
            .checked_sub(1)
            .map_or(0, |index| self.last_begins[index])
    }
}

/// The sequence that goes with a version: each write moves both by one.
fn sequence_of(start: &Seen, version: Version) -> Option<u64> {
    let writes = version.0.checked_sub(start.version.0)?;
    start.sequence.checked_add(writes)
}
