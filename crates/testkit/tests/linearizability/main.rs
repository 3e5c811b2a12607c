//! The fast check says what a search says, and each thing that no register does is caught.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod random;
mod search;

use std::collections::HashMap;

use portcullis_core::{HashDigest, OrgId, UserId, UserKey, store::Version};
use portcullis_testkit::linearizability::{
    Call, Entry, History, Outcome, Seen, ViolationKind, check,
};

/// Small histories, of which the search tries every order.
const HISTORIES: u64 = 10_000;

fn user() -> UserKey {
    UserKey::new(OrgId::new("acme").unwrap(), UserId::new("42").unwrap())
}

/// The hash that the `n`-th write sets; the 0th is there before.
fn hash(n: u64) -> HashDigest {
    HashDigest::of(&n.to_string())
}

/// A state that has the hash of write `n`. Versions run ahead of sequences, to tell them apart.
fn seen(sequence: u64, n: u64) -> Seen {
    Seen {
        sequence,
        version: Version(sequence + 100),
        hash: Some(hash(n)),
    }
}

fn read(began: u64, ended: u64, sequence: u64, n: u64) -> Entry {
    let call = Call::Read(seen(sequence, n));
    Entry { began, ended, call }
}

/// The `n`-th write, which replaces what is at a sequence.
fn write(began: u64, ended: u64, base: u64, n: u64, outcome: Outcome) -> Entry {
    let call = Call::Write {
        base: Version(base + 100),
        hash: hash(n),
        outcome,
    };
    Entry { began, ended, call }
}

/// A history that starts at sequence 1.
fn history(entries: &[Entry]) -> History {
    let mut history = History::new();
    history.start(user(), seen(1, 0));
    entries
        .iter()
        .for_each(|entry| history.push(&user(), *entry));
    history
}

/// What is wrong with a history, and that the search finds it wrong, too.
fn wrong(entries: &[Entry]) -> Vec<ViolationKind> {
    assert!(!search::is_linearizable(&seen(1, 0), entries));
    let violations = check(&history(entries)).unwrap_err();
    violations.iter().map(|violation| violation.kind).collect()
}

const OK: fn(u64) -> Outcome = Outcome::Acknowledged;

#[test]
fn the_check_agrees_with_a_search() {
    let mut verdicts = HashMap::<_, u64>::new();
    for seed in 0..HISTORIES {
        let entries = random::history(seed);
        let slow = search::is_linearizable(&seen(1, 0), &entries);
        let fast = check(&history(&entries));
        let told = format!("seed {seed}: {fast:?} of {entries:#?}");
        assert_eq!(fast.is_ok(), slow, "{told}");
        assert!(slow || !random::is_true(seed), "a true history: {told}");
        *verdicts.entry((slow, random::is_true(seed))).or_default() += 1;
    }
    // Changed histories of both kinds are there in numbers, or this would prove little.
    assert!(verdicts[&(false, false)] > HISTORIES / 10, "{verdicts:?}");
    assert!(verdicts[&(true, false)] > HISTORIES / 10, "{verdicts:?}");
    println!("(linearizable, unchanged): {verdicts:?}");
}

#[test]
fn a_stale_read_is_caught() {
    let stale = [write(10, 20, 1, 1, OK(2)), read(30, 40, 1, 0)];
    assert_eq!(wrong(&stale), [ViolationKind::Stale]);
    let by_a_read = [
        write(10, 90, 1, 1, OK(2)),
        read(20, 30, 2, 1),
        read(40, 50, 1, 0),
    ];
    assert_eq!(wrong(&by_a_read), [ViolationKind::Stale]);
}

#[test]
fn a_lost_write_is_caught() {
    let replaced = [write(10, 20, 1, 1, OK(2)), write(30, 40, 1, 2, OK(2))];
    assert_eq!(wrong(&replaced), [ViolationKind::Forked]);
    let forgotten = [
        write(10, 20, 1, 1, OK(2)),
        write(30, 40, 2, 2, OK(3)),
        read(50, 60, 2, 1),
    ];
    assert_eq!(wrong(&forgotten), [ViolationKind::Stale]);
}

#[test]
fn a_double_apply_is_caught() {
    let seen_twice = [
        write(10, 20, 1, 1, OK(2)),
        read(30, 40, 2, 1),
        read(50, 60, 3, 1),
    ];
    assert_eq!(wrong(&seen_twice), [ViolationKind::AppliedTwice]);
    let acknowledged_late = [write(10, 20, 1, 1, OK(3))];
    assert_eq!(wrong(&acknowledged_late), [ViolationKind::WrongBase]);
    let between = [write(10, 20, 1, 1, OK(2)), write(30, 40, 3, 2, OK(4))];
    assert_eq!(wrong(&between), [ViolationKind::Gap]);
}

#[test]
fn a_refused_write_that_is_seen_is_caught() {
    for refused in [Outcome::NotApplied, Outcome::Conflict] {
        let applied = [write(10, 20, 1, 1, refused), read(30, 40, 2, 1)];
        assert_eq!(wrong(&applied), [ViolationKind::RefusedIsApplied]);
    }
}

#[test]
fn a_conflict_without_another_version_is_caught() {
    let alone = [write(10, 20, 1, 1, Outcome::Conflict)];
    assert_eq!(wrong(&alone), [ViolationKind::ImpossibleConflict]);
    let with_unknown = [
        write(10, 20, 1, 1, Outcome::Unknown),
        write(30, 40, 1, 2, Outcome::Conflict),
    ];
    assert!(
        check(&history(&with_unknown)).is_ok(),
        "it may have been made"
    );
}

/// The search found what the check once missed: one conflict says that the write came early, the
/// other that it came late.
#[test]
fn conflicts_that_contradict_each_other_are_caught() {
    let entries = [
        write(10, 20, 1, 1, Outcome::Unknown),
        write(20, 30, 1, 2, Outcome::Conflict),
        write(40, 50, 2, 3, Outcome::Conflict),
        read(15, 90, 2, 1),
    ];
    assert_eq!(wrong(&entries), [ViolationKind::ImpossibleConflict]);
    assert!(check(&history(&entries[..2])).is_ok());
}

#[test]
fn what_nobody_wrote_and_what_is_torn_is_caught() {
    assert_eq!(wrong(&[read(10, 20, 2, 9)]), [ViolationKind::Phantom]);
    let mut torn = read(10, 20, 1, 0);
    if let Call::Read(seen) = &mut torn.call {
        seen.version = Version(102);
    }
    assert_eq!(wrong(&[torn]), [ViolationKind::Torn]);
}

#[test]
fn writes_that_are_out_of_order_are_caught() {
    let entries = [write(30, 40, 1, 1, OK(2)), write(10, 20, 2, 2, OK(3))];
    assert_eq!(wrong(&entries), [ViolationKind::Reordered]);
}

#[test]
fn an_unknown_write_is_counted_where_it_was_seen() {
    let entries = [
        write(10, 20, 1, 1, Outcome::Unknown),
        write(10, 20, 1, 2, Outcome::Unknown),
        read(90, 99, 2, 1),
    ];
    let counts = check(&history(&entries)).unwrap();
    assert_eq!((counts.unknown, counts.unknown_applied), (2, 1));
}
