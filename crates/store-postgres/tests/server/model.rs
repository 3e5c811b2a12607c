//! Long random histories, over a schema and over `MemoryStore`, with the same answers to each call.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use portcullis_core::store::{
    AttemptLimits, AttemptRequest, Change, Code, CodeChange, CredentialChange, EventKind,
    EventQuery, HashUpgrade, Method, NewUser, Settlement, Subject, UserKind, UserState,
    Verification, Version, WaitSchedule,
};
use portcullis_core::{
    Clock, HashString, ManualClock, MemoryStore, OperationId, OrgId, SystemClock, UserId, UserKey,
    UserStore,
};
use portcullis_store_postgres::PostgresStore;

use crate::{place::Place, users::walk};

const STEPS: u32 = 1_500;
const OPERATIONS: u64 = 400;
/// Histories that do not come to each of these prove too little.
const ANSWERS: [&str; 23] = [
    "create: Created",
    "create: Exists",
    "create: OperationReused",
    "create: Replayed",
    "commit: CodeRejected",
    "commit: Committed",
    "commit: Conflict",
    "commit: NotFound",
    "commit: OperationReused",
    "commit: Replayed",
    "take_attempt: Busy",
    "take_attempt: NotFound",
    "take_attempt: OperationReused",
    "take_attempt: Permitted",
    "take_attempt: Spent",
    "take_attempt: Stopped",
    "take_attempt: Wait",
    "settle_attempt: Expired",
    "settle_attempt: Settled",
    "upgrade_hash: OperationReused",
    "upgrade_hash: Replayed",
    "upgrade_hash: Superseded",
    "upgrade_hash: Upgraded",
];

/// A linear congruential generator: enough to vary, and the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let index = self.roll(choices.len() as u64);
        let index = usize::try_from(index).unwrap();
        choices.get(index).unwrap().clone()
    }

    fn key(&mut self) -> UserKey {
        let organisation = OrgId::new(self.pick(&["acme", "globex"])).unwrap();
        let user = UserId::new(self.pick(&["1", "2", "3"])).unwrap();
        UserKey::new(organisation, user)
    }

    /// From few enough that many calls repeat an id, and enough that most do not.
    fn operation(&mut self) -> OperationId {
        operation(self.roll(OPERATIONS))
    }

    fn hash(&mut self) -> HashString {
        let memory = self.pick(&["64", "65"]);
        let text = format!(
            "$argon2id$v=19$m={memory},t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW"
        );
        HashString::parse(&text).unwrap()
    }

    fn subject(&mut self) -> Subject {
        if self.roll(4) > 0 {
            return Subject::User(self.key());
        }
        Subject::Sham {
            organisation: OrgId::new("acme").unwrap(),
            slot: self.pick(&[0, u16::MAX]),
        }
    }

    fn new_user(&mut self) -> NewUser {
        let kind = self.pick(&[UserKind::Human, UserKind::Machine]);
        let user = NewUser::new(self.key(), "alice", kind, self.operation());
        let user = user.with_editor(UserId::new("root").unwrap());
        match self.roll(3) {
            0 => user.with_hash(self.hash(), true),
            1 => user.with_state(self.pick(&[UserState::Initial, UserState::Inactive])),
            _ => user,
        }
    }

    fn change(&mut self, key: UserKey, version: Version, clock: &ManualClock) -> Change {
        let method = self.pick(&[Method::SetPassword, Method::ChangeState]);
        let expected = if self.roll(8) > 0 {
            version
        } else {
            version.next()
        };
        let change = Change::new(key, method, self.operation(), expected, EventKind::Unlocked);
        let change = match self.roll(4) {
            0 => change.with_credential(CredentialChange::Remove),
            1 => change,
            _ => change.with_credential(CredentialChange::Replace {
                hash: self.hash(),
                must_change: self.roll(2) == 0,
            }),
        };
        let change = match self.roll(3) {
            0 if self.roll(40) == 0 => change.with_state(UserState::Removed),
            0 => change.with_state(self.pick(&[
                UserState::Active,
                UserState::Active,
                UserState::Locked,
                UserState::Inactive,
            ])),
            1 => change.with_event(EventKind::CodeAdded),
            _ => change,
        };
        let digest = [u8::try_from(self.roll(2)).unwrap(); 32];
        let expires = clock.now() + Duration::from_secs(self.roll(60));
        match self.roll(4) {
            0 => change.with_code(CodeChange::Issue(Code::new(digest, expires))),
            1 => change.with_code(CodeChange::Consume {
                digest,
                max_guesses: 2,
            }),
            _ => change,
        }
    }

    fn request(&mut self) -> AttemptRequest {
        let mut limits = AttemptLimits::default().with_lockout(4);
        limits.lease = Duration::from_secs(self.roll(20));
        if self.roll(2) == 0 {
            let (first, max) = (Duration::from_secs(1), Duration::from_secs(5));
            limits = limits.with_waits(WaitSchedule::new(2, first, max));
        }
        let request = AttemptRequest::new(self.subject(), self.operation(), limits);
        if self.roll(2) == 0 {
            return request.with_guessed_code();
        }
        request
    }

    fn verification(&mut self) -> Verification {
        let wrong = Verification::Wrong { lock_at: Some(3) };
        self.pick(&[Verification::Abandoned, Verification::Right, wrong, wrong])
    }
}

fn operation(number: u64) -> OperationId {
    let id = number.to_be_bytes();
    OperationId::from_bytes([id, id].concat().try_into().unwrap())
}

struct Pair {
    clock: Arc<ManualClock>,
    dice: Dice,
    model: MemoryStore,
    schema: PostgresStore,
    /// Permits that were asked for and not yet settled.
    open: Vec<(Subject, OperationId)>,
    answers: BTreeSet<String>,
}

/// Asks both the same, compares the answers and notes the kind of answer.
macro_rules! both {
    ($pair:ident.$method:ident($($argument:expr),*)) => {{
        let model = $pair.model.$method($($argument),*).await.unwrap();
        let schema = $pair.schema.$method($($argument),*).await.unwrap();
        let text = format!("{schema:?}");
        assert_eq!(text, format!("{model:?}"), stringify!($method));
        let kind = text.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        $pair.answers.insert(format!("{}: {kind}", stringify!($method)));
        schema
    }};
}

impl Pair {
    async fn step(&mut self) {
        match self.dice.roll(12) {
            0 => {
                let user = self.dice.new_user();
                both!(self.create(&user));
                if self.dice.roll(2) == 0 {
                    both!(self.create(&user));
                }
            }
            1..=3 => {
                let key = self.dice.key();
                let version = both!(self.load(&key)).map_or(Version::FIRST, |user| user.version);
                let change = self.dice.change(key, version, &self.clock);
                both!(self.commit(&change));
                if self.dice.roll(4) == 0 {
                    both!(self.commit(&change));
                }
            }
            4 => {
                let (key, operation) = (self.dice.key(), self.dice.operation());
                let hashes = (self.dice.hash(), self.dice.hash());
                let upgrade = HashUpgrade::new(key, operation, hashes.0, hashes.1);
                both!(self.upgrade_hash(&upgrade));
                if self.dice.roll(2) == 0 {
                    both!(self.upgrade_hash(&upgrade));
                }
            }
            5..=7 => {
                let request = self.dice.request();
                both!(self.take_attempt(&request));
                self.open.push((request.subject, request.permit));
            }
            8..=10 => self.settle().await,
            _ => self.pass_time(),
        }
    }

    async fn settle(&mut self) {
        let (subject, permit) = match self.open.pop() {
            Some(open) if self.dice.roll(8) > 0 => open,
            _ => (self.dice.subject(), self.dice.operation()),
        };
        let verification = self.dice.verification();
        let settlement = Settlement::new(subject, permit, verification);
        both!(self.settle_attempt(&settlement));
        if self.dice.roll(4) == 0 {
            both!(self.settle_attempt(&settlement));
        }
    }

    fn pass_time(&mut self) {
        let by = Duration::from_secs(self.dice.roll(12));
        if self.dice.roll(8) == 0 {
            self.clock.set(self.clock.now() - by);
        } else {
            self.clock.advance(by);
        }
    }

    async fn compare(&mut self) {
        for organisation in ["acme", "globex"] {
            for user in ["1", "2", "3"] {
                let organisation = OrgId::new(organisation).unwrap();
                let key = UserKey::new(organisation, UserId::new(user).unwrap());
                both!(self.load(&key));
                let query = EventQuery::user(key.clone());
                let (schema, model) = (self.schema.events(&query), self.model.events(&query));
                assert_eq!(schema.await.unwrap().events, model.await.unwrap().events);
                for number in 0..OPERATIONS {
                    both!(self.operation(&key, operation(number)));
                }
            }
        }
        let (schema, model) = (EventQuery::outbox(), EventQuery::outbox());
        let (schema, model) = (walk(&self.schema, schema), walk(&self.model, model));
        assert_eq!(schema.await, model.await);
    }
}

async fn history(seed: u64) -> BTreeSet<String> {
    let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
    let mut pair = Pair {
        model: MemoryStore::with_clock(clock.clone()),
        schema: Place::new().await.open().await.with_clock(clock.clone()),
        clock,
        dice: Dice(seed),
        open: Vec::new(),
        answers: BTreeSet::new(),
    };
    for _ in 0..STEPS {
        pair.step().await;
    }
    pair.compare().await;
    pair.answers
}

#[tokio::test]
async fn the_schema_answers_as_the_memory_does() {
    let mut answers = BTreeSet::new();
    for seed in 1..=4 {
        answers.extend(history(seed).await);
    }
    for answer in ANSWERS {
        assert!(answers.contains(answer), "nothing has come to {answer}");
    }
}
