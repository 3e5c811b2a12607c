//! Four server processes on one store are one register for each user, whatever happens to them
//! and to the network behind them.

mod clients;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portcullis_core::UserStore;
use portcullis_testkit::linearizability::{ViolationKind, check};
use portcullis_tests::{BOOTSTRAP, Options, Server, user_key};
use tokio::time::sleep;

use crate::{
    dice::Dice,
    fault::{Fault, heal},
    handles::sqlite,
    scale,
    site::Site,
};
use clients::{Clients, Until};

#[tokio::test(flavor = "multi_thread")]
async fn four_servers_on_sqlite_are_one_register() {
    is_one_register("SQLite", &World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_servers_on_postgres_are_one_register() {
    is_one_register("PostgreSQL", &World::on(Site::postgres().await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_servers_on_redis_are_one_register() {
    is_one_register("Redis", &World::on(Site::redis().await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_servers_on_a_cluster_are_one_register() {
    is_one_register("Redis Cluster", &World::on(Site::cluster().await).await).await;
}

/// The control: readers that look into a cache of a second are none.
#[tokio::test(flavor = "multi_thread")]
async fn readers_with_a_cache_are_caught() {
    let world = World::sqlite().await;
    let cache = Some(Duration::from_secs(1));
    let clients = world.clients(Until::Passed(Duration::from_secs(3)), cache);
    let history = clients.await.run().await.history(&*world.reader).await;
    let violations = check(&history).unwrap_err();
    println!("a cache of 1 s: {} violations", violations.len());
    assert!(
        violations
            .iter()
            .all(|violation| violation.kind == ViolationKind::Stale)
    );
}

async fn is_one_register(name: &str, world: &World) {
    let until = scale::calls().map_or(Until::Passed(Duration::from_secs(5)), Until::Called);
    let clients = world.clients(until, None).await;
    let over = AtomicBool::new(false);
    let work = async {
        let notes = clients.run().await;
        over.store(true, Ordering::Relaxed);
        notes
    };
    let (notes, ()) = tokio::join!(work, world.weather(&over));
    let history = notes.history(&*world.reader).await;
    let counts = check(&history).unwrap();
    println!("{name}: {} calls, {counts:?}", history.len());
    assert!(counts.acknowledged > 50 && counts.reads > 100, "{counts:?}");
}

/// A store and the processes that serve it.
struct World {
    servers: Vec<Server>,
    /// A handle of this process on the same store.
    reader: Arc<dyn UserStore>,
    site: Option<Site>,
    // Gone after everything that works in it.
    _directory: tempfile::TempDir,
}

/// The users that clients write.
const USERS: [&str; 4] = ["one", "two", "three", "four"];

impl World {
    async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users.db");
        let servers = servers(&format!("sqlite:{}", path.display())).await;
        Self {
            servers,
            reader: sqlite(&path).await,
            site: None,
            _directory: directory,
        }
    }

    async fn on(site: Site) -> Self {
        Self {
            servers: servers(&site.url).await,
            reader: site.open().await,
            site: Some(site),
            _directory: tempfile::tempdir().unwrap(),
        }
    }

    async fn clients(&self, until: Until, cache: Option<Duration>) -> Clients {
        let addresses = self.servers.iter().map(|server| server.address).collect();
        let users = USERS.map(user_key).to_vec();
        Clients::new(addresses, &users, Arc::clone(&self.reader), until, cache).await
    }

    /// Things go wrong, one after the other, and in the end they are well again.
    async fn weather(&self, over: &AtomicBool) {
        let mut dice = Dice::new();
        while !over.load(Ordering::Relaxed) {
            match (&self.site, dice.number(0..4)) {
                (Some(site), 1..) => {
                    let fault = Fault::random(&mut dice, PATIENCE);
                    fault.strike(&site.proxies, site.pattern).await;
                    sleep(dice.millis(20..100)).await;
                    heal(&site.proxies).await;
                }
                // A process that holds a lock may stop for a while.
                (_, number) => {
                    let server = &self.servers[usize::try_from(number).unwrap()];
                    server.signal("STOP").await;
                    sleep(dice.millis(20..300)).await;
                    server.signal("CONT").await;
                }
            }
            sleep(dice.millis(100..300)).await;
        }
        // Each node's connection is noticed to be gone by the first call that needs it.
        for user in USERS {
            while self.reader.load(&user_key(user)).await.is_err() {
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// Four processes on one store.
async fn servers(store: &str) -> Vec<Server> {
    let users =
        USERS.map(|user| format!("[[user]]\nid = \"{user}\"\norg = \"69629023906488334\"\n"));
    let options = Options {
        bootstrap: Some(format!("{BOOTSTRAP}\n{}", users.concat())),
        log_level: "error",
        store: store.to_owned(),
        ..Options::default()
    };
    let first = Server::with(options).await;
    let mut servers = vec![
        first.beside().await,
        first.beside().await,
        first.beside().await,
    ];
    servers.push(first);
    servers
}

/// Black holes are a little longer; clients wait for the end of them.
const PATIENCE: Duration = Duration::from_millis(300);
