//! The suite fails for stores with one seeded bug each.

#![expect(clippy::expect_used, reason = "what a test prepares has to work")]

mod buggy;
mod documents;

use std::{
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use portcullis_core::{
    Clock, ManualClock, MemoryStore, SystemClock, Timestamp, UserKey, UserStore,
    store::DocumentStore,
};
use portcullis_testkit::{Case, DocumentCase, DocumentFixture, Fixture, cases, document_cases};

use buggy::{Bug, Buggy};
use documents::{BuggyDocuments, DocumentBug};

/// Chooses the bug by type, since a fixture is opened by type.
trait Seed: Send + Sync + 'static {
    const BUG: Bug = Bug::None;
    const DOCUMENTS: DocumentBug = DocumentBug::None;
}

struct Seeded<S> {
    clock: Arc<ManualClock>,
    memory: MemoryStore,
    first: Arc<Buggy>,
    documents: Arc<BuggyDocuments>,
    seed: PhantomData<S>,
}

#[async_trait]
impl<S: Seed> Fixture for Seeded<S> {
    async fn open() -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let memory = MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        Self {
            first: Arc::new(Buggy::new(S::BUG, memory.clone(), Arc::clone(&clock))),
            documents: Arc::new(BuggyDocuments::new(S::DOCUMENTS, memory.clone())),
            clock,
            memory,
            seed: PhantomData,
        }
    }

    fn store(&self) -> Arc<dyn UserStore> {
        Arc::clone(&self.first) as Arc<dyn UserStore>
    }

    async fn reopen(&self) -> Arc<dyn UserStore> {
        Arc::new(self.first.second_handle())
    }

    async fn damage_hash(&self, key: &UserKey, text: &str) {
        self.memory.damage_hash(key, text);
    }

    async fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn set_back(&self, by: Duration) {
        self.clock.set(self.clock.now() - by);
    }
}

#[async_trait]
impl<S: Seed> DocumentFixture for Seeded<S> {
    fn documents(&self) -> Arc<dyn DocumentStore> {
        Arc::clone(&self.documents) as Arc<dyn DocumentStore>
    }

    async fn reopen_documents(&self) -> Arc<dyn DocumentStore> {
        self.documents()
    }
}

fn fails(case: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(case)).is_err()
}

/// The names of the cases that a store with this bug fails.
fn failed<S: Seed>() -> Vec<&'static str> {
    let failed = cases()
        .iter()
        .filter(|case| fails(|| case.run::<Seeded<S>>()));
    failed.map(Case::name).collect()
}

/// The names of the cases about documents that a store with this bug fails.
fn failed_documents<S: Seed>() -> Vec<&'static str> {
    let cases = document_cases().iter();
    let failed = cases.filter(|case| fails(|| case.run::<Seeded<S>>()));
    failed.map(DocumentCase::name).collect()
}

macro_rules! caught {
    ($($test:ident: $bug:ident in $theme:literal,)+) => {
        caught!(failed, BUG: Bug; $($test: $bug in $theme,)+);
    };
    (documents $($test:ident: $bug:ident in $theme:literal,)+) => {
        caught!(failed_documents, DOCUMENTS: DocumentBug; $($test: $bug in $theme,)+);
    };
    ($failed:ident, $seed:ident: $of:ident;
     $($test:ident: $bug:ident in $theme:literal,)+) => {$(
        #[test]
        fn $test() {
            struct This;
            impl Seed for This {
                const $seed: $of = $of::$bug;
            }
            let failed = $failed::<This>();
            let caught = failed.iter().any(|name| name.starts_with($theme));
            assert!(caught, "no case of {} fails, of all only {failed:?}", $theme);
        }
    )+};
}

caught! {
    a_code_that_works_twice: CodeWorksTwice in "codes::",
    a_code_that_is_compared_before_the_version: CodeBeforeVersion in "codes::",
    a_commit_of_any_method: CommitsAnything in "commit::",
    a_commit_that_ignores_the_version: IgnoresVersion in "commit::",
    a_create_that_is_an_upsert: Upserts in "create::",
    a_cursor_of_anybody: TakesAnyCursor in "events::",
    a_date_that_goes_back: DatesGoBack in "time::",
    a_failure_that_is_locked_already: LocksBeforeItFails in "settle_attempt::",
    a_failure_that_moves_the_version: FailuresMoveVersion in "settle_attempt::",
    a_guess_that_is_forgotten: ForgetsGuesses in "codes::",
    a_guess_that_is_not_counted_in_time: CountsGuessesLate in "codes::",
    a_handle_that_forgets_what_another_did: ForgetsOtherHandles in "commit_replays::",
    a_lease_that_outlives_the_credential: CountsOldLeases in "commit_credential::",
    a_lease_without_end: EndlessLeases in "take_attempt::",
    a_key_that_joins_the_ids: JoinsIds in "ids::",
    a_limit_that_is_ignored: IgnoresLimit in "take_attempt::",
    a_lookup_without_case: FoldsCase in "ids::",
    a_lookup_without_organisation: IgnoresOrganisation in "load::",
    a_page_that_skips_an_event: SkipsBetweenPages in "events::",
    a_permit_for_several_subjects: SharesPermits in "permit_ids::",
    a_race_between_check_and_write: ChecksThenWrites in "races::",
    a_removal_for_good: RemovesForGood in "identities::",
    a_replay_that_is_forgotten: ForgetsOperations in "commit_replays::",
    a_right_answer_that_closes_all_permits: RightClosesAll in "settle_attempt::",
    a_settlement_that_counts_twice: SettlesTwice in "settle_attempt::",
    a_sham_for_all: OneSham in "shams::",
    a_sham_that_takes_a_permit_again: RenewsShams in "permit_ids::",
    an_identity_that_starts_over: StartsOver in "identities::",
    an_abandoned_attempt_that_is_forgotten: ForgetsAbandoned in "permit_ids::",
    an_outbox_that_loses_events: LosesEvents in "settle_attempt::",
    an_unreadable_hash_that_is_an_error: UnreadableIsError in "load::",
    an_upgrade_without_condition: UpgradesAnything in "upgrade_hash::",
}

caught! { documents
    a_condition_that_is_lost: LosesCondition in "conflicts::",
    a_condition_that_is_checked_before: ChecksThenWrites in "races::",
    a_name_without_case: FoldsCase in "names::",
    a_replay_that_writes_again: WritesAgain in "replays::",
    a_revision_that_does_not_move: KeepsRevision in "writes::",
    a_text_that_is_trimmed: TrimsTexts in "texts::",
    an_end_that_is_ignored: IgnoresEnd in "ends::",
}

/// Without a bug the same wrapper passes, so it is the bugs that are caught.
#[test]
fn the_wrapper_alone_passes() {
    struct Sound;
    impl Seed for Sound {}
    assert_eq!(failed::<Sound>(), Vec::<&str>::new());
    assert_eq!(failed_documents::<Sound>(), Vec::<&str>::new());
}
