//! The threads, with a hasher that waits until it is let go on.

use std::{
    num::NonZeroUsize,
    sync::{Condvar, Mutex, MutexGuard},
    time::Duration,
};

use tokio::task::JoinHandle;

use super::*;
use crate::clock::ManualClock;

/// A hasher that counts what runs, and ends a run for each permit.
#[derive(Debug, Default)]
struct Blocked {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    permits: usize,
    running: usize,
    memory: u64,
    peak: u64,
    /// The passwords in the order in which their hashes started.
    started: Vec<String>,
}

impl Blocked {
    fn allow(&self, runs: usize) {
        self.lock().permits += runs;
        self.changed.notify_all();
    }

    fn started(&self) -> Vec<String> {
        self.lock().started.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn run(&self, password: &Password, memory: u64) {
        let mut state = self.lock();
        let text = String::from_utf8(password.expose().to_vec()).unwrap();
        state.running += 1;
        state.memory += memory;
        state.peak = state.peak.max(state.memory);
        state.started.push(text.clone());
        while state.permits == 0 {
            state = self.changed.wait(state).unwrap();
        }
        state.permits -= 1;
        state.running -= 1;
        state.memory -= memory;
        drop(state);
        assert_ne!(text, "panic");
    }
}

impl PasswordHasher for Blocked {
    fn hash(&self, password: &Password) -> Result<HashString, HashError> {
        self.run(password, self.cost().memory_bytes());
        Ok(HashString::parse(&text(1024)).unwrap())
    }

    fn verify(&self, password: &Password, hash: &HashString) -> Result<bool, HashError> {
        self.run(password, hash.cost().memory_bytes());
        Ok(true)
    }

    fn admits(&self, _: &HashString) -> Result<(), HashError> {
        Ok(())
    }

    fn needs_upgrade(&self, _: &HashString) -> bool {
        false
    }

    fn rehash(&self, password: &Password, _: &HashString) -> Result<HashString, HashError> {
        self.hash(password)
    }

    fn cost(&self) -> HashCost {
        HashCost::new(1024, 1)
    }

    fn suite(&self) -> String {
        "blocked".to_owned()
    }
}

const MIB: u64 = 1024 * 1024;

struct World {
    hasher: Arc<Blocked>,
    pool: Arc<HashPool>,
    clock: Arc<ManualClock>,
}

type Answer = JoinHandle<Result<bool, HashError>>;

impl World {
    fn new(workers: usize, change: impl FnOnce(HashPoolConfig) -> HashPoolConfig) -> Self {
        let config = HashPoolConfig::default()
            .with_workers(NonZeroUsize::new(workers).unwrap())
            .with_memory(1 << 40)
            .with_wait(Duration::from_secs(60));
        let hasher = Arc::new(Blocked::default());
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let pool = HashPool::start_on(hasher.clone(), change(config), clock.clone()).unwrap();
        Self {
            hasher,
            pool: Arc::new(pool),
            clock,
        }
    }

    /// Sends a request and waits until it is queued, runs or was refused.
    async fn send(&self, organisation: &str, password: &str, mebibytes: u64) -> Answer {
        let before = self.pool.workers.admitted();
        let (pool, organisation) = (Arc::clone(&self.pool), OrgId::new(organisation).unwrap());
        let password = Arc::new(Password::new(password.to_owned()).unwrap());
        let hash = Arc::new(HashString::parse(&text(mebibytes * 1024)).unwrap());
        let answer = tokio::spawn(async move {
            pool.verify(HashKind::Compare, &organisation, &password, hash)
                .await
        });
        until(|| answer.is_finished() || self.pool.workers.admitted() != before).await;
        answer
    }

    /// Fills every thread, each with a job of 1 MiB.
    async fn fill(&self, workers: usize) -> Vec<Answer> {
        let mut answers = Vec::new();
        for _ in 0..workers {
            answers.push(self.send("filler", "filler", 1).await);
        }
        until(|| self.hasher.lock().running == workers).await;
        self.hasher.lock().started.clear();
        answers
    }
}

fn text(kib: u64) -> String {
    format!("$argon2id$v=19$m={kib},t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW")
}

/// Yields until something is so; it always becomes so, or the test hangs.
async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}

fn retry_after(result: Result<bool, HashError>) -> Duration {
    match result {
        Err(HashError::Overloaded { retry_after }) => retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn jobs_of_any_cost_never_exceed_the_budget() {
    let world = World::new(8, |config| config.with_memory(10 * MIB));
    let mut answers = Vec::new();
    for number in 0..60 {
        answers.push(world.send("a", "x", 1 + number % 7).await);
    }
    for _ in 0..60 {
        world.hasher.allow(1);
        tokio::task::yield_now().await;
    }
    for answer in answers {
        assert!(answer.await.unwrap().unwrap());
    }
    let peak = world.hasher.lock().peak;
    assert!((7 * MIB..=10 * MIB).contains(&peak), "{peak}");
}

#[tokio::test]
async fn a_job_above_the_budget_has_an_error_of_its_own() {
    let world = World::new(1, |config| config.with_memory(10 * MIB));
    let refused = world.send("a", "x", 11).await.await.unwrap();
    assert!(matches!(
        refused,
        Err(HashError::TooLarge { needed, budget }) if needed == 11 * MIB && budget == 10 * MIB
    ));
    assert!(world.hasher.started().is_empty());
}

#[tokio::test]
async fn jobs_start_in_turns_and_in_order() {
    let world = World::new(1, |config| config);
    let mut answers = world.fill(1).await;
    for password in ["a1", "a2", "a3", "b1", "b2"] {
        answers.push(world.send(&password[..1], password, 1).await);
    }
    world.hasher.allow(6);
    for answer in answers {
        assert!(answer.await.unwrap().unwrap());
    }
    assert_eq!(world.hasher.started(), ["a1", "b1", "a2", "b2", "a3"]);
}

#[tokio::test]
async fn beyond_the_bound_callers_are_told_when_to_come_back() {
    let world = World::new(2, |config| config.with_queue(3));
    let mut answers = world.fill(2).await;
    for _ in 0..3 {
        answers.push(world.send("a", "waits", 1).await);
    }
    for _ in 0..100 {
        // The filler's share is as small as that of `a` would be.
        let refused = world.send("a", "refused", 1).await.await.unwrap();
        assert!(retry_after(refused) >= Duration::from_millis(1));
    }
    world.hasher.allow(5);
    for answer in answers {
        assert!(answer.await.unwrap().unwrap());
    }
    assert_eq!(world.hasher.started(), ["waits"; 3]);
}

#[tokio::test]
async fn a_flood_cannot_lock_others_out() {
    let world = World::new(1, |config| config.with_queue(4));
    let mut flood = world.fill(1).await;
    for _ in 0..4 {
        flood.push(world.send("flood", "flood", 1).await);
    }
    let small = world.send("small", "small", 1).await;
    let newest = flood.pop().unwrap();
    assert!(retry_after(newest.await.unwrap()) >= Duration::from_millis(1));
    world.hasher.allow(5);
    assert!(small.await.unwrap().unwrap());
    for answer in flood {
        assert!(answer.await.unwrap().unwrap());
    }
    assert_eq!(world.hasher.started(), ["flood", "small", "flood", "flood"]);
}

#[tokio::test]
async fn callers_that_go_away_never_hash_and_free_their_places() {
    let world = World::new(1, |config| config.with_queue(3));
    let mut answers = world.fill(1).await;
    for _ in 0..50 {
        let mut gone = Vec::new();
        for _ in 0..3 {
            gone.push(world.send("a", "gone", 1).await);
        }
        for answer in gone {
            answer.abort();
            assert!(answer.await.unwrap_err().is_cancelled());
        }
    }
    answers.push(world.send("a", "stays", 1).await);
    world.hasher.allow(2);
    for answer in answers {
        assert!(answer.await.unwrap().unwrap());
    }
    assert_eq!(world.hasher.started(), ["stays"]);
}

#[tokio::test]
async fn who_goes_away_while_hashing_keeps_the_thread_until_the_end() {
    let world = World::new(1, |config| config.with_queue(0));
    let answers = world.fill(1).await;
    answers.iter().for_each(JoinHandle::abort);
    until(|| answers[0].is_finished()).await;
    retry_after(world.send("a", "refused", 1).await.await.unwrap());
    world.hasher.allow(1);
    until(|| world.pool.workers.present() == 0).await;
    world.hasher.allow(1);
    assert!(world.send("a", "taken", 1).await.await.unwrap().unwrap());
}

#[tokio::test]
async fn a_job_whose_deadline_passed_is_dropped_unhashed() {
    let world = World::new(1, |config| config);
    let filler = world.fill(1).await;
    let late = world.send("a", "late", 1).await;
    world.clock.advance(Duration::from_secs(60));
    let fresh = world.send("a", "fresh", 1).await;
    retry_after(late.await.unwrap());
    world.hasher.allow(2);
    for answer in filler.into_iter().chain([fresh]) {
        assert!(answer.await.unwrap().unwrap());
    }
    assert_eq!(world.hasher.started(), ["fresh"]);
}

#[tokio::test]
async fn a_job_is_turned_away_in_time_while_all_threads_hash() {
    let wait = Duration::from_millis(20);
    let world = World::new(1, |config| config.with_wait(wait));
    let filler = world.fill(1).await;
    let late = world.send("a", "late", 1).await;
    world.clock.advance(wait);
    retry_after(late.await.unwrap());
    world.hasher.allow(1);
    for answer in filler {
        assert!(answer.await.unwrap().unwrap());
    }
    assert!(world.hasher.started().is_empty());
}

#[tokio::test]
async fn a_request_keeps_its_seat_until_its_commit_is_done() {
    let world = World::new(1, |config| config.with_queue(1).with_commits(0));
    let (organisation, password) = (
        OrgId::new("a").unwrap(),
        Arc::new(Password::new("x".to_owned()).unwrap()),
    );
    let mut admission = world.pool.admit(&organisation).unwrap();
    world.hasher.allow(2);
    admission.hash(HashKind::Set, &password).await.unwrap();
    // The thread is free, but the request is still with the store.
    let waits = world.send("a", "waits", 1).await;
    retry_after(world.send("a", "refused", 1).await.await.unwrap());
    // A second hash of the same request needs no other seat.
    admission.hash(HashKind::Upgrade, &password).await.unwrap();
    assert!(!waits.is_finished());
    world.hasher.allow(1);
    drop(admission);
    assert!(waits.await.unwrap().unwrap());
    assert_eq!(world.hasher.started(), ["x", "x", "waits"]);
}

#[tokio::test]
async fn a_drain_ends_what_was_begun_and_takes_nothing_new() {
    let world = World::new(1, |config| config);
    let mut answers = world.fill(1).await;
    answers.push(world.send("a", "queued", 1).await);
    let drain = tokio::spawn({
        let pool = Arc::clone(&world.pool);
        async move { pool.drain().await }
    });
    until(|| {
        matches!(
            world.pool.admit(&OrgId::new("a").unwrap()),
            Err(HashError::Closed)
        )
    })
    .await;
    assert!(!drain.is_finished());
    world.hasher.allow(2);
    for answer in answers {
        assert!(answer.await.unwrap().unwrap());
    }
    drain.await.unwrap();
    assert_eq!(world.hasher.started(), ["queued"]);
}

#[tokio::test]
async fn a_hasher_that_panics_costs_its_answer_only() {
    let world = World::new(1, |config| config.with_queue(0));
    world.hasher.allow(100);
    for _ in 0..20 {
        let died = world.send("a", "panic", 1).await.await.unwrap();
        assert!(matches!(died, Err(HashError::Died)));
        until(|| world.pool.workers.present() == 0).await;
        assert!(world.send("a", "x", 1).await.await.unwrap().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost_among_many_callers_and_threads() {
    let world = World::new(4, |config| config.with_memory(5 * MIB).with_queue(10_000));
    world.hasher.allow(usize::MAX / 2);
    let callers = (0..16_u64).map(|caller| {
        let pool = Arc::clone(&world.pool);
        tokio::spawn(async move {
            let organisation = OrgId::new((caller % 5).to_string()).unwrap();
            let password = Arc::new(Password::new("x".to_owned()).unwrap());
            for round in 0..250 {
                let hash = HashString::parse(&text(1024 * (1 + (caller + round) % 5))).unwrap();
                let verified =
                    pool.verify(HashKind::Compare, &organisation, &password, Arc::new(hash));
                assert!(verified.await.unwrap());
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(world.hasher.started().len(), 16 * 250);
    assert!(world.hasher.lock().peak <= 5 * MIB);
    world.pool.drain().await;
}

#[test]
fn new_hashes_that_do_not_fit_are_refused_at_the_start() {
    let config = HashPoolConfig::default().with_memory(MIB - 1);
    let error = HashPool::start(Arc::new(Blocked::default()), config).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
