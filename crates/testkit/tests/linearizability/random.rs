//! Small histories from seeds: what a register does, and the same with something changed.

use portcullis_core::store::Version;
use portcullis_testkit::linearizability::{Call, Entry, Outcome};

use crate::{hash, read, write};

/// Whether the history of a seed is one that a register produced.
pub(crate) fn is_true(seed: u64) -> bool {
    seed.is_multiple_of(4)
}

/// At most eight calls. Of four seeds three are changed.
pub(crate) fn history(seed: u64) -> Vec<Entry> {
    let mut random = Random(seed);
    let mut entries = produced(&mut random);
    if !is_true(seed) {
        for _ in 0..=random.below(2) {
            change(&mut entries, &mut random);
        }
    }
    entries
}

/// What a register answers to calls that overlap.
fn produced(random: &mut Random) -> Vec<Entry> {
    let count = 1 + random.below(8);
    let (mut sequence, mut current) = (1, 0);
    let calls = (1..=count).map(|number| {
        // It happens at its moment; its begin and its end lie around it.
        let moment = 100 + 10 * number;
        let (began, ended) = (moment - random.below(35), moment + random.below(35));
        if random.below(5) < 2 {
            return read(began, ended, sequence, current);
        }
        // Most writes replace what is there.
        let base = match random.below(4) {
            0 => (sequence + 1).saturating_sub(random.below(3)),
            _ => sequence,
        };
        let fails = random.below(8);
        if fails == 0 {
            return write(began, ended, base, number, Outcome::NotApplied);
        }
        let made = base == sequence;
        if fails == 1 && random.below(2) == 0 {
            return write(began, ended, base, number, Outcome::Unknown);
        }
        if made {
            (sequence, current) = (sequence + 1, number);
        }
        let outcome = match (fails, made) {
            (1 | 2, _) => Outcome::Unknown,
            (_, true) => Outcome::Acknowledged(sequence),
            (_, false) => Outcome::Conflict,
        };
        write(began, ended, base, number, outcome)
    });
    calls.collect()
}

/// Changes one thing about one call.
fn change(entries: &mut [Entry], random: &mut Random) {
    let count = entries.len() as u64;
    let index = usize::try_from(random.below(count)).unwrap();
    let number = random.below(count + 1);
    let sequence = 1 + random.below(4);
    let entry = &mut entries[index];
    if random.below(3) == 0 {
        let length = entry.ended - entry.began;
        entry.began = 80 + random.below(100);
        entry.ended = entry.began + length;
        return;
    }
    match &mut entry.call {
        Call::Read(seen) => match random.below(4) {
            0 => seen.hash = Some(hash(number)),
            1 => seen.version = Version(sequence + 100),
            2 => (seen.sequence, seen.version) = (sequence, Version(sequence + 100)),
            _ => *entry = read(entry.began, entry.ended, sequence, number),
        },
        Call::Write { base, outcome, .. } => match random.below(5) {
            0 => *base = Version(sequence + 99),
            1 => *outcome = Outcome::Conflict,
            2 => *outcome = Outcome::NotApplied,
            3 => *outcome = Outcome::Unknown,
            _ => *outcome = Outcome::Acknowledged(sequence),
        },
    }
}

/// SplitMix64: the same numbers for a seed everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end
    }
}
