//! What a session's check costs whom, and what becomes of one that loses a race.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use portcullis_core::{
    AnswerMode, Authorized, Caller, Clock, CreateSession, Error, ErrorKind, HashString,
    ManualClock, MemoryStore, Operation, OperationId, OrgId, PasswordHasher, Permission, Policies,
    SessionIssued, SessionRefusal, SessionService, Sessions, SetSession, StoreError, UserId,
    UserKey, UserStore, danger,
    store::{
        Document, DocumentKey, DocumentOutcome, DocumentStore, DocumentWrite, NewUser, UserKind,
        UserState,
    },
};

use crate::world::{Counting, RIGHT, WRONG, World, cheap, key, secret, user};

/// What happens just before the next write of a document, in turn.
type Rivals = Arc<Mutex<VecDeque<SetSession>>>;

/// Counts calls, and lets rivals go first.
#[derive(Debug)]
struct Documents {
    inner: MemoryStore,
    calls: Mutex<Vec<&'static str>>,
    rivals: Rivals,
    rival: Mutex<Option<Arc<Sessions>>>,
}

#[async_trait]
impl DocumentStore for Documents {
    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        self.calls.lock().unwrap().push("read");
        self.inner.document(key).await
    }

    async fn write_document(&self, write: &DocumentWrite) -> Result<DocumentOutcome, StoreError> {
        let next = self.rivals.lock().unwrap().pop_front();
        let rival = self.rival.lock().unwrap().clone();
        if let (Some(next), Some(rival)) = (next, rival) {
            let named = next.add.user.as_ref().map_or("", UserId::as_str);
            rival.set_session(&about(named), next).await.unwrap();
        }
        self.calls.lock().unwrap().push("write");
        self.inner.write_document(write).await
    }
}

struct Rig {
    world: World,
    documents: Arc<Documents>,
    sessions: Sessions,
    rivals: Rivals,
}

impl Rig {
    fn new(world: World, answers: AnswerMode) -> Self {
        let rivals = Rivals::default();
        let documents = Arc::new(Documents {
            inner: world.memory.clone(),
            calls: Mutex::default(),
            rivals: Arc::clone(&rivals),
            rival: Mutex::default(),
        });
        let over = |documents: Arc<dyn DocumentStore>| {
            let (service, users) = (world.service.clone(), world.store.clone());
            Sessions::new(service, users, documents, world.clock.clone()).with_answers(answers)
        };
        let rival = Arc::new(over(Arc::new(world.memory.clone())));
        *documents.rival.lock().unwrap() = Some(rival);
        Self {
            sessions: over(documents.clone()),
            world,
            documents,
            rivals,
        }
    }

    async fn begin(&self, add: CreateSession) -> Result<SessionIssued, Error> {
        self.sessions.create_session(&proof(), add).await
    }

    /// Forgets what was counted so far.
    fn forget(&self) {
        self.world.hasher.take();
        self.world.store.take();
        self.documents.calls.lock().unwrap().clear();
    }

    /// Hashes, their work, calls about users and calls about documents.
    fn spent(&self) -> (u64, u64, Vec<&'static str>, Vec<&'static str>) {
        let (_, compares, work) = self.world.hasher.take();
        let documents = std::mem::take(&mut *self.documents.calls.lock().unwrap());
        (compares, work, self.world.store.take(), documents)
    }
}

fn proof() -> Authorized {
    let (admin, acme) = (
        Caller::new(user("admin"), None),
        OrgId::new("acme").unwrap(),
    );
    danger::assume(admin, acme, Permission::SessionWrite, "")
}

fn about(id: &str) -> Authorized {
    let (admin, acme) = (
        Caller::new(user("admin"), None),
        OrgId::new("acme").unwrap(),
    );
    danger::assume(admin, acme, Permission::SessionWrite, id)
}

fn checks(id: &str, password: &str) -> CreateSession {
    let mut checks = CreateSession::default();
    checks.user = Some(user(id));
    checks.password = Some(secret(password));
    checks
}

const CLASSES: [&str; 9] = [
    "wrong",
    "nobody",
    "elsewhere",
    "machine",
    "unset",
    "inactive",
    "locked",
    "damaged",
    "initial",
];

/// One user for each class, in a store with a costlier suite than the usual one.
async fn classes(answers: AnswerMode) -> Rig {
    let costly: HashString = cheap(512).hash(&secret(RIGHT)).unwrap();
    let world = World::with(Policies::default(), Counting::new(64), |builder, _| {
        builder.with_suites([costly.parameters()])
    });
    for (id, state, password) in [
        ("wrong", UserState::Active, true),
        ("unset", UserState::Active, false),
        ("inactive", UserState::Inactive, true),
        ("locked", UserState::Locked, true),
        ("initial", UserState::Initial, false),
        ("damaged", UserState::Active, true),
    ] {
        world.person(id, state, password).await;
    }
    world
        .memory
        .damage_hash(&key("damaged"), "$argon2id$damaged");
    let elsewhere = UserKey::new(OrgId::new("globex").unwrap(), user("elsewhere"));
    for (n, key, kind) in [
        (8, elsewhere, UserKind::Human),
        (9, key("machine"), UserKind::Machine),
    ] {
        let id = OperationId::from_bytes([n; 16]);
        let new = NewUser::new(key, "other", kind, id);
        world.memory.create(&new).await.unwrap();
    }
    Rig::new(world, answers)
}

#[tokio::test]
async fn a_refused_session_costs_the_same_for_everybody() {
    for answers in [AnswerMode::Zitadel, AnswerMode::Uniform] {
        let rig = classes(answers).await;
        for id in CLASSES {
            rig.forget();
            let (proof, checks) = (about(id), checks(id, WRONG));
            let refused = rig.sessions.create_session(&proof, checks).await;
            refused.unwrap_err();
            let (_, work, users, documents) = rig.spent();
            assert_eq!(work, 512, "{answers:?} {id}");
            assert_eq!(users, ["load", "take", "settle"], "{answers:?} {id}");
            assert!(documents.is_empty(), "{answers:?} {id}: {documents:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_check_of_a_session_costs_the_same_for_everybody() {
    for answers in [AnswerMode::Zitadel, AnswerMode::Uniform] {
        let rig = classes(answers).await;
        for id in CLASSES {
            let issued = rig.begin(CreateSession::default()).await.unwrap();
            rig.forget();
            let set = SetSession::new(issued.session, issued.token, checks(id, WRONG));
            let refused = rig.sessions.set_session(&about(id), set).await;
            refused.unwrap_err();
            let (_, work, users, documents) = rig.spent();
            assert_eq!(work, 512, "{answers:?} {id}");
            assert_eq!(users, ["load", "take", "settle"], "{answers:?} {id}");
            assert_eq!(documents, ["read"], "{answers:?} {id}");
        }
    }
}

#[tokio::test]
async fn a_user_who_is_not_there_is_answered_alike_with_and_without_a_password() {
    let rig = classes(AnswerMode::Zitadel).await;
    for id in ["nobody", "elsewhere"] {
        let mut without = checks(id, WRONG);
        without.password = None;
        for checks in [checks(id, WRONG), without] {
            let refused = rig.sessions.create_session(&about(id), checks).await;
            assert_eq!(*refused.unwrap_err().kind(), ErrorKind::UserNotFound);
        }
    }
}

/// A session that was begun, and the same one for who goes first.
async fn raced(rivals: usize) -> (Rig, SessionIssued) {
    let world = World::alice(Policies::default()).await;
    let rig = Rig::new(world, AnswerMode::Zitadel);
    let issued = rig.begin(CreateSession::default()).await.unwrap();
    for _ in 0..rivals {
        let rival = SetSession::new(issued.session.as_str(), None, CreateSession::default());
        rig.rivals.lock().unwrap().push_back(rival);
    }
    rig.forget();
    (rig, issued)
}

#[tokio::test]
async fn a_lost_race_is_tried_again_without_another_check() {
    let (rig, issued) = raced(3).await;
    let set = SetSession::new(issued.session, None, checks("alice", RIGHT));
    let set = rig
        .sessions
        .set_session(&about("alice"), set)
        .await
        .unwrap();
    assert_eq!(set.details.sequence, 5, "after the first and three rivals");
    let (compares, _, users, documents) = rig.spent();
    assert_eq!(compares, 1);
    assert_eq!(users, ["load", "take", "settle", "load"]);
    let writes = documents.iter().filter(|call| **call == "write");
    assert_eq!(writes.count(), 4);
    let admin = proof();
    let view = rig.sessions.session(&admin, &set.session, set.token).await;
    assert!(view.unwrap().password.is_some());
}

#[tokio::test]
async fn whose_token_went_stale_is_told_so() {
    let (rig, issued) = raced(1).await;
    let set = SetSession::new(issued.session, issued.token, checks("alice", RIGHT));
    let refused = rig.sessions.set_session(&about("alice"), set).await;
    let expected = ErrorKind::SessionRefused(SessionRefusal::TokenInvalid);
    assert_eq!(*refused.unwrap_err().kind(), expected);
}

#[tokio::test]
async fn a_race_is_lost_when_the_time_is_up() {
    let (rig, issued) = raced(1).await;
    let mut add = checks("alice", RIGHT);
    add.time_limit = Duration::ZERO;
    let set = SetSession::new(issued.session, None, add);
    let refused = rig.sessions.set_session(&about("alice"), set).await;
    assert_eq!(*refused.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn nobody_writes_for_a_user_whom_a_rival_named() {
    let (rig, issued) = raced(0).await;
    let session = issued.session.as_str();
    let rival = SetSession::new(session, None, checks("alice", RIGHT));
    rig.rivals.lock().unwrap().push_back(rival);
    // Whoever let this call in was asked about nobody.
    let set = SetSession::new(session, None, CreateSession::default());
    let refused = rig.sessions.set_session(&proof(), set).await;
    assert_eq!(*refused.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_rival_who_says_whose_it_is_keeps_it() {
    let (rig, issued) = raced(0).await;
    rig.world.person("bob", UserState::Active, true).await;
    let mut add = CreateSession::default();
    add.user = Some(user("bob"));
    // The proof of the rival names nobody, so this one is written by hand.
    let rival = rig.documents.rival.lock().unwrap().clone().unwrap();
    let first = SetSession::new(issued.session.as_str(), None, add);
    rival.set_session(&about("bob"), first).await.unwrap();
    let set = SetSession::new(issued.session, None, checks("alice", RIGHT));
    let refused = rig.sessions.set_session(&about("alice"), set).await;
    let expected = ErrorKind::SessionRefused(SessionRefusal::UserDiffers);
    assert_eq!(*refused.unwrap_err().kind(), expected);
}

#[tokio::test]
async fn a_repeated_beginning_that_comes_late_is_told_what_there_is() {
    let world = World::alice(Policies::default()).await;
    let rig = Rig::new(world, AnswerMode::Zitadel);
    let named = |operation| {
        let mut add = CreateSession::default();
        add.operation = Some(operation);
        add
    };
    let id = OperationId::from_bytes([3; 16]);
    let first = rig.begin(named(Operation::Given(id))).await.unwrap();
    let set = SetSession::new(first.session.as_str(), None, CreateSession::default());
    rig.sessions.set_session(&proof(), set).await.unwrap();
    // As of a call that had looked before the first one wrote.
    let late = rig.begin(named(Operation::Fresh(id))).await.unwrap();
    assert_eq!((late.session, late.details.sequence), (first.session, 2));
    assert!(late.token.is_none());
}

#[tokio::test]
async fn a_session_ends_when_it_was_said_whatever_a_servers_clock_says() {
    let world = World::alice(Policies::default()).await;
    let rig = Rig::new(world, AnswerMode::Zitadel);
    let mut add = CreateSession::default();
    add.lifetime = Some(Duration::from_secs(3_600));
    let issued = rig.begin(add).await.unwrap();
    let (admin, id) = (proof(), issued.session.as_str());
    let view = rig.sessions.session(&admin, id, None).await.unwrap();
    let off = rig.world.clock.now() + Duration::from_secs(10 * 365 * 86_400);
    let off = Arc::new(ManualClock::at(off));
    let memory = Arc::new(rig.world.memory.clone());
    let other = Sessions::new(rig.world.service.clone(), memory.clone(), memory, off);
    let set = SetSession::new(id, None, CreateSession::default());
    other.set_session(&admin, set).await.unwrap();
    let later = rig.sessions.session(&admin, id, None).await.unwrap();
    assert_eq!((later.expires, later.details.sequence), (view.expires, 2));
}
