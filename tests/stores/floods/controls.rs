//! The count must be able to fail: stores that let through more than they should.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use portcullis_core::{
    Argon2Params, Argon2id, Engine, HashCost, HashError, HashString, LockoutPolicy, MemoryStore,
    OperationId, Password, PasswordHasher, Policies, Sessions, StaticPolicies, StoreError,
    SystemClock, UserKey, UserStore,
    store::{
        AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, EventPage,
        EventQuery, HashUpgrade, NewUser, OperationRecord, SettleOutcome, Settlement, Subject,
        UpgradeOutcome, UserRecord,
    },
};
use portcullis_tests::{InProcess, rig};
use portcullis_zitadel_api::ZitadelApi;
use tokio::sync::watch;

use super::{
    LIMIT,
    doors::check,
    flood::{Running, Size},
};

const SERVERS: usize = 4;
const SIZE: Size = Size {
    guesses: 200,
    connections: 64,
    kills: 0,
};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// A guess is counted when it is settled, after its hash.
    CountsAfterwards,
    /// Each server has a counter of its own.
    CountsAlone,
    None,
}

/// A store with a bug, around one without, as one server sees it.
#[derive(Debug)]
struct Buggy {
    bug: Bug,
    shared: MemoryStore,
    /// This server's own counters.
    own: MemoryStore,
    /// Guesses that every server together let in without counting them.
    uncounted: watch::Sender<usize>,
}

impl Buggy {
    fn counters(&self) -> &MemoryStore {
        match self.bug {
            Bug::CountsAlone => &self.own,
            Bug::CountsAfterwards | Bug::None => &self.shared,
        }
    }

    /// Lets everybody in who comes before the last failure is settled.
    async fn look(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        let Subject::User(key) = &request.subject else {
            return self.shared.take_attempt(request).await;
        };
        let record = self.shared.load(key).await?;
        let failures = record.map_or(0, |record| record.failures);
        Ok(if failures < request.limits.limit() {
            self.uncounted.send_modify(|guesses| *guesses += 1);
            AttemptOutcome::Permitted { failures }
        } else {
            AttemptOutcome::Stopped { failures }
        })
    }

    /// A permit that is taken and settled at once, but not before one too many has been let in: how
    /// fast guesses come is no part of this.
    async fn count(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        let mut uncounted = self.uncounted.subscribe();
        let too_many = uncounted.wait_for(|guesses| *guesses > LIMIT).await;
        drop(too_many.expect("the sender lives"));
        let (subject, permit) = (settlement.subject.clone(), settlement.permit);
        let limits = portcullis_core::store::AttemptLimits::default();
        let request = AttemptRequest::new(subject, permit, limits);
        self.shared.take_attempt(&request).await?;
        self.shared.settle_attempt(settlement).await
    }
}

#[async_trait]
impl UserStore for Buggy {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        self.shared.create(user).await
    }
    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        self.shared.load(key).await
    }
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        self.shared.commit(change).await
    }
    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        match self.bug {
            Bug::CountsAfterwards => self.look(request).await,
            Bug::CountsAlone | Bug::None => self.counters().take_attempt(request).await,
        }
    }
    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        match self.bug {
            Bug::CountsAfterwards => self.count(settlement).await,
            Bug::CountsAlone | Bug::None => self.counters().settle_attempt(settlement).await,
        }
    }
    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        self.shared.upgrade_hash(upgrade).await
    }
    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        self.shared.events(query).await
    }
    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        self.shared.operation(key, operation).await
    }
}

/// Argon2id that counts.
#[derive(Debug)]
struct Counting {
    inner: Argon2id,
    hashes: Arc<AtomicUsize>,
}

impl PasswordHasher for Counting {
    fn hash(&self, password: &Password) -> Result<HashString, HashError> {
        self.inner.hash(password)
    }

    fn verify(&self, password: &Password, hash: &HashString) -> Result<bool, HashError> {
        self.hashes.fetch_add(1, Ordering::Relaxed);
        self.inner.verify(password, hash)
    }

    fn admits(&self, hash: &HashString) -> Result<(), HashError> {
        self.inner.admits(hash)
    }

    fn needs_upgrade(&self, _: &HashString) -> bool {
        false
    }

    fn rehash(&self, password: &Password, verified: &HashString) -> Result<HashString, HashError> {
        self.inner.rehash(password, verified)
    }

    fn cost(&self) -> HashCost {
        self.inner.cost()
    }

    fn suite(&self) -> String {
        self.inner.suite()
    }
}

/// The hashes of a flood at four servers over one store with this bug.
async fn flooded(bug: Bug) -> usize {
    let (shared, hashes) = (MemoryStore::new(), Arc::new(AtomicUsize::new(0)));
    rig::create(&shared, "42").await;
    let (mut servers, uncounted) = (Vec::new(), watch::Sender::new(0));
    for _ in 0..SERVERS {
        let own = MemoryStore::new();
        rig::create(&own, "42").await;
        let store = Arc::new(Buggy {
            bug,
            shared: shared.clone(),
            own,
            uncounted: uncounted.clone(),
        });
        servers.push(serve(store, &shared, &hashes).await);
    }
    let addresses = servers.iter().map(|server| server.address).collect();
    let addresses = Arc::new(Mutex::new(addresses));
    let mut flood = Running::start(SIZE, &addresses, &(Arc::new(|n| check("42", n)) as _));
    assert_eq!(flood.end().await.answered, SIZE.guesses);
    hashes.load(Ordering::Relaxed)
}

async fn serve(store: Arc<Buggy>, documents: &MemoryStore, hashes: &Arc<AtomicUsize>) -> InProcess {
    let lockout = LockoutPolicy::new(LIMIT.try_into().unwrap());
    let policies = Policies::default().with_lockout(lockout);
    let hasher = Arc::new(Counting {
        inner: Argon2id::new(Argon2Params::new(8, 1, 1).unwrap()),
        hashes: Arc::clone(hashes),
    });
    let engine = Engine::builder(store.clone())
        .with_policies(Arc::new(StaticPolicies::new(policies)))
        .with_hasher(hasher)
        .build();
    let (engine, clock) = (Arc::new(engine.unwrap()), Arc::new(SystemClock::new()));
    let sessions = Sessions::new(engine.clone(), store, Arc::new(documents.clone()), clock);
    let api = ZitadelApi::new(engine, Arc::new(rig::OneAdmin), Arc::new(rig::OneAdmin));
    let api = api.with_sessions(Arc::new(sessions));
    InProcess::serve(api.router()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_store_keeps_the_limit() {
    assert_eq!(flooded(Bug::None).await, LIMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_after_the_hash_lets_more_through() {
    let hashes = flooded(Bug::CountsAfterwards).await;
    assert!(hashes > LIMIT, "{hashes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_in_each_server_lets_more_through() {
    assert_eq!(flooded(Bug::CountsAlone).await, SERVERS * LIMIT);
}
