//! SQLite loses power at any write: whatever of the unsynced writes reached the disk, what was
//! acknowledged is there, and nothing is torn.
//!
//! `strace` records what a process writes and syncs. Then each state that the disk could have been
//! in is made from the record, and opened.

mod record;

use std::{collections::BTreeMap, env, fs, io::Write, path::Path, process::Command, sync::Arc};

use portcullis_core::{OrgId, SystemClock, UserId};
use portcullis_core::{
    UserKey, UserStore,
    store::{CommitOutcome, EventQuery},
};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
use portcullis_tests::ORG;

use crate::{
    halves,
    handles::sqlite,
    people::{new_user, set},
    scale,
};
use record::Step;

/// How many commits are recorded, and of how many writes one is looked at.
fn scope() -> (usize, usize) {
    if scale::calls().is_some() {
        (250, 3)
    } else {
        (12, 4)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_survives_a_power_cut_at_any_write() {
    let Some(steps) = record() else {
        return scale::not_run("power cuts of SQLite", "`strace`");
    };
    let verdict = cut_everywhere(&steps, scope().1, true).await;
    println!("SQLite, power cuts: {verdict:?}");
    assert!(
        verdict.states > 50 && verdict.acknowledged > 10,
        "{verdict:?}"
    );
    assert_eq!((verdict.lost, verdict.corrupt), (0, 0), "{verdict:?}");
}

/// The control: if no sync did what it says, what was acknowledged would be lost.
#[tokio::test(flavor = "multi_thread")]
async fn without_syncs_a_power_cut_loses_what_was_acknowledged() {
    let Some(steps) = record() else {
        return scale::not_run("power cuts of SQLite, the control", "`strace`");
    };
    let verdict = cut_everywhere(&steps, 40, false).await;
    println!("SQLite, power cuts, no sync: {verdict:?}");
    assert!(verdict.lost > 0, "{verdict:?}");
}

/// One user's passwords, one after the other.
#[tokio::test]
#[ignore = "the other half of a test"]
async fn writing_half() {
    let (path, mut report) = halves::here();
    let store = sqlite(&path).await;
    let user = new_user(&user());
    store.create(&user).await.unwrap();
    report
        .write_all(format!("{}\n", user.operation).as_bytes())
        .unwrap();
    let commits: usize = env::var(COMMITS).unwrap().parse().unwrap();
    for _ in 0..commits {
        let record = store.load(&user.key).await.unwrap().unwrap();
        let change = set(&user.key, record.version);
        let outcome = store.commit(&change).await.unwrap();
        assert!(matches!(outcome, CommitOutcome::Committed(_)));
        // One write, behind the answer.
        report
            .write_all(format!("{}\n", change.operation).as_bytes())
            .unwrap();
    }
}

const COMMITS: &str = "PORTCULLIS_COMMITS";

fn user() -> UserKey {
    UserKey::new(OrgId::new(ORG).unwrap(), UserId::new("42").unwrap())
}

/// What the other half wrote, synced and acknowledged; nothing if that cannot be recorded.
fn record() -> Option<Vec<Step>> {
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-qq", "-xx", "-s", "1000000", "-o"]);
    command.arg(&trace).args(["-e", record::TRACED]);
    let half = halves::command("torn::writing_half", directory.path());
    command.arg(half.get_program()).args(half.get_args());
    command.envs(
        half.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command.env(COMMITS, scope().0.to_string());
    let output = command.output().ok()?;
    let text = fs::read_to_string(&trace).ok()?;
    if text.is_empty() {
        return None;
    }
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    Some(record::read(&text, directory.path()))
}

/// What became of all states of the disk.
#[derive(Debug, Default)]
struct Verdict {
    states: usize,
    /// Acknowledgements before the last cut.
    acknowledged: usize,
    lost: usize,
    corrupt: usize,
}

/// Cuts the power after every so many writes, in each of the ways that an unsynced write can go.
async fn cut_everywhere(steps: &[Step], every: usize, syncs: bool) -> Verdict {
    let (mut disk, mut verdict) = (Disk::default(), Verdict::default());
    let (mut acknowledged, mut writes) = (Vec::new(), 0);
    for step in steps {
        match step {
            Step::Acknowledged(operation) => {
                acknowledged.push(operation.clone());
                continue;
            }
            Step::Synced(_) if !syncs => continue,
            Step::Synced(file) => {
                disk.sync(file);
                continue;
            }
            Step::Written { .. } | Step::Shortened { .. } | Step::Removed(_) => {
                disk.pending.push(step.clone());
            }
        }
        if let Step::Removed(file) = step {
            // A journal is removed when it must not be found any more.
            disk.sync(file);
        }
        writes += 1;
        if writes % every == 0 {
            for state in disk.states() {
                verdict.add(&state, &acknowledged).await;
            }
        }
    }
    for state in disk.states() {
        verdict.add(&state, &acknowledged).await;
    }
    verdict.acknowledged = acknowledged.len();
    verdict
}

type Files = BTreeMap<String, Vec<u8>>;

/// What is safe, and what may have been written since.
#[derive(Debug, Default)]
struct Disk {
    safe: Files,
    pending: Vec<Step>,
}

impl Disk {
    fn sync(&mut self, file: &str) {
        let pending = std::mem::take(&mut self.pending);
        for step in pending {
            if step.file() == Some(file) {
                step.apply(&mut self.safe);
            } else {
                self.pending.push(step);
            }
        }
    }

    /// Everything arrived; the last write in part; all but the first; nothing.
    fn states(&self) -> Vec<Files> {
        let with = |steps: &[Step]| {
            let mut files = self.safe.clone();
            steps.iter().for_each(|step| step.apply(&mut files));
            files
        };
        let mut states = vec![with(&self.pending)];
        if let Some((last, before)) = self.pending.split_last() {
            states.push(with(&[before, &[last.torn()]].concat()));
            states.push(with(&self.pending[1..]));
            states.push(with(&[]));
        }
        states
    }
}

impl Verdict {
    /// Opens a disk as it may have been found, and looks for what was acknowledged.
    async fn add(&mut self, files: &Files, acknowledged: &[String]) {
        self.states += 1;
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            // Shared memory is gone with the power.
            if !name.ends_with("-shm") {
                fs::write(directory.path().join(name), bytes).unwrap();
            }
        }
        match operations(&directory.path().join("users.db")).await {
            Ok(found) => {
                let is_there = |operation: &&String| found.contains(operation);
                self.lost += acknowledged.len() - acknowledged.iter().filter(is_there).count();
            }
            Err(reason) => {
                println!("corrupt: {reason}");
                self.corrupt += 1;
            }
        }
    }
}

/// The operations of the user's events, which are gapless and belong to its record.
async fn operations(path: &Path) -> Result<Vec<String>, String> {
    let config = SqliteConfig::new(path).with_readers(1);
    let store = SqliteStore::open(&config, Arc::new(SystemClock::new())).await;
    let store = store.map_err(|error| format!("{error:?}"))?;
    let Some(record) = store
        .load(&user())
        .await
        .map_err(|error| format!("{error:?}"))?
    else {
        return Ok(Vec::new());
    };
    let (mut events, mut query) = (Vec::new(), EventQuery::user(user()));
    loop {
        let page = store
            .events(&query)
            .await
            .map_err(|error| format!("{error:?}"))?;
        if page.events.is_empty() {
            break;
        }
        events.extend(page.events);
        query.after = page.next;
    }
    let gapless = (1..)
        .zip(&events)
        .all(|(sequence, event)| event.sequence == sequence);
    let last = events.last().map(|event| (event.sequence, event.hash));
    if !gapless || last != Some((record.sequence, record.credential.hash.digest())) {
        return Err(format!("record and events disagree at {}", record.sequence));
    }
    Ok(events
        .iter()
        .map(|event| event.operation.to_string())
        .collect())
}
