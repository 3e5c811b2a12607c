//! A change of each kind that a store makes.

use portcullis_core::{
    OperationId, StoreError, UserKey, UserStore,
    store::{
        Change, CommitOutcome, CreateOutcome, HashUpgrade, NewUser, SettleOutcome, Settlement,
        Subject, UpgradeOutcome,
    },
};

use super::tally::Try;

/// One that a store is asked for once.
pub(super) enum Mutation {
    Commit(Change),
    Create(NewUser),
    Settle(Settlement),
    Upgrade(HashUpgrade),
}

impl Mutation {
    /// Asks for it.
    pub(super) async fn run(self, store: &dyn UserStore) -> Try {
        let answer = self.ask(store).await;
        let (user, operation) = self.name();
        Try {
            user,
            operation,
            answer: answer.map_err(|error| error.kind()),
        }
    }

    /// Whether it was applied, by the store's word.
    async fn ask(&self, store: &dyn UserStore) -> Result<bool, StoreError> {
        Ok(match self {
            Self::Commit(change) => {
                matches!(store.commit(change).await?, CommitOutcome::Committed(_))
            }
            Self::Create(user) => matches!(store.create(user).await?, CreateOutcome::Created(_)),
            Self::Settle(settlement) => {
                let outcome = store.settle_attempt(settlement).await?;
                matches!(outcome, SettleOutcome::Settled { .. })
            }
            Self::Upgrade(upgrade) => {
                let outcome = store.upgrade_hash(upgrade).await?;
                matches!(outcome, UpgradeOutcome::Upgraded(_))
            }
        })
    }

    fn name(&self) -> (UserKey, OperationId) {
        match self {
            Self::Commit(change) => (change.key.clone(), change.operation),
            Self::Create(user) => (user.key.clone(), user.operation),
            Self::Settle(settlement) => {
                let Subject::User(user) = &settlement.subject else {
                    panic!("only users are settled here");
                };
                (user.clone(), settlement.permit)
            }
            Self::Upgrade(upgrade) => (upgrade.key.clone(), upgrade.operation),
        }
    }
}
