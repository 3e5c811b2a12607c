//! Clients that write over HTTP and read in this process, and what they note.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis_core::{
    HashDigest, OperationId, UserKey, UserStore,
    store::{CredentialChange, Event, EventQuery, Version},
};
use portcullis_testkit::linearizability::{Call, Entry, History, Moment, Outcome, Seen};
use portcullis_tests::try_set_password;
use tokio::{task::JoinSet, time::sleep};

use crate::people::{self, operation};

/// When they end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// So many calls were made.
    Called(usize),
    /// So much time has passed.
    Passed(Duration),
}

/// How they go about it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manners {
    /// They read from a cache whose content may be so old.
    Cached(Duration),
    /// They write over any version as if it were the one that they have read.
    Careless,
    Good,
}

/// Where each server listens by now: one that was started again has another port.
pub(super) type Addresses = Arc<RwLock<Vec<SocketAddr>>>;

/// Sixteen clients, four for each server.
pub(super) struct Clients(Arc<Notes>);

const CLIENTS: usize = 16;

/// A write and what its client was told.
struct Written {
    user: UserKey,
    operation: OperationId,
    /// The version that it replaces and the hash that it sets, if its client knows.
    known: Option<(Version, HashDigest)>,
    began: Moment,
    ended: Moment,
    told: Outcome,
}

/// What clients need, and what they note.
pub(super) struct Notes {
    addresses: Addresses,
    reader: Arc<dyn UserStore>,
    until: Until,
    manners: Manners,
    cached: Mutex<HashMap<UserKey, (Instant, Seen)>>,
    clock: Instant,
    calls: AtomicUsize,
    users: Vec<(UserKey, Seen)>,
    reads: Mutex<Vec<(UserKey, Entry)>>,
    writes: Mutex<Vec<Written>>,
}

impl Clients {
    /// Looks how the users are before the first call.
    pub(super) async fn new(
        addresses: Addresses,
        users: &[UserKey],
        reader: Arc<dyn UserStore>,
        until: Until,
        manners: Manners,
    ) -> Self {
        let mut starts = Vec::new();
        for user in users {
            let record = reader.load(user).await.unwrap().unwrap();
            starts.push((user.clone(), Seen::from(&record)));
        }
        Self(Arc::new(Notes {
            addresses,
            reader,
            until,
            manners,
            cached: Mutex::default(),
            clock: Instant::now(),
            calls: AtomicUsize::new(0),
            users: starts,
            reads: Mutex::default(),
            writes: Mutex::default(),
        }))
    }

    /// Lets them work to their end.
    pub(super) async fn run(self) -> Notes {
        let clients = (0..CLIENTS).map(|index| Arc::clone(&self.0).work(index));
        clients.collect::<JoinSet<_>>().join_all().await;
        Arc::into_inner(self.0).unwrap()
    }
}

impl Notes {
    async fn work(self: Arc<Self>, index: usize) {
        for turn in index.. {
            match self.until {
                Until::Called(calls) if self.calls.load(Ordering::Relaxed) >= calls => break,
                Until::Passed(time) if self.clock.elapsed() >= time => break,
                Until::Called(_) | Until::Passed(_) => {}
            }
            let user = |index: usize| &self.users[index % self.users.len()].0;
            // Most write through a server, which does not tell what it replaced. The others do what
            // a server does.
            if turn % 4 == 3 {
                self.commit(user(turn)).await;
            } else {
                self.write(user(turn), index).await;
            }
            self.read(user(turn)).await;
            self.read(user(turn + 1)).await;
        }
    }

    async fn write(&self, user: &UserKey, index: usize) {
        let address = {
            let addresses = self.addresses.read().unwrap();
            addresses[index % addresses.len()]
        };
        let (operation, began) = (operation(), self.now());
        let id = operation.to_string();
        let answer = try_set_password(address, user.user().as_str(), &id);
        let told = match answer.await {
            Some((0, Some(sequence))) => Outcome::Acknowledged(sequence),
            // The server is gone; UNKNOWN; DEADLINE_EXCEEDED: it may have been applied.
            None | Some((2 | 4, _)) => Outcome::Unknown,
            // RESOURCE_EXHAUSTED, ABORTED and UNAVAILABLE: it was not.
            Some((8 | 10 | 14, _)) => Outcome::NotApplied,
            Some(other) => panic!("no fault is a reason for this: {other:?}"),
        };
        self.note(user, operation, None, began, told);
    }

    /// Reads a version and replaces it, in this process.
    async fn commit(&self, user: &UserKey) {
        let Ok(Some(read)) = self.reader.load(user).await else {
            return;
        };
        let mut change = people::set(user, read.version);
        if let Manners::Careless = self.manners {
            sleep(Duration::from_millis(5)).await;
            let now = self.reader.load(user).await.unwrap().unwrap();
            change.expected = now.version;
        }
        let began = self.now();
        let answer = self.reader.commit(&change).await;
        let CredentialChange::Replace { hash, .. } = &change.credential else {
            panic!("a password is set");
        };
        let (known, told) = (Some((read.version, hash.digest())), Outcome::of(&answer));
        self.note(user, change.operation, known, began, told);
    }

    fn note(
        &self,
        user: &UserKey,
        operation: OperationId,
        known: Option<(Version, HashDigest)>,
        began: Moment,
        told: Outcome,
    ) {
        let written = Written {
            user: user.clone(),
            operation,
            known,
            began,
            ended: self.now(),
            told,
        };
        self.writes.lock().unwrap().push(written);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    async fn read(&self, user: &UserKey) {
        let began = self.now();
        let Some(seen) = self.look(user).await else {
            return;
        };
        let (ended, call) = (self.now(), Call::Read(seen));
        let entry = Entry { began, ended, call };
        self.reads.lock().unwrap().push((user.clone(), entry));
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Into the cache or the store.
    async fn look(&self, user: &UserKey) -> Option<Seen> {
        let cached = self.cached.lock().unwrap().get(user).copied();
        if let (Some((since, seen)), Manners::Cached(age)) = (cached, self.manners)
            && since.elapsed() < age
        {
            return Some(seen);
        }
        let since = Instant::now();
        let record = self.reader.load(user).await.ok()??;
        let seen = Seen::from(&record);
        self.cached
            .lock()
            .unwrap()
            .insert(user.clone(), (since, seen));
        Some(seen)
    }

    fn now(&self) -> Moment {
        Moment::try_from(self.clock.elapsed().as_nanos()).unwrap()
    }

    /// What happened. A client of a server does not learn which version it replaced and what its
    /// hash was, so that comes from the events, by operation: whether a write follows on the version
    /// that its writer had read shows with those that were made in this process.
    pub(super) async fn history(self, store: &dyn UserStore) -> History {
        let mut history = History::new();
        let mut events = HashMap::new();
        for (user, start) in &self.users {
            history.start(user.clone(), *start);
            for event in all_events(store, user).await {
                let twice = events.insert((user.clone(), event.operation), event);
                assert_eq!(twice, None, "one event for each operation");
            }
        }
        for (user, entry) in self.reads.into_inner().unwrap() {
            history.push(&user, entry);
        }
        for write in self.writes.into_inner().unwrap() {
            let event = events.get(&(write.user.clone(), write.operation));
            let (base, hash) = match (event, write.known) {
                (Some(event), known) => {
                    let refused = matches!(write.told, Outcome::NotApplied | Outcome::Conflict);
                    assert!(!refused, "what was refused is not there");
                    let base = known.map_or(Version(event.version.0 - 1), |(base, _)| base);
                    (base, event.hash.unwrap())
                }
                (None, Some(known)) if write.told == Outcome::Conflict => known,
                (None, _) => {
                    let acknowledged = matches!(write.told, Outcome::Acknowledged(_));
                    assert!(!acknowledged, "what was acknowledged is there");
                    continue;
                }
            };
            let call = Call::Write {
                base,
                hash,
                outcome: write.told,
            };
            let (began, ended) = (write.began, write.ended);
            history.push(&write.user, Entry { began, ended, call });
        }
        history
    }
}

async fn all_events(store: &dyn UserStore, user: &UserKey) -> Vec<Event> {
    let (mut events, mut query) = (Vec::new(), EventQuery::user(user.clone()));
    loop {
        let page = store.events(&query).await.unwrap();
        if page.events.is_empty() {
            return events;
        }
        events.extend(page.events);
        query.after = page.next;
    }
}
