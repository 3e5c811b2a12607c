//! PostgreSQL, alone or with standbys.

use std::{fs::File, io::Write, net::SocketAddr, path::Path, sync::Arc};

use tokio::sync::OnceCell;

use super::{
    binary, blocking,
    port::Port,
    process::{Process, wait_until},
    sandbox::{Logs, Sandbox},
    settings::Settings,
};

const SERVER: &str = "postgresql";
const CLIENT: &str = "postgresql-client";
const PLACE: &str = "postgres";

/// A PostgreSQL server on the loopback. Clones are handles on the same one; it ends with the last.
///
/// Its superuser is `postgres`, without a password.
#[derive(Debug, Clone)]
pub struct Postgres {
    process: Arc<Process>,
    _logs: Logs,
}

impl Postgres {
    /// Starts one that keeps what it acknowledges.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::Postgres;
    /// let postgres = Postgres::start().await;
    /// assert!(postgres.url("postgres").starts_with("postgres://postgres@127.0.0.1:"));
    /// # }
    /// ```
    pub async fn start() -> Self {
        Self::start_with(Settings::new()).await
    }

    /// Starts one with settings of `postgresql.conf`.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::{Postgres, Settings};
    /// let lossy = Settings::new().with("synchronous_commit", "off");
    /// let postgres = Postgres::start_with(lossy).await;
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_with(settings: Settings) -> Self {
        blocking(move || {
            let sandbox = Sandbox::unprivileged();
            let data = sandbox.directory().join(PLACE);
            let data = data.to_str().expect("the path is text");
            let arguments = ["--pgdata", data, "--username=postgres", "--auth=trust"];
            let dialect = ["--encoding=UTF8", "--locale=C", "--no-sync"];
            let initdb = binary::find("initdb", SERVER);
            sandbox.run(&initdb, &[&arguments[..], &dialect].concat());
            Self::launch(sandbox, &settings)
        })
        .await
    }

    /// The one that all tests of this process share. Each needs a database or a schema of its own.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::Postgres;
    /// let postgres = Postgres::shared().await;
    /// assert_eq!(postgres.pid(), Postgres::shared().await.pid());
    /// # }
    /// ```
    pub async fn shared() -> Self {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await.clone()
    }

    /// Starts a standby that streams from this one. If it is synchronous, every commit here waits
    /// for it from now on.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use portcullis_testkit::servers::Postgres;
    /// let primary = Postgres::start().await;
    /// let standby = Postgres::standby_of(&primary, true).await;
    /// primary.kill().await;
    /// standby.promote().await;
    /// # }
    /// ```
    pub async fn standby_of(primary: &Self, synchronous: bool) -> Self {
        Self::standby_through(primary, primary.address(), synchronous).await
    }

    /// Starts a standby that reaches its primary at another address, as that of a proxy.
    pub async fn standby_through(primary: &Self, address: SocketAddr, synchronous: bool) -> Self {
        let primary = primary.clone();
        blocking(move || {
            let streaming = "select count(*) from pg_stat_replication where state = 'streaming'";
            let before = primary.ask("postgres", streaming);
            let standby = Self::launch(primary.copy(address), &Settings::new());
            wait_until("the standby streams", || {
                primary.ask("postgres", streaming) != before
            });
            if synchronous {
                primary.set("synchronous_standby_names", "*");
                let waiting = format!("{streaming} and sync_state = 'async'");
                wait_until("the primary waits for it", || {
                    primary.ask("postgres", &waiting) == "0"
                });
            }
            standby
        })
        .await
    }

    /// Makes a standby a primary that waits for nobody.
    ///
    /// # Panics
    ///
    /// When it is no standby.
    pub async fn promote(&self) {
        let this = self.clone();
        blocking(move || {
            assert_eq!(this.ask("postgres", "select pg_promote()"), "t");
        })
        .await;
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

    /// Its process id.
    ///
    /// # Panics
    ///
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its temporary directory: its data are in `postgres`, its log is `postgres.log`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.process.sandbox.directory()
    }

    /// What `psql` prints for these statements, without names and borders.
    ///
    /// # Panics
    ///
    /// When one fails.
    pub async fn query(&self, database: &str, statements: &str) -> String {
        let (this, database) = (self.clone(), database.to_owned());
        let statements = statements.to_owned();
        blocking(move || this.ask(&database, &statements)).await
    }

    /// Kills all its processes with SIGKILL; returns when none is left.
    pub async fn kill(&self) {
        let process = Arc::clone(&self.process);
        blocking(move || process.kill()).await;
    }

    /// Stops it in good order, as `pg_ctl stop` does.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub async fn stop(&self) {
        let process = Arc::clone(&self.process);
        blocking(move || {
            let data = process.directory();
            let data = data.to_str().expect("the path is text");
            let arguments = ["stop", "--pgdata", data, "--mode=fast", "--wait"];
            let program = binary::find("pg_ctl", SERVER);
            process.sandbox.run(&program, &arguments);
            process.reap();
        })
        .await;
    }

    /// Starts it on its old port and its old data.
    pub async fn start_again(&self) {
        let this = self.clone();
        blocking(move || this.serve()).await;
    }

    /// Stops all its processes where they are: connections stay open and nothing answers.
    pub async fn pause(&self) {
        let process = Arc::clone(&self.process);
        blocking(move || process.sandbox.signal("STOP", &process.place)).await;
    }

    /// Lets them go on.
    pub async fn resume(&self) {
        let process = Arc::clone(&self.process);
        blocking(move || process.sandbox.signal("CONT", &process.place)).await;
    }

    fn launch(sandbox: Sandbox, settings: &Settings) -> Self {
        let port = Port::claim();
        let socket = sandbox.directory().to_str().expect("the path is text");
        let settings = settings.over(&[
            // In the data directory: a killed server leaves nothing in /dev/shm.
            ("dynamic_shared_memory_type", "mmap"),
            ("fsync", "on"),
            ("listen_addresses", "127.0.0.1"),
            ("max_connections", "200"),
            ("port", &port.number().to_string()),
            ("shared_buffers", "16MB"),
            ("unix_socket_directories", socket),
            // A standby may be away for a while.
            ("wal_keep_size", "256MB"),
        ]);
        let quoted =
            |name: &str, value: &str| format!("{name} = '{}'\n", value.replace('\'', "''"));
        let configuration = sandbox.directory().join(PLACE).join("postgresql.conf");
        append(&configuration, &settings.lines(quoted));
        let sandbox = Arc::new(sandbox);
        let logs = Logs::of(Arc::clone(&sandbox));
        let program = binary::find("postgres", SERVER);
        let this = Self {
            process: Arc::new(Process::new(sandbox, PLACE, port, program, &["-D", "."])),
            _logs: logs,
        };
        this.serve();
        this
    }

    fn serve(&self) {
        let port = self.process.port.number();
        self.process.launch(|| self.answers_at(port));
    }

    /// Whether something that speaks the protocol serves at a port of the loopback.
    pub(crate) fn answers_at(&self, port: u16) -> bool {
        let program = binary::find("pg_isready", CLIENT);
        let mut command = self.process.sandbox.command(&program);
        command.args(["--quiet", "--host=127.0.0.1", "--port", &port.to_string()]);
        command.status().is_ok_and(|status| status.success())
    }

    /// A sandbox with a copy of the data, which streams from this address.
    fn copy(&self, address: SocketAddr) -> Sandbox {
        let sandbox = Sandbox::unprivileged();
        let data = sandbox.directory().join(PLACE);
        let path = data.to_str().expect("the path is text");
        let (host, port) = (address.ip(), address.port());
        let primary = format!("host={host} port={port} user=postgres");
        let program = binary::find("pg_basebackup", CLIENT);
        let place = ["--pgdata", path, "--dbname", &primary];
        let manner = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"];
        sandbox.run(&program, &[&place[..], &manner].concat());
        // The primary's own standbys are not this one's; this file is read last.
        let last = data.join("postgresql.auto.conf");
        append(&last, "synchronous_standby_names = ''\n");
        sandbox
    }

    fn set(&self, name: &str, value: &str) {
        self.ask("postgres", &format!("alter system set {name} = '{value}'"));
        self.ask("postgres", "select pg_reload_conf()");
    }

    fn ask(&self, database: &str, statements: &str) -> String {
        let program = binary::find("psql", CLIENT);
        let options = ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"];
        let url = self.url(database);
        let what = ["--set=ON_ERROR_STOP=1", "--command", statements, &url];
        let sandbox = &self.process.sandbox;
        sandbox.run(&program, &[&options[..], &what].concat())
    }
}

fn append(path: &Path, text: &str) {
    let file = File::options().append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.expect("the configuration can be written");
}
