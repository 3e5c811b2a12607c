//! The server: opens the store, applies the bootstrap file, serves until it is told to stop.

use std::{
    io::{self, Write},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use portcullis_argon2::{Kernel, Speed, Verdict};
use portcullis_core::{
    Argon2Params, Argon2id, Clock, Engine, HashPoolConfig, Sessions, StoredPolicies, SystemClock,
};
use portcullis_zitadel_api::ZitadelApi;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    BoxError,
    bootstrap::{Bootstrap, Hashes},
    demo::Demo,
    logging,
    operator::{self, Readiness},
    options::ServeOptions,
    prepare, stores,
};

/// How long requests in flight may take after the signal; the promise is to be gone in 10 s.
const DRAIN: Duration = Duration::from_secs(8);
/// A client that has not sent its headers by then never will.
const HEADERS: Duration = Duration::from_secs(10);

pub(crate) async fn run(options: ServeOptions) -> Result<(), BoxError> {
    // First of all: from here on a signal ends the server in good order, however far it has got.
    let mut signals = Signals::listen()?;
    let server = tokio::select! {
        server = assemble(options) => server?,
        () = signals.next() => return Ok(()),
    };
    server.accept(signals).await
}

/// A server that is ready to accept.
struct Server {
    listener: TcpListener,
    app: Router,
    readiness: Arc<Readiness>,
    engine: Arc<Engine>,
}

async fn assemble(options: ServeOptions) -> Result<Server, BoxError> {
    // Before anything is written or tried.
    let place = stores::place(&options.store)?;
    let pool = options.hashing.config(options.argon2)?;
    logging::install(options.log_format, options.log_level);
    let metrics = operator::install_metrics()?;
    announce(options.argon2, &pool)?;
    let demo = if options.bootstrap.is_none() {
        Some(Demo::prepare()?)
    } else {
        None
    };
    let file = options
        .bootstrap
        .as_ref()
        .or(demo.as_ref().map(|demo| &demo.file));
    let hasher = Arc::new(Argon2id::new(options.argon2));
    let hashes = Hashes {
        hasher: &*hasher,
        memory: pool.memory,
    };
    let bootstrap = file
        .map(|file| Bootstrap::read(file, &hashes))
        .ok_or("no bootstrap file")??;
    let store = stores::open(place).await?;
    let readiness = Readiness::new(Arc::clone(&store.health));
    let (users, documents) = (Arc::clone(&store.users), Arc::clone(&store.documents));
    prepare::run(store, bootstrap.users, Arc::clone(&readiness)).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let start = bootstrap.policies;
    let policies = StoredPolicies::new(Arc::clone(&documents), start, Arc::clone(&clock));
    let (policies, answers) = (Arc::new(policies), bootstrap.answers);
    let builder = Engine::builder(Arc::clone(&users))
        .with_documents(Arc::clone(&documents))
        .with_policies(policies.clone())
        .with_hasher(hasher)
        .with_pool(pool)
        .with_answers(answers);
    let engine = match bootstrap.code_key {
        Some(key) => builder.with_code_key(*key).build()?,
        None => builder.build()?,
    };
    let (engine, directory) = (Arc::new(engine), Arc::new(bootstrap.directory));
    let sessions = Sessions::new(engine.clone(), users, documents, clock).with_answers(answers);
    let api = ZitadelApi::new(engine.clone(), directory.clone(), directory)
        .with_answers(answers)
        .with_policies(policies)
        .with_sessions(Arc::new(sessions))
        .with_health(readiness.clone())
        .router();
    let app = operator::routes(readiness.clone(), metrics).merge(api);
    Ok(Server {
        listener: listen(options.listen, demo).await?,
        app,
        readiness,
        engine,
    })
}

/// Binds the port and says so; from then on connections wait to be accepted.
async fn listen(on: SocketAddr, demo: Option<Demo>) -> Result<TcpListener, BoxError> {
    let listener = TcpListener::bind(on).await?;
    let address = listener.local_addr()?;
    if let Some(demo) = demo {
        demo.print(address);
    }
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    Ok(listener)
}

/// Tells the operator what hashing will cost.
fn announce(argon2: Argon2Params, pool: &HashPoolConfig) -> Result<(), BoxError> {
    // A kernel that cannot be used ends the start and not the first login.
    let kernel = Kernel::in_use()?;
    let speed = Speed::measure()?;
    if speed.verdict() == Verdict::Slow {
        tracing::warn!(%speed, "hashing is far slower than it should be; is this an optimised build?");
    }
    if !argon2.meets_owasp() {
        tracing::warn!(params = %argon2, "hashes are too cheap for anything but tests");
    }
    tracing::info!(
        workers = pool.workers,
        memory = pool.memory,
        queue = pool.queue,
        wait = ?pool.wait,
        kernel = %kernel,
        "hashing"
    );
    Ok(())
}

impl Server {
    /// Serves HTTP/1.1 and h2c on one port until a signal comes, then drains.
    async fn accept(self, mut signals: Signals) -> Result<(), BoxError> {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = signals.next() => break,
            };
            match accepted {
                Ok((stream, _)) => connection(stream, &self.app, &graceful),
                Err(error) => {
                    // Out of file descriptors, most likely: those that end give some back.
                    tracing::warn!(error = &error as &dyn std::error::Error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        self.readiness.drain();
        drop(self.listener);
        tracing::info!("draining");
        // What connections began comes first: closed too early, admission would refuse it.
        let mut drained = pin!(async {
            graceful.shutdown().await;
            self.engine.drain().await;
        });
        tokio::select! {
            () = &mut drained => tracing::info!("drained"),
            () = tokio::time::sleep(DRAIN) => tracing::warn!("requests in flight were cut off"),
            () = signals.next() => tracing::warn!("second signal, stopping at once"),
        }
        Ok(())
    }
}

/// What asks a server to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn connection(stream: TcpStream, app: &Router, graceful: &GracefulShutdown) {
    // Small answers must not wait for a full segment.
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .keep_alive_interval(Duration::from_secs(20));
    let service = TowerToHyperService::new(app.clone());
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(error = &*error, "connection ended early");
        }
    });
}
