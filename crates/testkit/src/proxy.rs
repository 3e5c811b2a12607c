//! A TCP proxy that misbehaves on demand.

mod connection;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::servers::port::Port;

/// A proxy in front of a server. What goes wrong can be changed while connections are open.
///
/// It hands everything on until it is told otherwise, and it is gone when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    faults: watch::Sender<Faults>,
    losses: Losses,
    connections: Mutex<JoinSet<()>>,
}

/// What goes wrong with bytes on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Faults {
    request_delay: Duration,
    reply_delay: Duration,
    black_hole: bool,
    slices: bool,
}

/// Which replies are to be lost.
#[derive(Debug, Default)]
struct Losses {
    plan: Mutex<Option<(Vec<u8>, usize)>>,
    done: AtomicUsize,
}

impl Proxy {
    /// Starts one that hands everything on to this address.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// use portcullis_testkit::proxy::Proxy;
    /// let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let proxy = Proxy::to(server.local_addr()?).await;
    /// let client = tokio::net::TcpStream::connect(proxy.address()).await?;
    /// let (at_the_server, _) = server.accept().await?;
    /// proxy.cut().await;
    /// # Ok(()) }
    /// ```
    pub async fn to(target: SocketAddr) -> Self {
        let this = Self {
            port: Port::claim(),
            shared: Arc::new(Shared {
                target: Mutex::new(target),
                faults: watch::Sender::default(),
                losses: Losses::default(),
                connections: Mutex::default(),
            }),
            acceptor: Mutex::default(),
        };
        this.accept().await;
        this
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Hands new connections on to another server, as an address that moves does.
    pub fn point_at(&self, target: SocketAddr) {
        *lock(&self.shared.target) = target;
    }

    /// Holds each piece of what clients send for this long.
    pub fn delay_requests(&self, by: Duration) {
        self.set(|faults| faults.request_delay = by);
    }

    /// Holds each piece of what the server sends for this long.
    pub fn delay_replies(&self, by: Duration) {
        self.set(|faults| faults.reply_delay = by);
    }

    /// Hands on one byte at a time, or no longer.
    pub fn slice(&self, slices: bool) {
        self.set(|faults| faults.slices = slices);
    }

    /// Hands nothing on in either direction while connections stay open, as a network that lost
    /// its route. What was sent meanwhile arrives when this ends, as TCP would send it again.
    pub fn black_hole(&self, on: bool) {
        self.set(|faults| faults.black_hole = on);
    }

    /// Resets all connections, on both sides; returns when they are gone. New ones are welcome.
    pub async fn cut(&self) {
        let mut connections = std::mem::take(&mut *lock(&self.shared.connections));
        connections.shutdown().await;
    }

    /// Refuses new connections from now on. Open ones stay.
    pub async fn refuse(&self) {
        let acceptor = lock(&self.acceptor).take();
        if let Some(acceptor) = acceptor {
            acceptor.abort();
            // That it was cancelled is what was asked for.
            drop(acceptor.await);
        }
    }

    /// Accepts new connections again.
    ///
    /// # Panics
    ///
    /// When the port was taken in the meantime.
    pub async fn accept(&self) {
        self.refuse().await;
        let listener = self.listen().await.expect("the port is claimed");
        let shared = Arc::clone(&self.shared);
        let acceptor = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                shared.connect(client);
            }
        });
        *lock(&self.acceptor) = Some(acceptor);
    }

    async fn listen(&self) -> io::Result<TcpListener> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listener = TcpListener::bind(self.address()).await;
            // A program that is being started holds a copy of the socket that was just closed.
            let error = listener.as_ref().err().map(io::Error::kind);
            if error != Some(io::ErrorKind::AddrInUse) || Instant::now() > deadline {
                return listener;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Loses the next replies to requests that contain these bytes: the server gets the request
    /// and answers it, the client gets nothing and its connection is closed.
    ///
    /// Requests of the same connection that wait for their replies at this moment lose them too.
    ///
    /// # Panics
    ///
    /// When there are no such bytes.
    pub fn drop_replies(&self, pattern: &[u8], count: usize) {
        assert!(!pattern.is_empty(), "a pattern has bytes");
        *lock(&self.shared.losses.plan) = Some((pattern.to_vec(), count));
    }

    /// How many replies were lost so far.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.shared.losses.done.load(Ordering::SeqCst)
    }

    /// Ends all faults. Connections that are gone stay gone.
    pub async fn heal(&self) {
        self.shared.faults.send_replace(Faults::default());
        *lock(&self.shared.losses.plan) = None;
        self.accept().await;
    }

    fn set(&self, change: impl FnOnce(&mut Faults)) {
        self.shared.faults.send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections end with the set of their tasks, which the acceptor would keep.
        if let Some(acceptor) = lock(&self.acceptor).take() {
            acceptor.abort();
        }
        lock(&self.shared.connections).abort_all();
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let (shared, target) = (Arc::clone(self), *lock(&self.target));
        let mut connections = lock(&self.connections);
        // Those that have ended are forgotten.
        while connections.try_join_next().is_some() {}
        connections.spawn(connection::run(client, target, shared));
    }
}

impl Losses {
    fn count(&self) {
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether the reply to a request is to be lost. `seen` is what the client sent, of which all
    /// but the last `new` bytes were asked about before.
    fn claim(&self, seen: &[u8], new: usize) -> bool {
        let mut plan = lock(&self.plan);
        let Some((pattern, left)) = plan.as_mut().filter(|(_, left)| *left > 0) else {
            return false;
        };
        // Only what ends in the new bytes was not there before.
        let start = seen.len().saturating_sub(new + pattern.len() - 1);
        let found = seen[start..]
            .windows(pattern.len())
            .any(|part| part == pattern);
        *left -= usize::from(found);
        found
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longer than any program takes to start.
const PATIENCE: Duration = Duration::from_secs(5);
