//! Contenders on one server, and what is made of their times.

use std::{
    io::{Write, stdout},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use portcullis_core::{
    HashString, OperationId, OrgId, OsRandom, UserId, UserKey, UserStore,
    store::{
        Change, CommitOutcome, CredentialChange, EventKind, Method, NewUser, UserKind, Version,
    },
};

/// One way to write and read a user.
#[async_trait]
pub(crate) trait Contender: Send + Sync {
    /// Replaces the hash if the version is this one.
    async fn write(&self, user: &UserKey, version: Version);

    /// Reads what a login needs.
    async fn read(&self, user: &UserKey);
}

/// Everyone who competes on one server. Each has users of its own, so that versions are known.
pub(crate) struct Ring {
    /// Creates the users of all.
    pub(crate) store: Arc<dyn UserStore>,
    /// Without and with the operation id.
    pub(crate) by_hand: [Arc<dyn Contender>; 2],
    /// Keeps the server.
    pub(crate) _guard: Box<dyn Send>,
}

pub(crate) const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA\
                               $QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHWQjcIk5wH3vI";

/// The store itself, as a contender.
struct Ours(Arc<dyn UserStore>);

#[async_trait]
impl Contender for Ours {
    async fn write(&self, user: &UserKey, version: Version) {
        let event = EventKind::PasswordChanged;
        let change = Change::new(user.clone(), Method::SetPassword, fresh(), version, event)
            .with_credential(CredentialChange::Replace {
                hash: HashString::parse(HASH).unwrap(),
                must_change: true,
            });
        let outcome = self.0.commit(&change).await.unwrap();
        assert!(matches!(outcome, CommitOutcome::Committed(_)));
    }

    async fn read(&self, user: &UserKey) {
        self.0.load(user).await.unwrap().unwrap();
    }
}

pub(crate) fn fresh() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

/// Compares at 1, 8 and 64 callers, and says whether the bars were held.
pub(crate) async fn run(name: &str, ring: Ring) -> bool {
    let [plain, remembering] = ring.by_hand.clone();
    let ours: Arc<dyn Contender> = Arc::new(Ours(Arc::clone(&ring.store)));
    let mut held = true;
    let mut out = stdout();
    writeln!(out, "\n{name}\n").unwrap();
    writeln!(
        out,
        "| callers | writes/s | by hand | with id | ratio | cost of the id | read ratio |"
    )
    .unwrap();
    writeln!(out, "|---:|---:|---:|---:|---:|---:|---:|").unwrap();
    for callers in [1, 8, 64] {
        let contenders = [&ours, &plain, &remembering];
        let mut teams = Vec::new();
        for (index, contender) in contenders.into_iter().enumerate() {
            teams.push(Team::new(&ring.store, contender, index, callers).await);
        }
        let mut rounds = Vec::new();
        for round in 0..=ROUNDS {
            let mut times = [[0.0; 2]; 3];
            for (team, times) in teams.iter_mut().zip(&mut times) {
                *times = [team.writes().await, team.reads().await];
            }
            // The first round opens connections and fills caches.
            if round > 0 {
                rounds.push(times);
            }
        }
        held &= report(&mut out, callers, &rounds);
    }
    held
}

fn report(out: &mut impl Write, callers: usize, rounds: &[[[f64; 2]; 3]]) -> bool {
    let of = |value: &dyn Fn(&[[f64; 2]; 3]) -> f64| {
        let mut values: Vec<_> = rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (write, read) = (of(&|r| r[0][0] / r[2][0]), of(&|r| r[0][1] / r[1][1]));
    writeln!(
        out,
        "| {callers} | {:.0} | {:.0} | {:.0} | {write:.2} | {:.2} | {read:.2} |",
        of(&|r| r[0][0]),
        of(&|r| r[1][0]),
        of(&|r| r[2][0]),
        of(&|r| r[2][0] / r[1][0]),
    )
    .unwrap();
    write >= 0.9 && read >= 0.9
}

/// A contender's callers, each with a user of its own.
struct Team {
    contender: Arc<dyn Contender>,
    users: Vec<(UserKey, Version)>,
}

impl Team {
    async fn new(
        store: &Arc<dyn UserStore>,
        contender: &Arc<dyn Contender>,
        index: usize,
        callers: usize,
    ) -> Self {
        let mut users = Vec::new();
        for caller in 0..callers {
            let user = UserId::new(format!("{index}-{callers}-{caller}")).unwrap();
            let key = UserKey::new(OrgId::new("acme").unwrap(), user);
            let new = NewUser::new(key.clone(), "bench", UserKind::Human, fresh())
                .with_hash(HashString::parse(HASH).unwrap(), false);
            store.create(&new).await.unwrap();
            users.push((key, Version::FIRST));
        }
        let contender = Arc::clone(contender);
        Self { contender, users }
    }

    /// Writes per second.
    async fn writes(&mut self) -> f64 {
        let start = Instant::now();
        let (mut done, mut tasks) = (0, Vec::new());
        for (key, version) in self.users.drain(..) {
            let contender = Arc::clone(&self.contender);
            tasks.push(tokio::spawn(async move {
                let (mut version, mut count) = (version, 0);
                while start.elapsed() < TURN {
                    contender.write(&key, version).await;
                    version = version.next();
                    count += 1;
                }
                (key, version, count)
            }));
        }
        for task in tasks {
            let (key, version, count) = task.await.unwrap();
            self.users.push((key, version));
            done += count;
        }
        f64::from(done) / start.elapsed().as_secs_f64()
    }

    /// Reads per second.
    async fn reads(&self) -> f64 {
        let start = Instant::now();
        let (mut done, mut tasks) = (0, Vec::new());
        for (key, _) in &self.users {
            let (contender, key) = (Arc::clone(&self.contender), key.clone());
            tasks.push(tokio::spawn(async move {
                let mut count = 0;
                while start.elapsed() < TURN {
                    contender.read(&key).await;
                    count += 1;
                }
                count
            }));
        }
        for task in tasks {
            done += task.await.unwrap();
        }
        f64::from(done) / start.elapsed().as_secs_f64()
    }
}

const ROUNDS: usize = 15;
const TURN: Duration = Duration::from_millis(200);
