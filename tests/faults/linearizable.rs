//! Four server processes on one store are one register for each user, whatever happens to them
//! and to the network behind them.

mod clients;

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portcullis_core::UserStore;
use portcullis_testkit::linearizability::{ViolationKind, check};
use portcullis_tests::{BOOTSTRAP, Options, Server, user_key};
use tokio::{sync::Mutex, time::sleep};

use crate::{
    dice::Dice,
    fault::{Fault, heal},
    handles::sqlite,
    scale,
    site::Site,
};
use clients::{Addresses, Clients, Manners, Until};

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

/// The controls: readers that look into a cache of a second, and writers that take whatever version
/// there is for the one that they have read.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_register_is_caught() {
    let world = World::sqlite().await;
    for (manners, kind) in [
        (
            Manners::Cached(Duration::from_secs(1)),
            ViolationKind::Stale,
        ),
        (Manners::Careless, ViolationKind::WrongBase),
    ] {
        let clients = world.clients(Until::Passed(Duration::from_secs(2)), manners);
        let history = clients.await.run().await.history(&*world.reader).await;
        let violations = check(&history).unwrap_err();
        let of_this_kind = violations.iter().filter(|found| found.kind == kind).count();
        let all = violations.len();
        println!("{manners:?}: {all} violations, {of_this_kind} of them {kind:?}");
        assert!(of_this_kind > 0);
    }
}

async fn is_one_register(name: &str, world: &World) {
    let until = scale::calls().map_or(Until::Passed(Duration::from_secs(5)), Until::Called);
    let clients = world.clients(until, Manners::Good).await;
    let over = AtomicBool::new(false);
    let work = async {
        let notes = clients.run().await;
        over.store(true, Ordering::Relaxed);
        notes
    };
    let (notes, misfortunes) = tokio::join!(work, world.weather(&over));
    let history = notes.history(&*world.reader).await;
    let counts = check(&history).unwrap();
    println!("{name}: {} calls, {counts:?}", history.len());
    println!("{name}: {misfortunes:?}");
    assert!(counts.acknowledged > 50 && counts.reads > 100, "{counts:?}");
    // On a busy machine a few seconds may not be enough for each of them.
    let Misfortunes { pauses, kills, .. } = misfortunes;
    assert!(pauses + kills > 0, "{misfortunes:?}");
    if scale::calls().is_some() {
        assert!(pauses > 0 && kills > 0, "{misfortunes:?}");
        assert!(misfortunes.store_kills > 0 || world.site.is_none());
    }
}

/// How often what happened.
#[derive(Debug, Default)]
struct Misfortunes {
    pauses: usize,
    kills: usize,
    store_kills: usize,
    faults: usize,
}

/// A store and the processes that serve it.
struct World {
    servers: Mutex<Vec<Server>>,
    /// Where they listen by now.
    addresses: Addresses,
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
            addresses: addresses(&servers),
            servers: Mutex::new(servers),
            reader: sqlite(&path).await,
            site: None,
            _directory: directory,
        }
    }

    async fn on(site: Site) -> Self {
        let servers = servers(&site.url).await;
        Self {
            addresses: addresses(&servers),
            servers: Mutex::new(servers),
            reader: site.open().await,
            site: Some(site),
            _directory: tempfile::tempdir().unwrap(),
        }
    }

    async fn clients(&self, until: Until, manners: Manners) -> Clients {
        let addresses = Arc::clone(&self.addresses);
        let users = USERS.map(user_key).to_vec();
        Clients::new(addresses, &users, Arc::clone(&self.reader), until, manners).await
    }

    /// Things go wrong, one after the other, and in the end they are well again.
    async fn weather(&self, over: &AtomicBool) -> Misfortunes {
        let (mut dice, mut misfortunes) = (Dice::new(), Misfortunes::default());
        // Each kind has its turn, also in a short run.
        for turn in dice.number(0..6).. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            match (&self.site, turn % 6) {
                (_, 0) => {
                    self.pause_a_server(&mut dice).await;
                    misfortunes.pauses += 1;
                }
                (_, 2) | (None, _) => {
                    self.kill_a_server(&mut dice).await;
                    misfortunes.kills += 1;
                }
                (Some(site), 4) => {
                    site.kill_and_restart(&mut dice).await;
                    misfortunes.store_kills += 1;
                }
                (Some(site), _) => {
                    let fault = Fault::random(&mut dice, PATIENCE);
                    fault.strike(&site.proxies, site.pattern).await;
                    sleep(dice.millis(20..100)).await;
                    heal(&site.proxies).await;
                    misfortunes.faults += 1;
                }
            }
            sleep(dice.millis(50..200)).await;
        }
        self.calm().await;
        misfortunes
    }

    /// A process that holds a lock, or has read what it will write, may stop for a while.
    async fn pause_a_server(&self, dice: &mut Dice) {
        let time = if scale::calls().is_some() {
            dice.millis(200..2000)
        } else {
            dice.millis(20..300)
        };
        let servers = self.servers.lock().await;
        let server = &servers[dice.index(servers.len())];
        server.signal("STOP").await;
        sleep(time).await;
        server.signal("CONT").await;
    }

    async fn kill_a_server(&self, dice: &mut Dice) {
        let mut servers = self.servers.lock().await;
        let index = dice.index(servers.len());
        let server = &mut servers[index];
        server.kill_and_restart().await;
        self.addresses.write().unwrap()[index] = server.address;
    }

    async fn calm(&self) {
        // Each node's connection is noticed to be gone by the first call that needs it.
        for user in USERS {
            while self.reader.load(&user_key(user)).await.is_err() {
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

fn addresses(servers: &[Server]) -> Addresses {
    let addresses = servers.iter().map(|server| server.address);
    Arc::new(RwLock::new(addresses.collect()))
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
