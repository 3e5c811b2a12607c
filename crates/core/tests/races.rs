//! What a service does when somebody else writes between its reading and its writing.
//!
//! A rival stands before the store and acts once, just before the next commit. Whoever sets a
//! password must then read state and policy again, must not hash again, and must give up at the
//! deadline and no earlier.
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use portcullis_core::{
    AgePolicy, Argon2Params, Argon2id, Caller, Clock, ComplexityPolicy, Engine, ErrorKind,
    HashCost, HashError, HashString, LockoutPolicy, ManualClock, MemoryStore, OperationId, OrgId,
    OsRandom, Password, PasswordHasher, PasswordService, Permission, PolicyStore, ResetCodePolicy,
    SetPassword, StoreError, SystemClock, UserId, UserKey, UserStore, danger,
    store::{
        AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, EventKind, EventPage,
        EventQuery, HashUpgrade, Method, NewUser, OperationRecord, SettleOutcome, Settlement,
        UpgradeOutcome, UserKind, UserRecord, UserState,
    },
};

/// Hashes at no cost and counts.
#[derive(Debug)]
struct Counting {
    inner: Argon2id,
    hashes: AtomicU32,
}

impl PasswordHasher for Counting {
    fn hash(&self, password: &Password) -> Result<HashString, HashError> {
        self.hashes.fetch_add(1, Ordering::Relaxed);
        self.inner.hash(password)
    }

    fn verify(&self, password: &Password, hash: &HashString) -> Result<bool, HashError> {
        self.inner.verify(password, hash)
    }

    fn admits(&self, hash: &HashString) -> Result<(), HashError> {
        self.inner.admits(hash)
    }

    fn needs_upgrade(&self, hash: &HashString) -> bool {
        self.inner.needs_upgrade(hash)
    }

    fn rehash(&self, password: &Password, verified: &HashString) -> Result<HashString, HashError> {
        self.hashes.fetch_add(1, Ordering::Relaxed);
        self.inner.rehash(password, verified)
    }

    fn cost(&self) -> HashCost {
        self.inner.cost()
    }

    fn suite(&self) -> String {
        self.inner.suite()
    }
}

/// What happens just before the next commit.
type Move = Box<dyn FnOnce(&Rival) -> Option<Change> + Send>;

/// A store in which somebody else is a moment faster.
#[derive(Debug)]
struct Rival {
    store: MemoryStore,
    policy: Mutex<ComplexityPolicy>,
    clock: ManualClock,
    moves: Mutex<Moves>,
}

#[derive(Default)]
struct Moves(Vec<Move>);

impl std::fmt::Debug for Moves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} moves", self.0.len())
    }
}

impl Rival {
    fn new(moves: Vec<Move>) -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new(),
            policy: Mutex::default(),
            clock: ManualClock::at(SystemClock::new().now()),
            moves: Mutex::new(Moves(moves)),
        })
    }

    async fn version(&self) -> portcullis_core::store::Version {
        self.store.load(&key()).await.unwrap().unwrap().version
    }
}

#[async_trait]
impl PolicyStore for Rival {
    async fn complexity(&self, _: &OrgId) -> Result<ComplexityPolicy, StoreError> {
        Ok(*self.policy.lock().unwrap())
    }

    async fn lockout(&self, _: &OrgId) -> Result<LockoutPolicy, StoreError> {
        Ok(LockoutPolicy::default())
    }

    async fn age(&self, _: &OrgId) -> Result<AgePolicy, StoreError> {
        Ok(AgePolicy::default())
    }

    async fn reset_code(&self, _: &OrgId) -> Result<ResetCodePolicy, StoreError> {
        Ok(ResetCodePolicy::default())
    }
}

impl Clock for Rival {
    fn now(&self) -> portcullis_core::Timestamp {
        self.clock.now()
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
}

#[async_trait]
impl UserStore for Rival {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        self.store.create(user).await
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        self.store.load(key).await
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let next = self.moves.lock().unwrap().0.pop();
        let rival = next.and_then(|next| next(self));
        if let Some(mut rival) = rival {
            rival.expected = self.version().await;
            let outcome = self.store.commit(&rival).await?;
            assert!(matches!(outcome, CommitOutcome::Committed(_)));
        }
        self.store.commit(change).await
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        self.store.take_attempt(request).await
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        self.store.settle_attempt(settlement).await
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        self.store.upgrade_hash(upgrade).await
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        self.store.events(query).await
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        self.store.operation(key, operation).await
    }
}

fn key() -> UserKey {
    UserKey::new(OrgId::new("acme").unwrap(), UserId::new("42").unwrap())
}

/// A change of state. The version is filled in when it is made.
fn state(state: UserState, event: EventKind) -> Change {
    let operation = OperationId::random(&OsRandom).unwrap();
    let version = portcullis_core::store::Version::FIRST;
    Change::new(key(), Method::ChangeState, operation, version, event).with_state(state)
}

/// What setting a password came to, and how often it hashed.
async fn set(rival: &Arc<Rival>, time_limit: Duration) -> (Result<u64, String>, u32) {
    let operation = OperationId::random(&OsRandom).unwrap();
    let user = NewUser::new(key(), "alice", UserKind::Human, operation);
    rival.store.create(&user).await.unwrap();
    let hasher = Arc::new(Counting {
        inner: Argon2id::new(Argon2Params::new(8, 1, 1).unwrap()),
        hashes: AtomicU32::new(0),
    });
    let engine = Engine::builder(Arc::clone(rival) as Arc<dyn UserStore>)
        .with_policies(Arc::clone(rival) as Arc<dyn PolicyStore>)
        .with_clock(Arc::clone(rival) as Arc<dyn Clock>)
        .with_hasher(Arc::clone(&hasher) as Arc<dyn PasswordHasher>)
        .build()
        .unwrap();
    let (organisation, user) = (key().organisation().clone(), key().user().clone());
    let admin = Caller::new(UserId::new("1").unwrap(), None);
    let proof = danger::assume(admin, organisation, Permission::UserWrite, user.as_str());
    let password = Password::new("Secret-1234".to_owned()).unwrap();
    let request = SetPassword::new(user, password).with_time_limit(time_limit);
    let result = engine.set_password(&proof, request).await;
    let result = result.map(|details| details.sequence);
    let result = result.map_err(|error| format!("{:?}", error.kind()));
    (result, hasher.hashes.load(Ordering::Relaxed))
}

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_lost_race_is_run_again_without_a_second_hash() {
    let lock = |_: &Rival| Some(state(UserState::Locked, EventKind::Locked));
    let unlock = |_: &Rival| Some(state(UserState::Active, EventKind::Unlocked));
    let rival = Rival::new(vec![Box::new(lock), Box::new(unlock), Box::new(lock)]);
    let (result, hashes) = set(&rival, LIMIT).await;
    assert_eq!(result, Ok(5), "created, three rivals, set");
    assert_eq!(hashes, 1);
    let record = rival.store.load(&key()).await.unwrap().unwrap();
    assert_eq!(
        record.state,
        UserState::Locked,
        "a set leaves the state alone"
    );
}

#[tokio::test]
async fn a_state_that_changed_meanwhile_is_seen() {
    for (to, event, expected) in [
        (
            UserState::Initial,
            EventKind::Deactivated,
            "UserNotInitialised",
        ),
        (UserState::Removed, EventKind::Removed, "UserNotFound"),
    ] {
        let rival = Rival::new(vec![Box::new(move |_: &Rival| Some(state(to, event)))]);
        let (result, hashes) = set(&rival, LIMIT).await;
        assert_eq!(result, Err(expected.to_owned()));
        assert_eq!(hashes, 1, "it had hashed before it could know");
        let record = rival.store.load(&key()).await.unwrap().unwrap();
        assert!(record.credential.changed.is_none(), "nothing was set");
    }
}

#[tokio::test]
async fn a_policy_that_changed_meanwhile_is_seen() {
    let tighten = |rival: &Rival| {
        *rival.policy.lock().unwrap() = ComplexityPolicy::min_length(40).unwrap();
        Some(state(UserState::Locked, EventKind::Locked))
    };
    let (result, hashes) = set(&Rival::new(vec![Box::new(tighten)]), LIMIT).await;
    let refused = result.unwrap_err();
    assert!(refused.starts_with("PolicyViolated"), "{refused}");
    assert_eq!(hashes, 1);
}

#[tokio::test]
async fn a_race_that_is_lost_until_the_deadline_is_a_conflict_and_not_earlier() {
    // Each rival takes three seconds; the fourth is past the limit of ten.
    let slow = |rival: &Rival| {
        rival.clock.advance(Duration::from_secs(3));
        Some(state(UserState::Locked, EventKind::Locked))
    };
    let moves = (0..10).map(|_| Box::new(slow) as Move).collect();
    let rival = Rival::new(moves);
    let (result, hashes) = set(&rival, LIMIT).await;
    assert_eq!(result, Err("Conflict".to_owned()));
    assert_eq!(hashes, 1);
    assert_eq!(rival.clock.elapsed(), Duration::from_secs(12));
    let record = rival.store.load(&key()).await.unwrap().unwrap();
    assert_eq!(
        record.sequence, 5,
        "created and four rivals: nothing was set"
    );
}

#[tokio::test]
async fn time_that_passes_without_a_rival_is_no_conflict() {
    let slow = |rival: &Rival| {
        rival.clock.advance(Duration::from_secs(60));
        None
    };
    let (result, _) = set(&Rival::new(vec![Box::new(slow)]), LIMIT).await;
    assert_eq!(result, Ok(2));
}

#[tokio::test]
async fn a_proof_is_good_for_the_access_that_it_is_about_alone() {
    let engine = Engine::builder(Arc::new(MemoryStore::new()))
        .build()
        .unwrap();
    let alice = UserId::new("42").unwrap();
    for (permission, target) in [
        (Permission::UserRead, "42"),
        (Permission::UserWrite, "43"),
        (Permission::UserWrite, ""),
    ] {
        let admin = Caller::new(UserId::new("1").unwrap(), None);
        let proof = danger::assume(admin, OrgId::new("acme").unwrap(), permission, target);
        let password = Password::new("Secret-1234".to_owned()).unwrap();
        let request = SetPassword::new(alice.clone(), password);
        let refused = engine.set_password(&proof, request).await.unwrap_err();
        assert!(
            matches!(refused.kind(), ErrorKind::Misuse),
            "{permission:?} {target}"
        );
        let id = OperationId::random(&OsRandom).unwrap();
        let found = engine.operation(&proof, &alice, id).await;
        let covered = (permission, target) == (Permission::UserRead, "42");
        assert_eq!(found.is_ok(), covered, "{permission:?} {target}");
    }
}
