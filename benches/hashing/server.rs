//! The service in a process of its own, as an identity server would have it: engine, store, router.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write, stdin, stdout},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    sync::Arc,
};

use async_trait::async_trait;
use axum::{Router, routing::get};
use portcullis_argon2::Kernel;
use portcullis_core::{
    Access, Argon2Params, Argon2id, Authority, Caller, Engine, Error, MemoryStore, OperationId,
    OrgId, OsRandom, SystemClock, UserId, UserKey, UserStore, Verdict,
    store::{NewUser, UserKind},
};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
use portcullis_zitadel_api::{BearerToken, TokenAuthenticator, ZitadelApi};
use tokio::net::TcpListener;

use crate::{contenders::Cost, machine};

/// The two organisations that there are; a token is the name of its caller's.
pub(crate) const ORGANISATIONS: [&str; 2] = ["acme", "other"];
/// Users of each, who are called by their numbers.
pub(crate) const USERS: usize = 500;

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Its end is the child's.
    _input: ChildStdin,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// With its users in memory, or in a file of this directory.
    pub(crate) fn start(kernel: Kernel, cost: Cost, directory: Option<&Path>) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg(SERVE).env("PORTCULLIS_ARGON2", kernel.as_str());
        command.arg(format!("{},{}", cost.memory, cost.passes));
        let mut child = command
            .args(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        Self {
            address: line.trim().parse().unwrap(),
            _input: child.stdin.take().unwrap(),
            child,
        }
    }

    /// Memory in use, and the most that ever was, in MiB.
    pub(crate) fn memory(&self) -> (f64, f64) {
        machine::memory_of(&self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the child does: `--serve MEMORY,PASSES [DIRECTORY]`.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let cost = arguments.next().unwrap();
    let (memory, passes) = cost.split_once(',').unwrap();
    let params = Argon2Params::new(memory.parse().unwrap(), passes.parse().unwrap(), 1).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.spawn(run(params, arguments.next()));
    // Until the parent is gone, however it ends.
    let mut nothing = Vec::new();
    stdin().read_to_end(&mut nothing).unwrap();
    ExitCode::SUCCESS
}

async fn run(params: Argon2Params, directory: Option<String>) {
    let store: Arc<dyn UserStore> = match directory {
        None => Arc::new(MemoryStore::new()),
        Some(directory) => {
            let config = SqliteConfig::new(Path::new(&directory).join("users.db"));
            let store = SqliteStore::open(&config, Arc::new(SystemClock::new()));
            Arc::new(store.await.unwrap())
        }
    };
    for (organisation, user) in users() {
        let key = UserKey::new(organisation, user);
        let operation = OperationId::random(&OsRandom).unwrap();
        let user = NewUser::new(key, "user", UserKind::Human, operation);
        store.create(&user).await.unwrap();
    }
    let engine = Engine::builder(store)
        .with_hasher(Arc::new(Argon2id::new(params)))
        .build()
        .unwrap();
    let api = ZitadelApi::new(Arc::new(engine), Arc::new(App), Arc::new(App)).routes();
    let router = Router::new().route("/healthz", get(|| async { "ok" }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut out = stdout();
    writeln!(out, "{}", listener.local_addr().unwrap()).unwrap();
    axum::serve(listener, router.merge(api)).await.unwrap();
}

fn users() -> impl Iterator<Item = (OrgId, UserId)> {
    ORGANISATIONS.into_iter().flat_map(|organisation| {
        (0..USERS).map(move |number| {
            let user = UserId::new(number.to_string()).unwrap();
            (OrgId::new(organisation).unwrap(), user)
        })
    })
}

#[derive(Debug)]
struct App;

#[async_trait]
impl TokenAuthenticator for App {
    async fn authenticate(&self, token: &BearerToken) -> Result<Option<Caller>, Error> {
        let known = ORGANISATIONS
            .into_iter()
            .find(|name| token.as_str() == *name);
        Ok(known.map(|name| {
            let home = OrgId::new(name).unwrap();
            Caller::new(UserId::new("administrator").unwrap(), Some(home))
        }))
    }
}

#[async_trait]
impl Authority for App {
    async fn decide(&self, access: Access<'_>) -> Result<Verdict, Error> {
        let home = access.caller.home().cloned();
        Ok(home.map_or(Verdict::OrganisationNotFound, Verdict::Granted))
    }
}

pub(crate) const SERVE: &str = "--serve";
