//! What is there, against what was acknowledged.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use portcullis_core::{
    StoreError, UserKey, UserStore,
    store::{Event, EventQuery},
};

use super::Written;
use crate::linearizability::Outcome;

/// How many writes of which kind a load had, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Writes that met another version.
    pub conflicts: usize,
    /// Events whose sequence or whose operation another event has, too.
    pub duplicates: usize,
    /// Sequences below the last one that no event has.
    pub gaps: usize,
    /// Users whose record is not what their last event says, and writes of which the event and
    /// the operation are not both there or do not agree.
    pub half_applied: usize,
    /// Acknowledged writes that are not there as they were acknowledged.
    pub lost: usize,
    /// Writes that failed without being made.
    pub not_applied: usize,
    /// Writes that are there although their writers were told that they are not.
    pub refused_applied: usize,
    /// Writes whose outcome their writers do not know.
    pub unknown: usize,
    /// Those of them that are there.
    pub unknown_applied: usize,
}

impl Audit {
    /// Whether the store kept what it acknowledged, and only what it did not refuse, in whole
    /// and once.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.lost == 0
            && self.half_applied == 0
            && self.gaps == 0
            && self.duplicates == 0
            && self.refused_applied == 0
    }

    /// Adds one user.
    pub(super) async fn user(
        &mut self,
        store: &dyn UserStore,
        user: &UserKey,
        writes: impl Iterator<Item = &Written> + Send,
    ) -> Result<(), StoreError> {
        let events = all_events(store, user).await?;
        self.numbers(&events);
        if let (Some(record), Some(last)) = (store.load(user).await?, events.last()) {
            let agree = record.sequence == last.sequence
                && record.version == last.version
                && record.credential.hash.digest() == last.hash;
            self.half_applied += usize::from(!agree);
        } else {
            self.half_applied += 1;
        }
        let by_operation = events.iter().map(|event| (event.operation, event));
        let by_operation: HashMap<_, _> = by_operation.collect();
        for write in writes {
            let event = by_operation.get(&write.operation).copied();
            self.write(write, event);
            // Most conflicts are ordinary, and there are many of them.
            if write.outcome != Outcome::Conflict || event.is_some() {
                let operation = store.operation(user, write.operation).await?;
                let sequence = operation.map(|operation| operation.details.sequence);
                let agree = sequence == event.map(|event| event.sequence);
                self.half_applied += usize::from(!agree);
            }
        }
        Ok(())
    }

    fn numbers(&mut self, events: &[Event]) {
        let sequences: HashSet<_> = events.iter().map(|event| event.sequence).collect();
        let operations: HashSet<_> = events.iter().map(|event| event.operation).collect();
        let last = sequences.iter().max().copied().unwrap_or(0);
        let last = usize::try_from(last).unwrap_or(usize::MAX);
        self.gaps += last.saturating_sub(sequences.len());
        self.duplicates += events.len() - sequences.len().min(operations.len());
    }

    fn write(&mut self, write: &Written, event: Option<&Event>) {
        let applied = event.is_some();
        match write.outcome {
            Outcome::Acknowledged(sequence) => {
                let is_there = event.is_some_and(|event| {
                    event.sequence == sequence && event.hash == Some(write.hash)
                });
                self.acknowledged += 1;
                self.lost += usize::from(!is_there);
            }
            Outcome::Conflict => {
                self.conflicts += 1;
                self.refused_applied += usize::from(applied);
            }
            Outcome::NotApplied => {
                self.not_applied += 1;
                self.refused_applied += usize::from(applied);
            }
            Outcome::Unknown => {
                self.unknown += 1;
                self.unknown_applied += usize::from(applied);
            }
        }
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "acknowledged {}, lost {}, half-applied {}, gaps {}, duplicates {}, \
             conflicts {}, not applied {}, of these applied {}, unknown {}, of these applied {}",
            self.acknowledged,
            self.lost,
            self.half_applied,
            self.gaps,
            self.duplicates,
            self.conflicts,
            self.not_applied,
            self.refused_applied,
            self.unknown,
            self.unknown_applied,
        )
    }
}

/// Every event of a user.
async fn all_events(store: &dyn UserStore, user: &UserKey) -> Result<Vec<Event>, StoreError> {
    let (mut events, mut query) = (Vec::new(), EventQuery::user(user.clone()));
    loop {
        let page = store.events(&query).await?;
        if page.events.is_empty() {
            return Ok(events);
        }
        events.extend(page.events);
        query.after = page.next;
    }
}
