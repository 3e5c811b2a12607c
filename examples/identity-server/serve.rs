//! The server: opens the store, applies the bootstrap file, serves until it is told to stop.

use std::{
    io::{self, Write},
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
use portcullis_core::{Argon2Params, Argon2id, Engine, HashPoolConfig};
use portcullis_zitadel_api::ZitadelApi;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
};

use crate::{
    BoxError,
    bootstrap::Bootstrap,
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
    // Before anything is written or tried.
    let place = stores::place(&options.store)?;
    let pool = options.hashing.config(options.argon2)?;
    logging::install(options.log_format, options.log_level);
    let metrics = operator::install_metrics()?;
    announce(options.argon2, &pool);
    let demo = if options.bootstrap.is_none() {
        Some(Demo::prepare()?)
    } else {
        None
    };
    let file = options
        .bootstrap
        .as_ref()
        .or(demo.as_ref().map(|demo| &demo.file));
    let bootstrap = file
        .map(|file| Bootstrap::read(file))
        .ok_or("no bootstrap file")??;
    let store = stores::open(place).await?;
    let readiness = Readiness::new(Arc::clone(&store.health));
    let users = Arc::clone(&store.users);
    prepare::run(store, bootstrap.users, Arc::clone(&readiness)).await?;
    let engine = Engine::builder(users)
        .with_policies(Arc::new(bootstrap.policies))
        .with_hasher(Arc::new(Argon2id::new(options.argon2)))
        .with_pool(pool)
        .build()?;
    let (engine, directory) = (Arc::new(engine), Arc::new(bootstrap.directory));
    let api = ZitadelApi::new(engine.clone(), directory.clone(), directory)
        .with_health(readiness.clone())
        .router();
    let app = operator::routes(readiness.clone(), metrics).merge(api);

    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    if let Some(demo) = demo {
        demo.print(address);
    }
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    accept(listener, app, &readiness, &engine).await
}

/// Tells the operator what hashing will cost.
fn announce(argon2: Argon2Params, pool: &HashPoolConfig) {
    if !argon2.meets_owasp() {
        tracing::warn!(params = %argon2, "hashes are too cheap for anything but tests");
    }
    tracing::info!(
        workers = pool.workers,
        memory = pool.memory,
        queue = pool.queue,
        wait = ?pool.wait,
        "hashing"
    );
}

/// Serves HTTP/1.1 and h2c on one port until a signal comes, then drains.
async fn accept(
    listener: TcpListener,
    app: Router,
    readiness: &Readiness,
    engine: &Engine,
) -> Result<(), BoxError> {
    let graceful = GracefulShutdown::new();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        match accepted {
            Ok((stream, _)) => connection(stream, &app, &graceful),
            Err(error) => {
                // Out of file descriptors, most likely: those that end give some back.
                tracing::warn!(error = &error as &dyn std::error::Error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    readiness.drain();
    drop(listener);
    tracing::info!("draining");
    // What connections began comes first: closed too early, admission would refuse it.
    let mut drained = pin!(async {
        graceful.shutdown().await;
        engine.drain().await;
    });
    tokio::select! {
        () = &mut drained => tracing::info!("drained"),
        () = tokio::time::sleep(DRAIN) => tracing::warn!("requests in flight were cut off"),
        _ = terminate.recv() => tracing::warn!("second signal, stopping at once"),
        _ = interrupt.recv() => tracing::warn!("second signal, stopping at once"),
    }
    Ok(())
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
