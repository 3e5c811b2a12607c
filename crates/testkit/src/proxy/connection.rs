//! One connection through the proxy.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::yield_now,
    time::{sleep, timeout},
};

use super::{Faults, Losses, Shared};

/// As much as is handed on at once.
const PIECE: usize = 16 * 1024;

/// A pattern is found across pieces if it is not longer than this.
const MEMORY: usize = 1024;

/// How long a server may take to end a connection that its client has ended.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hands on between a client and a server until one of them or a fault ends it.
pub(super) async fn run(client: TcpStream, target: SocketAddr, shared: Arc<Shared>) {
    let mut client = Side::new(client);
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let mut server = Side::new(server);
    let doomed = AtomicBool::new(false);
    let way = |delay| Way {
        faults: shared.faults.subscribe(),
        delay,
    };
    let (from_client, to_client) = client.stream.split();
    let (from_server, to_server) = server.stream.split();
    let requests = way(|faults| faults.request_delay);
    let replies = way(|faults| faults.reply_delay);
    let end = tokio::try_join!(
        requests.send(from_client, to_server, &shared.losses, &doomed),
        replies.answer(from_server, to_client, &doomed),
    );
    match end {
        Ok(_) => (client.resets, server.resets) = (false, false),
        Err(End::Broken) => {}
        Err(End::Lost) => {
            client.resets = false;
            server.resets = false;
            finish(server).await;
            shared.losses.count();
        }
    }
}

/// Why a connection ended before both sides ended it.
enum End {
    /// Somebody is gone.
    Broken,
    /// A reply was lost.
    Lost,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// One direction and what goes wrong with it.
struct Way {
    faults: watch::Receiver<Faults>,
    delay: fn(&Faults) -> Duration,
}

impl Way {
    /// Hands requests on. The connection is doomed before the server can answer one whose reply
    /// is to be lost.
    async fn send(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        losses: &Losses,
        doomed: &AtomicBool,
    ) -> Result<(), End> {
        let (mut piece, mut seen) = (vec![0; PIECE], Vec::new());
        loop {
            let size = from.read(&mut piece).await?;
            let bytes = &piece[..size];
            seen.extend_from_slice(bytes);
            if losses.claim(&seen, size) {
                doomed.store(true, Ordering::SeqCst);
            }
            seen.drain(..seen.len().saturating_sub(MEMORY));
            self.pass(bytes, &mut to).await?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Hands replies on.
    async fn answer(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        doomed: &AtomicBool,
    ) -> Result<(), End> {
        let mut piece = vec![0; PIECE];
        loop {
            let size = from.read(&mut piece).await?;
            if doomed.load(Ordering::SeqCst) {
                return Err(End::Lost);
            }
            self.pass(&piece[..size], &mut to).await?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Hands a piece on, or the end if it is empty.
    async fn pass(&mut self, bytes: &[u8], to: &mut WriteHalf<'_>) -> io::Result<()> {
        let delay = (self.delay)(&self.faults.borrow());
        if !delay.is_zero() {
            sleep(delay).await;
        }
        // The sender lives as long as the connection, so this only ends when the hole does.
        let faults = self.faults.wait_for(|faults| !faults.black_hole).await;
        let slices = faults.is_ok_and(|faults| faults.slices);
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        for part in bytes.chunks(if slices { 1 } else { bytes.len() }) {
            to.write_all(part).await?;
            yield_now().await;
        }
        Ok(())
    }
}

/// Lets a server finish what it was sent, and with it the request whose reply was lost.
async fn finish(mut server: Side) {
    let stream = &mut server.stream;
    let drain = async {
        stream.shutdown().await?;
        tokio::io::copy(stream, &mut tokio::io::sink()).await
    };
    // Whether it ends in good order does not matter any more.
    drop(timeout(PATIENCE, drain).await);
}

/// One end of a connection. Dropped early, as by a cut, it is reset.
struct Side {
    stream: TcpStream,
    resets: bool,
}

impl Side {
    fn new(stream: TcpStream) -> Self {
        // A piece is handed on when it comes; without this, slices would be put together again.
        drop(stream.set_nodelay(true));
        Self {
            stream,
            resets: true,
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if self.resets {
            drop(self.stream.set_zero_linger());
        }
    }
}
