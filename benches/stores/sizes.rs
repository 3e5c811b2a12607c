//! What users, changes and logins take: bytes in the store, and CPU time on both sides.

use std::{
    collections::BTreeMap,
    fs,
    io::{Write, stdout},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use portcullis_core::{
    UserStore,
    store::{
        AttemptLimits, AttemptOutcome, AttemptRequest, CommitOutcome, CreateOutcome, SettleOutcome,
        Settlement, Subject, Verification, Version,
    },
};

use crate::{
    contest::{change, fresh, new_user, per_second},
    postgres, redis, sqlite,
};

/// A store that is filled, and what can be asked about it from outside.
#[async_trait]
pub(crate) trait Gauge: Send + Sync {
    fn store(&self) -> Arc<dyn UserStore>;

    /// Bytes by where they are; other counts have a name that says so.
    async fn sizes(&self) -> BTreeMap<String, i64>;

    /// The first of the server's processes, if it is not this one.
    fn server(&self) -> Option<u32>;
}

pub(crate) async fn run(name: &str, users: usize) {
    let gauge = match name {
        "postgres" => postgres::gauge().await,
        "redis" => redis::gauge().await,
        _ => sqlite::gauge().await,
    };
    let mut out = stdout();
    writeln!(out, "\n{name}, {users} users, {CALLERS} callers\n").unwrap();
    for step in [Step::Create, Step::Change, Step::Login] {
        let (sizes, start) = (gauge.sizes().await, Instant::now());
        let (here, there) = (cpu(std::process::id()), gauge.server().map(cpu));
        all(&gauge.store(), step, users).await;
        let elapsed = start.elapsed();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count(users);
        let here = each(cpu(std::process::id()) - here);
        let server = there.map_or(0.0, |there| each(gauge.server().map(cpu).unwrap() - there));
        let rate = per_second(users.try_into().unwrap(), elapsed);
        writeln!(
            out,
            "{step:?}: {rate:.0}/s, CPU {here:.0} µs here, {server:.0} µs there"
        )
        .unwrap();
        for (place, size) in gauge.sizes().await {
            let grown = size - sizes.get(&place).copied().unwrap_or(0);
            let grown = grown as f64 / count(users);
            writeln!(out, "  {place}: {grown:+.1} each, {size} in all").unwrap();
        }
    }
}

/// What is done for every user.
#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    Change,
    /// A permit is taken, and the password was right.
    Login,
}

async fn all(store: &Arc<dyn UserStore>, step: Step, users: usize) {
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for user in (caller..users).step_by(CALLERS) {
                    one(&*store, step, user).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn one(store: &dyn UserStore, step: Step, user: usize) {
    let user = new_user(format!("3265{user:014}"));
    match step {
        Step::Create => {
            let outcome = store.create(&user).await.unwrap();
            assert!(matches!(outcome, CreateOutcome::Created(_)));
        }
        Step::Change => {
            let change = change(&user.key, Version::FIRST);
            let outcome = store.commit(&change).await.unwrap();
            assert!(matches!(outcome, CommitOutcome::Committed(_)));
        }
        Step::Login => {
            let (subject, permit) = (Subject::User(user.key.clone()), fresh());
            let limits = AttemptLimits::default();
            let request = AttemptRequest::new(subject.clone(), permit, limits);
            store.load(&user.key).await.unwrap().unwrap();
            let outcome = store.take_attempt(&request).await.unwrap();
            assert!(matches!(outcome, AttemptOutcome::Permitted { .. }));
            let settlement = Settlement::new(subject, permit, Verification::Right);
            let outcome = store.settle_attempt(&settlement).await.unwrap();
            assert!(matches!(outcome, SettleOutcome::Settled { .. }));
        }
    }
}

/// CPU time of a process, of its children, and of those of them that have ended.
fn cpu(process: u32) -> Duration {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").unwrap() {
        let Ok(stat) = fs::read_to_string(entry.unwrap().path().join("stat")) else {
            continue;
        };
        let (id, rest) = stat.split_once(" (").unwrap();
        let fields: Vec<_> = rest.rsplit_once(") ").unwrap().1.split(' ').collect();
        let number = |at: usize| fields[at].parse::<u64>().unwrap();
        if id == process.to_string() {
            // Its user and system time, and that of children that have ended.
            ticks += number(11) + number(12) + number(13) + number(14);
        } else if fields[1] == process.to_string() {
            ticks += number(11) + number(12);
        }
    }
    Duration::from_millis(ticks * 10)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
fn count(users: usize) -> f64 {
    users as f64
}

const CALLERS: usize = 64;
