//! PgBouncer in transaction mode, before a PostgreSQL server.

use std::{fs, net::SocketAddr, sync::Arc};

use tokio::sync::OnceCell;

use super::{
    Postgres, binary, blocking,
    port::Port,
    process::Process,
    sandbox::{Logs, Sandbox},
    settings::Settings,
};

const CONFIGURATION: &str = "pgbouncer.ini";
const PLACE: &str = "pgbouncer";
const SERVER: &str = "pgbouncer";
const USERS: &str = "users.txt";

/// A PgBouncer on the loopback, through which every role and database of a server can be reached.
/// Clones are handles on the same one; it ends with the last.
///
/// It gives a client another connection to the server for each transaction.
#[derive(Debug, Clone)]
pub struct PgBouncer {
    process: Arc<Process>,
    _logs: Logs,
    // Ends after the one that leads to it.
    _postgres: Postgres,
}

impl PgBouncer {
    /// Starts one that keeps up to four connections for each role and database.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::{PgBouncer, Postgres};
    /// let pooler = PgBouncer::start(&Postgres::start().await).await;
    /// assert!(pooler.url("postgres").starts_with("postgres://postgres@127.0.0.1:"));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start(postgres: &Postgres) -> Self {
        let postgres = postgres.clone();
        blocking(move || Self::launch(postgres)).await
    }

    /// The one before [`Postgres::shared`] that all tests of this process share.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::PgBouncer;
    /// let (one, same) = (PgBouncer::shared().await, PgBouncer::shared().await);
    /// assert_eq!(one.address(), same.address());
    /// # }
    /// ```
    pub async fn shared() -> Self {
        static SHARED: OnceCell<PgBouncer> = OnceCell::const_new();
        let start = || async { Self::start(&Postgres::shared().await).await };
        SHARED.get_or_init(start).await.clone()
    }

    /// Where clients connect to.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.address())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.process.port.address()
    }

    fn launch(postgres: Postgres) -> Self {
        let sandbox = Arc::new(Sandbox::unprivileged());
        let logs = Logs::of(Arc::clone(&sandbox));
        let port = Port::claim();
        let directory = sandbox.directory().join(PLACE);
        fs::create_dir(&directory).expect("a directory for the pooler");
        let server = postgres.address();
        // Who is not in the file is asked for at the server; nobody has a password.
        let settings = Settings::new()
            .with("listen_addr", "127.0.0.1")
            .with("listen_port", port.number().to_string())
            .with("unix_socket_dir", "")
            .with("auth_type", "trust")
            .with("auth_file", USERS)
            .with("auth_user", "postgres")
            .with("pool_mode", "transaction")
            .with("default_pool_size", "4")
            .with("max_client_conn", "1000")
            // A role that was used once must not keep connections from the others.
            .with("max_db_connections", "100")
            .with("server_idle_timeout", "1");
        let text = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\n{}",
            server.ip(),
            server.port(),
            settings.lines(|name, value| format!("{name} = {value}\n"))
        );
        fs::write(directory.join(CONFIGURATION), text).expect("a configuration");
        fs::write(directory.join(USERS), "\"postgres\" \"\"\n").expect("a list of users");
        let program = binary::find("pgbouncer", SERVER);
        let process = Process::new(sandbox, PLACE, port, program, &[CONFIGURATION]);
        process.launch(|| postgres.answers_at(process.port.number()));
        Self {
            process: Arc::new(process),
            _logs: logs,
            _postgres: postgres,
        }
    }
}
