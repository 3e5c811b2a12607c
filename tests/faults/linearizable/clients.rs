//! Clients that write over HTTP and read in this process, and what they note.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis_core::{
    OperationId, UserKey, UserStore,
    store::{Event, EventQuery, Version},
};
use portcullis_testkit::linearizability::{Call, Entry, History, Moment, Outcome, Seen};
use portcullis_tests::{ADMIN, Ask, Door};
use tokio::task::JoinSet;

use crate::people::operation;

/// When they end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// So many calls were made.
    Called(usize),
    /// So much time has passed.
    Passed(Duration),
}

/// Sixteen clients, four for each server.
pub(super) struct Clients(Arc<Notes>);

const CLIENTS: usize = 16;

/// A write and what its client was told.
struct Written {
    user: UserKey,
    operation: OperationId,
    began: Moment,
    ended: Moment,
    told: Outcome,
}

/// What clients need, and what they note.
pub(super) struct Notes {
    addresses: Vec<SocketAddr>,
    reader: Arc<dyn UserStore>,
    until: Until,
    /// How old a read may be, for the control.
    cache: Option<Duration>,
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
        addresses: Vec<SocketAddr>,
        users: &[UserKey],
        reader: Arc<dyn UserStore>,
        until: Until,
        cache: Option<Duration>,
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
            cache,
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
        let address = self.addresses[index % self.addresses.len()];
        for turn in index.. {
            match self.until {
                Until::Called(calls) if self.calls.load(Ordering::Relaxed) >= calls => break,
                Until::Passed(time) if self.clock.elapsed() >= time => break,
                Until::Called(_) | Until::Passed(_) => {}
            }
            let user = |index: usize| &self.users[index % self.users.len()].0;
            self.write(user(turn), address).await;
            self.read(user(turn)).await;
            self.read(user(turn + 1)).await;
        }
    }

    async fn write(&self, user: &UserKey, address: SocketAddr) {
        let (operation, began) = (operation(), self.now());
        let ask = Ask::new(user.user().as_str(), ADMIN).operation(&operation.to_string());
        let answer = ask.through(Door::Rest, address).await;
        let told = match (answer.code, answer.sequence) {
            (0, Some(sequence)) => Outcome::Acknowledged(sequence),
            // UNKNOWN and DEADLINE_EXCEEDED: it may have been applied.
            (2 | 4, _) => Outcome::Unknown,
            // RESOURCE_EXHAUSTED, ABORTED and UNAVAILABLE: it was not.
            (8 | 10 | 14, _) => Outcome::NotApplied,
            _ => panic!("no network is a reason for this: {answer:?}"),
        };
        let written = Written {
            user: user.clone(),
            operation,
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
        if let (Some((since, seen)), Some(age)) = (cached, self.cache)
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

    /// What happened. A client does not learn which version it replaced and what its hash was, so
    /// that comes from the events, by operation.
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
            let Some(event) = event else {
                let acknowledged = matches!(write.told, Outcome::Acknowledged(_));
                assert!(!acknowledged, "what was acknowledged is there");
                continue;
            };
            assert_ne!(
                write.told,
                Outcome::NotApplied,
                "what was refused is not there"
            );
            let call = Call::Write {
                base: Version(event.version.0 - 1),
                hash: event.hash.unwrap(),
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
