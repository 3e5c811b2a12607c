//! Contenders on one server, and what is made of their times.

use std::{
    fmt,
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
    /// Takes over a user that the store has created.
    async fn adopt(&self, _user: &UserKey) {}

    /// Replaces the hash if the version is this one, and appends the event.
    async fn write(&self, user: &UserKey, version: Version);

    /// Reads what a login needs, by the key.
    async fn read(&self, user: &UserKey);
}

/// Everyone who competes on one server. Each has users of its own, so that versions are known.
pub(crate) struct Ring {
    pub(crate) store: Arc<dyn UserStore>,
    /// The same write without the operation id, and with it.
    pub(crate) by_hand: [Arc<dyn Contender>; 2],
    /// Keeps the server.
    pub(crate) _server: Box<dyn Send + Sync>,
}

pub(crate) const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA\
                               $QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHWQjcIk5wH3vI";

/// The store itself, as a contender.
struct Ours(Arc<dyn UserStore>);

#[async_trait]
impl Contender for Ours {
    async fn write(&self, user: &UserKey, version: Version) {
        let outcome = self.0.commit(&change(user, version)).await.unwrap();
        assert!(matches!(outcome, CommitOutcome::Committed(_)));
    }

    async fn read(&self, user: &UserKey) {
        self.0.load(user).await.unwrap().unwrap();
    }
}

/// A new password.
pub(crate) fn change(user: &UserKey, version: Version) -> Change {
    let event = EventKind::PasswordChanged;
    let change = Change::new(user.clone(), Method::SetPassword, fresh(), version, event);
    let hash = HashString::parse(HASH).unwrap();
    let must_change = true;
    change.with_credential(CredentialChange::Replace { hash, must_change })
}

/// A user with a password.
pub(crate) fn new_user(id: String) -> NewUser {
    let key = UserKey::new(OrgId::new("acme").unwrap(), UserId::new(id).unwrap());
    let user = NewUser::new(key, "alice@example.com", UserKind::Human, fresh());
    user.with_hash(HashString::parse(HASH).unwrap(), false)
}

pub(crate) fn fresh() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

/// Compares at 1, 8 and 64 callers, and says whether the bars were held.
pub(crate) async fn run(name: &str, ring: Ring) -> bool {
    let mut out = stdout();
    writeln!(out, "\n{name}\n\n{HEAD}").unwrap();
    let mut held = true;
    for callers in [1, 8, 64] {
        let rounds = rounds(&ring, callers).await;
        // The first rounds open connections and fill caches.
        held &= report(&mut out, callers, rounds.get(WARM_UP..).unwrap());
    }
    held
}

/// What each contender did in a second of one round. Their order moves on with every round.
#[derive(Clone, Copy, Default)]
struct Round {
    ours: Rates,
    without_id: Rates,
    with_id: Rates,
}

#[derive(Clone, Copy, Default)]
struct Rates {
    writes: f64,
    reads: f64,
}

async fn rounds(ring: &Ring, callers: usize) -> Vec<Round> {
    let [without_id, with_id] = ring.by_hand.clone();
    let contenders: [Arc<dyn Contender>; 3] =
        [Arc::new(Ours(Arc::clone(&ring.store))), without_id, with_id];
    let mut teams = Vec::new();
    for (index, contender) in contenders.into_iter().enumerate() {
        teams.push(Team::new(&ring.store, contender, index, callers).await);
    }
    let mut rounds = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        let mut rates = [Rates::default(); 3];
        for turn in 0..3 {
            let at = (round + turn) % 3;
            rates[at].writes = teams[at].writes().await;
        }
        for turn in 0..3 {
            let at = (round + turn) % 3;
            rates[at].reads = teams[at].reads().await;
        }
        let [ours, without_id, with_id] = rates;
        rounds.push(Round {
            ours,
            without_id,
            with_id,
        });
    }
    rounds
}

fn report(out: &mut impl Write, callers: usize, rounds: &[Round]) -> bool {
    let writes = quiet(rounds, |round| {
        [&round.ours, &round.with_id, &round.without_id].map(|rates| rates.writes)
    });
    let reads = quiet(rounds, |round| [round.ours.reads, round.with_id.reads]);
    let write = Spread::of(&writes, |[ours, with_id, _]| ours / with_id);
    let id = Spread::of(&writes, |[_, with_id, without_id]| with_id / without_id);
    let read = Spread::of(&reads, |[ours, by_hand]| ours / by_hand);
    let rate = |at: usize| Spread::of(&writes, |rates| rates[at]).median;
    writeln!(
        out,
        "| {callers} | {:.0} | {:.0} | {write} | {:.0} | {id} | {:.0} | {read} |",
        rate(0),
        rate(1),
        rate(2),
        Spread::of(&reads, |[ours, _]| *ours).median,
    )
    .unwrap();
    write.median >= BAR && read.median >= BAR
}

/// The half of the rounds in which the least happened beside them: in which all contenders
/// together did most, each measured by its own mean.
fn quiet<const N: usize>(rounds: &[Round], rates: fn(&Round) -> [f64; N]) -> Vec<[f64; N]> {
    let mut rounds: Vec<_> = rounds.iter().map(rates).collect();
    let mut sums = [0.0; N];
    for round in &rounds {
        for (sum, rate) in sums.iter_mut().zip(round) {
            *sum += rate;
        }
    }
    let together = |round: &[f64; N]| -> f64 {
        let shares = round.iter().zip(&sums).map(|(rate, sum)| rate / sum);
        shares.sum()
    };
    rounds.sort_by(|a, b| together(b).total_cmp(&together(a)));
    rounds.truncate(rounds.len() / 2);
    rounds
}

/// The median and the two quartiles.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of<T>(rounds: &[T], value: impl Fn(&T) -> f64) -> Self {
        let mut values: Vec<_> = rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
        Self {
            low: at(1),
            median: at(2),
            high: at(3),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { low, median, high } = self;
        write!(f, "**{median:.2}** ({low:.2}–{high:.2})")
    }
}

/// A contender's callers, each with a user of its own.
struct Team {
    contender: Arc<dyn Contender>,
    users: Vec<(UserKey, Version)>,
}

impl Team {
    async fn new(
        store: &Arc<dyn UserStore>,
        contender: Arc<dyn Contender>,
        index: usize,
        callers: usize,
    ) -> Self {
        let mut users = Vec::new();
        for caller in 0..callers {
            let user = new_user(format!("{index}-{callers}-{caller}"));
            store.create(&user).await.unwrap();
            contender.adopt(&user.key).await;
            users.push((user.key, Version::FIRST));
        }
        Self { contender, users }
    }

    /// Writes per second.
    async fn writes(&mut self) -> f64 {
        let (start, mut tasks) = (Instant::now(), Vec::new());
        for (key, mut version) in self.users.drain(..) {
            let contender = Arc::clone(&self.contender);
            tasks.push(tokio::spawn(async move {
                let first = version;
                while start.elapsed() < TURN {
                    contender.write(&key, version).await;
                    version = version.next();
                }
                (version.0 - first.0, (key, version))
            }));
        }
        let mut done = 0;
        for task in tasks {
            let (writes, user) = task.await.unwrap();
            self.users.push(user);
            done += writes;
        }
        per_second(done, start.elapsed())
    }

    /// Reads per second.
    async fn reads(&self) -> f64 {
        let (start, mut tasks) = (Instant::now(), Vec::new());
        for (key, _) in &self.users {
            let (contender, key) = (Arc::clone(&self.contender), key.clone());
            tasks.push(tokio::spawn(async move {
                let mut reads = 0;
                while start.elapsed() < TURN {
                    contender.read(&key).await;
                    reads += 1;
                }
                reads
            }));
        }
        let mut done = 0;
        for task in tasks {
            done += task.await.unwrap();
        }
        per_second(done, start.elapsed())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
pub(crate) fn per_second(done: u64, elapsed: Duration) -> f64 {
    done as f64 / elapsed.as_secs_f64()
}

const HEAD: &str = "\
| callers | writes/s | by hand | ratio | by hand without the id | price of the id | reads/s | ratio |
|---:|---:|---:|---:|---:|---:|---:|---:|";
/// Of what the hand-written statement does.
const BAR: f64 = 0.9;
const WARM_UP: usize = 3;
const ROUNDS: usize = 160;
/// Short, so that a neighbour who makes this machine slow meets all contenders.
const TURN: Duration = Duration::from_millis(30);
