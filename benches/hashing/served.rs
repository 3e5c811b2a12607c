//! Promises about the whole service: server, store and clients on the same cores.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use portcullis_argon2::{Arena, Kernel};
use tokio::{
    runtime::Runtime,
    sync::Barrier,
    task::JoinSet,
    time::{Instant as TokioInstant, sleep_until},
};

use crate::{
    bars::Bar,
    contenders::{Cost, OWASP, by_us},
    contest::Spread,
    load::percentile,
    pools,
    server::{ORGANISATIONS, Server, USERS},
};

/// How long, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
    pub(crate) flood: Duration,
}

impl Effort {
    pub(crate) const fn new(quick: bool) -> Self {
        let (rounds, time, flood) = if quick { (1, 2, 5) } else { (5, 4, 60) };
        Self {
            rounds,
            time: Duration::from_secs(time),
            flood: Duration::from_secs(flood),
        }
    }
}

const COST: Cost = OWASP[1];

/// All of them.
pub(crate) fn bars(effort: Effort) -> Vec<Bar> {
    let clients = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mut bars = Vec::new();
    for (kernel, bound) in [
        (Kernel::Portable, 0.95),
        (Kernel::Avx2, 0.85),
        (Kernel::Avx512, 0.85),
    ] {
        if kernel.check().is_ok() {
            bars.extend(throughput(&clients, kernel, bound, effort));
        }
    }
    bars.push(memory(&clients));
    bars.push(health(&clients, effort));
    bars.push(flood(&clients, effort));
    bars
}

/// Passwords set by the second, against hashes by the second on all cores and nothing else.
fn throughput(clients: &Runtime, kernel: Kernel, bound: f64, effort: Effort) -> Vec<Bar> {
    let directory = tempfile::tempdir().unwrap();
    let servers = [
        ("memory", Server::start(kernel, COST, None)),
        (
            "SQLite",
            Server::start(kernel, COST, Some(directory.path())),
        ),
    ];
    let mut bare = Vec::new();
    let mut cases = Vec::new();
    for (store, server) in &servers {
        for callers in [8, 64] {
            cases.push((*store, server.address, callers, Vec::new()));
        }
    }
    for round in 0..=effort.rounds {
        let alone = kernel_rate(kernel, effort.time);
        if round > 0 {
            bare.push(alone);
        }
        for (_, address, callers, shares) in &mut cases {
            let length = effort.time;
            let served =
                clients.block_on(closed_loop(*address, ORGANISATIONS[0], *callers, length));
            // The first round maps memory and opens connections.
            if round > 0 {
                shares.push(served / alone);
            }
        }
    }
    let bars = cases.into_iter().map(|(store, _, callers, shares)| {
        let what =
            format!("service: {kernel}, {store} store, {callers} callers, against the bare kernel");
        Bar::at_least(what, bound, Some(Spread::of(shares)))
    });
    bars.collect()
}

/// Hashes by the second on all cores.
fn kernel_rate(kernel: Kernel, length: Duration) -> f64 {
    let start = Instant::now();
    let hashes = thread::scope(|scope| {
        let threads: Vec<_> = (0..pools::cores())
            .map(|_| {
                scope.spawn(|| {
                    let (mut arena, mut hashes) = (Arena::new(), 0_u32);
                    while start.elapsed() < length {
                        by_us(COST, kernel, &mut arena);
                        hashes += 1;
                    }
                    f64::from(hashes)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum::<f64>()
    });
    hashes / start.elapsed().as_secs_f64()
}

/// Passwords set by the second by callers who each wait for an answer.
async fn closed_loop(
    address: SocketAddr,
    organisation: &'static str,
    callers: usize,
    length: Duration,
) -> f64 {
    let http = client();
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for user in 0..callers {
        let http = http.clone();
        tasks.spawn(async move {
            let mut done = 0_u32;
            while start.elapsed() < length {
                let status = set_password(&http, address, organisation, user % USERS).await;
                assert_eq!(status, StatusCode::OK, "a refusal is no measurement");
                done += 1;
            }
            f64::from(done)
        });
    }
    let mut done = 0.0;
    while let Some(one) = tasks.join_next().await {
        done += one.unwrap();
    }
    done / start.elapsed().as_secs_f64()
}

/// What 500 requests at the same moment cost in memory beyond the threads' own.
fn memory(clients: &Runtime) -> Bar {
    let server = Server::start(Kernel::detected(), COST, None);
    let address = server.address;
    let (idle, _) = server.memory();
    clients.block_on(async {
        let together = Arc::new(Barrier::new(USERS));
        let mut tasks = JoinSet::new();
        for user in 0..USERS {
            let together = Arc::clone(&together);
            tasks.spawn(async move {
                // Each on a connection of its own.
                let http = client();
                together.wait().await;
                set_password(&http, address, ORGANISATIONS[0], user).await
            });
        }
        let statuses = tasks.join_all().await;
        let served = statuses.iter().filter(|status| **status == StatusCode::OK);
        assert!(served.count() > 0, "nothing was hashed");
    });
    let (_, most) = server.memory();
    let arenas = pools::cores() as f64 * COST.mebibytes();
    Bar::at_most(
        "500 requests at once: memory beyond idle and one arena for each worker, MiB".to_owned(),
        16.0,
        Some(Spread::only((most - idle - arenas).max(0.0))),
    )
}

/// How long `/healthz` takes while 64 callers keep every core busy.
fn health(clients: &Runtime, effort: Effort) -> Bar {
    let server = Server::start(Kernel::detected(), COST, None);
    let address = server.address;
    let length = effort.time * 3;
    let times = clients.block_on(async {
        let busy = tokio::spawn(closed_loop(address, ORGANISATIONS[0], 64, length));
        let uri = format!("http://{address}/healthz");
        let times = at_a_pace(length, Duration::from_millis(10), async |http| {
            let request = Request::get(&uri).body(Full::default()).unwrap();
            send(http, request).await
        });
        let times = times.await;
        busy.await.unwrap();
        times
    });
    Bar::at_most(
        "/healthz while saturated: p99, ms".to_owned(),
        6.0,
        Some(Spread::only(percentile(&times, 0.99))),
    )
}

/// How long one request a second takes while another organisation sends as many as it can.
fn flood(clients: &Runtime, effort: Effort) -> Bar {
    let kernel = Kernel::detected();
    let server = Server::start(kernel, COST, None);
    let address = server.address;
    // Of a hash while all cores hash.
    let hash = 1e3 * pools::cores() as f64 / kernel_rate(kernel, effort.time);
    let times = clients.block_on(async {
        let flood = tokio::spawn(closed_loop(address, ORGANISATIONS[0], 256, effort.flood));
        let times = at_a_pace(effort.flood, Duration::from_secs(1), async |http| {
            set_password(http, address, ORGANISATIONS[1], 0).await
        });
        let times = times.await;
        flood.await.unwrap();
        times
    });
    Bar::at_most(
        "one organisation floods: p99 of another's, in hash times".to_owned(),
        4.0,
        Some(Spread::only(percentile(&times, 0.99) / hash)),
    )
}

/// Milliseconds of each request, sorted. One is sent whenever it is due and the last has ended.
async fn at_a_pace(
    length: Duration,
    pace: Duration,
    request: impl AsyncFn(&Http) -> StatusCode,
) -> Vec<f64> {
    let http = client();
    let (start, mut times) = (TokioInstant::now(), Vec::new());
    let mut due = start + pace;
    while due < start + length {
        sleep_until(due).await;
        let sent = Instant::now();
        assert_eq!(request(&http).await, StatusCode::OK);
        times.push(sent.elapsed().as_secs_f64() * 1e3);
        due = (due + pace).max(TokioInstant::now());
    }
    times.sort_by(f64::total_cmp);
    times
}

type Http = Client<HttpConnector, Full<bytes::Bytes>>;

fn client() -> Http {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn set_password(
    http: &Http,
    address: SocketAddr,
    organisation: &str,
    user: usize,
) -> StatusCode {
    let uri = format!("http://{address}/management/v1/users/{user}/password");
    let request = Request::post(uri)
        .header("authorization", format!("Bearer {organisation}"))
        .header("content-type", "application/json")
        .body(Full::from(&br#"{"password":"Secret-1234"}"#[..]))
        .unwrap();
    send(http, request).await
}

async fn send(http: &Http, request: Request<Full<bytes::Bytes>>) -> StatusCode {
    let response = http.request(request).await.unwrap();
    let status = response.status();
    response.into_body().collect().await.unwrap();
    status
}
