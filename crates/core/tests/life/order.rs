//! A change and a slow rehash, in every order.

use std::sync::{Arc, Mutex};

use portcullis_core::{
    Argon2id, HashCost, HashError, HashString, OperationId, OsRandom, Password, PasswordHasher,
    Policies, UserStore,
    store::{Change, CredentialChange, EventKind, Method, UserState},
};

use crate::world::{Counting, NEW, RIGHT, World, cheap, key, secret};

/// A store that runs a change just before its n-th call.
mod interposed {
    use super::{Arc, Mutex, UserStore};
    use async_trait::async_trait;
    use portcullis_core::{
        MemoryStore, OperationId, StoreError, UserKey,
        store::{
            AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, EventPage,
            EventQuery, HashUpgrade, NewUser, OperationRecord, SettleOutcome, Settlement,
            UpgradeOutcome, UserRecord,
        },
    };

    #[derive(Debug)]
    pub(super) struct Interposed {
        pub(super) inner: Arc<dyn UserStore>,
        pub(super) plan: Arc<Mutex<Option<(usize, MemoryStore)>>>,
    }

    impl Interposed {
        async fn enter(&self) {
            let due = {
                let mut plan = self.plan.lock().unwrap();
                match plan.as_mut() {
                    Some((0, _)) => plan.take(),
                    Some((left, _)) => {
                        *left -= 1;
                        None
                    }
                    None => None,
                }
            };
            if let Some((_, memory)) = due {
                super::change_behind(&memory).await;
            }
        }
    }

    #[async_trait]
    impl UserStore for Interposed {
        async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
            self.inner.create(user).await
        }
        async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
            self.enter().await;
            self.inner.load(key).await
        }
        async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
            self.enter().await;
            self.inner.commit(change).await
        }
        async fn take_attempt(&self, r: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
            self.enter().await;
            self.inner.take_attempt(r).await
        }
        async fn settle_attempt(&self, s: &Settlement) -> Result<SettleOutcome, StoreError> {
            self.enter().await;
            self.inner.settle_attempt(s).await
        }
        async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
            self.enter().await;
            self.inner.upgrade_hash(upgrade).await
        }
        async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
            self.inner.events(query).await
        }
        async fn operation(
            &self,
            key: &UserKey,
            operation: OperationId,
        ) -> Result<Option<OperationRecord>, StoreError> {
            self.inner.operation(key, operation).await
        }
    }
}

async fn change_behind(memory: &portcullis_core::MemoryStore) {
    let record = memory.load(&key("alice")).await.unwrap().unwrap();
    let operation = OperationId::random(&OsRandom).unwrap();
    let event = EventKind::PasswordChanged;
    let hash = cheap(64).hash(&secret(NEW)).unwrap();
    let change = Change::new(
        key("alice"),
        Method::SetPassword,
        operation,
        record.version,
        event,
    )
    .with_credential(CredentialChange::Replace {
        hash,
        must_change: false,
    });
    memory.commit(&change).await.unwrap();
}

#[tokio::test]
async fn a_change_wins_over_a_rehash_wherever_it_comes() {
    // A login with a rehash is load, take, settle, upgrade; the fifth place is after it.
    for place in 0..5 {
        let plan = Arc::new(Mutex::new(None));
        let world = World::over(
            Policies::default(),
            Counting::new(64),
            |builder, _| builder,
            |inner| {
                let plan = Arc::clone(&plan);
                Arc::new(interposed::Interposed { inner, plan })
            },
        );
        world.person("alice", UserState::Active, false).await;
        let weak = cheap(8).hash(&secret(RIGHT)).unwrap();
        world.memory.damage_hash(&key("alice"), weak.as_stored());
        let epoch = world.record("alice").await.epoch;
        *plan.lock().unwrap() = Some((place, world.memory.clone()));
        let login = world.check("alice", RIGHT).await;
        if plan.lock().unwrap().take().is_some() {
            change_behind(&world.memory).await;
            assert!(login.unwrap().rehashed);
        } else {
            // Read after the change, it is the wrong password; read before, it was right.
            assert_eq!(login.as_ref().is_ok(), place > 0, "{place}");
            assert!(login.is_err() || !login.unwrap().rehashed);
        }
        assert_eq!(world.record("alice").await.epoch, epoch + 1);
        assert!(world.check("alice", NEW).await.is_ok(), "{place}");
        assert!(world.check("alice", RIGHT).await.is_err(), "{place}");
    }
}

/// The parts of a hasher are enough for one of the application's own.
#[derive(Debug)]
struct Named(Argon2id);

impl PasswordHasher for Named {
    fn hash(&self, password: &Password) -> Result<HashString, HashError> {
        self.0.hash(password)
    }

    fn verify(&self, password: &Password, hash: &HashString) -> Result<bool, HashError> {
        self.0.verify(password, hash)
    }

    fn admits(&self, hash: &HashString) -> Result<(), HashError> {
        self.0.admits(hash)
    }

    fn needs_upgrade(&self, hash: &HashString) -> bool {
        self.0.needs_upgrade(hash)
    }

    fn rehash(&self, password: &Password, verified: &HashString) -> Result<HashString, HashError> {
        self.0.rehash(password, verified)
    }

    fn cost(&self) -> HashCost {
        self.0.cost()
    }

    fn suite(&self) -> String {
        "ours".to_owned()
    }
}

#[tokio::test]
async fn a_hasher_may_call_its_suite_what_it_likes() {
    let named = Arc::new(Named(cheap(8)));
    let world = World::with(Policies::default(), Counting::new(8), |builder, _| {
        builder.with_hasher(named)
    });
    world.person("alice", UserState::Active, true).await;
    assert!(world.check("alice", RIGHT).await.is_ok());
    assert!(world.check("nobody", RIGHT).await.is_err());
}
