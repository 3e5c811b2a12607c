//! What became of mutations, against what was said of them.

use std::{collections::BTreeMap, fmt};

use portcullis_core::{
    OperationId, StoreErrorKind, UserKey, UserStore,
    store::{EventKind, EventQuery},
};

/// A mutation and what was said of it: that it was applied or refused, or an error.
pub(super) struct Try {
    pub(super) user: UserKey,
    pub(super) operation: OperationId,
    pub(super) answer: Result<bool, StoreErrorKind>,
}

/// Counts of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) acknowledged: usize,
    /// Acknowledged, and not there.
    pub(super) lost: usize,
    /// By kind of the error, or `Refused`.
    pub(super) not_applied: BTreeMap<String, usize>,
    /// Of these, those that are there.
    pub(super) not_applied_but_there: usize,
    pub(super) unknown: usize,
    /// Of these, those that are there.
    pub(super) unknown_and_there: usize,
    /// Of these, those for which the operation id tells the truth.
    pub(super) resolved: usize,
    /// An event without an operation, or the reverse.
    pub(super) half_applied: usize,
}

impl Tally {
    /// Looks for all of them in a store.
    pub(super) async fn of(store: &dyn UserStore, tries: &[Try]) -> Self {
        let mut tally = Self::default();
        for one in tries {
            let found = store.operation(&one.user, one.operation).await;
            let there = is_there(store, one).await;
            let agrees = found.is_ok_and(|found| found.is_some() == there);
            tally.add(one, there, agrees);
        }
        tally
    }

    pub(super) fn failed(&self) -> usize {
        self.unknown + self.not_applied.values().sum::<usize>()
    }

    fn add(&mut self, one: &Try, there: bool, agrees: bool) {
        self.half_applied += usize::from(!agrees);
        let kind = match one.answer {
            Ok(true) => {
                self.acknowledged += 1;
                self.lost += usize::from(!there);
                return;
            }
            Err(StoreErrorKind::OutcomeUnknown) => {
                self.unknown += 1;
                self.unknown_and_there += usize::from(there);
                self.resolved += usize::from(agrees);
                return;
            }
            Ok(false) => "Refused".to_owned(),
            Err(kind) => format!("{kind:?}"),
        };
        *self.not_applied.entry(kind).or_default() += 1;
        self.not_applied_but_there += usize::from(there);
    }
}

/// Whether the user has an event that this operation made. A permit that nobody settled becomes a
/// failed attempt when its lease ends, which is not what was asked for.
async fn is_there(store: &dyn UserStore, one: &Try) -> bool {
    let mut query = EventQuery::user(one.user.clone());
    loop {
        let page = store.events(&query).await.unwrap();
        let found = page
            .events
            .iter()
            .any(|event| event.operation == one.operation && event.kind != EventKind::CheckFailed);
        if found || page.events.is_empty() {
            return found;
        }
        query.after = page.next;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "acknowledged {}, lost {}, half-applied {}, not applied {:?}, of these there {}, \
             unknown {}, of these there {}, resolved {}",
            self.acknowledged,
            self.lost,
            self.half_applied,
            self.not_applied,
            self.not_applied_but_there,
            self.unknown,
            self.unknown_and_there,
            self.resolved,
        )
    }
}
