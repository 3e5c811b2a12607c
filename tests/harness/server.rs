//! The server under test: the real binary in a temporary directory, or a router in this process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::{Arc, Mutex, OnceLock},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    task::JoinHandle,
};

use crate::world::BOOTSTRAP;

/// The server, built now if it is not.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| example("identity-server"))
}

/// An example, built now if it is not.
pub fn example(name: &str) -> PathBuf {
    // target/<profile>/deps/<this test>
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>");
    let mut build = std::process::Command::new(env!("CARGO"));
    // The same selection as that of the tests, or every dependency would be built twice.
    build.args(["build", "--quiet", "--workspace", "--all-features"]);
    build.args(["--example", name]);
    build
        .arg("--target-dir")
        .arg(profile.parent().expect("target"));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(
        build.status().expect("cargo runs").success(),
        "{name} does not build"
    );
    profile.join("examples").join(name)
}

/// Runs the binary to its end in a directory.
pub async fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(directory)
        .kill_on_drop(true);
    command.output().await.expect("the binary runs")
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// What `--argon2` says.
    pub argon2: &'static str,
    /// Other arguments.
    pub arguments: &'static [&'static str],
    /// What `--store` says; a relative path is in the server's own directory.
    pub store: String,
    /// What `--log-level` says.
    pub log_level: &'static str,
    /// The bootstrap file, or none for the demo.
    pub bootstrap: Option<String>,
    /// Whether the store is named by `PORTCULLIS_STORE` and not by `--store`.
    pub by_environment: bool,
    /// The server of another release, if it is not to be this one.
    pub binary: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            argon2: "m=8,t=1,p=1",
            arguments: &[],
            store: "sqlite:portcullis.db".to_owned(),
            log_level: "debug",
            bootstrap: Some(BOOTSTRAP.to_owned()),
            by_environment: false,
            binary: None,
        }
    }
}

#[derive(Debug)]
/// A running `identity-server`. It is killed on drop, and its log is printed if a test failed.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it printed to stdout before `listening on`.
    pub printed: String,
    directory: Arc<TempDir>,
    options: Options,
    child: Child,
    log: Arc<Mutex<String>>,
    logging: JoinHandle<()>,
}

impl Server {
    /// Starts one with the usual users.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// Starts one on this store, with the usual users.
    pub async fn on(store: impl Into<String>) -> Self {
        let store = store.into();
        Self::with(Options {
            store,
            ..Options::default()
        })
        .await
    }

    /// Starts one in a directory of its own.
    pub async fn with(options: Options) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        if let Some(text) = &options.bootstrap {
            std::fs::write(directory.path().join("bootstrap.toml"), text)
                .expect("a bootstrap file");
        }
        Self::launch(Arc::new(directory), options).await
    }

    /// Starts another one on the same directory.
    pub async fn beside(&self) -> Self {
        Self::launch(Arc::clone(&self.directory), self.options.clone()).await
    }

    /// Starts another one on the same directory, of another release.
    pub async fn beside_of(&self, binary: Option<PathBuf>) -> Self {
        let options = Options {
            binary,
            ..self.options.clone()
        };
        Self::launch(Arc::clone(&self.directory), options).await
    }

    /// Kills it with SIGKILL and starts it again. Returns everything that it had logged.
    pub async fn kill_and_restart(&mut self) -> String {
        self.child.kill().await.expect("it can be killed");
        // What was written before the end is still in the pipe.
        (&mut self.logging).await.expect("the log is read");
        let log = self.log();
        let next = Self::launch(Arc::clone(&self.directory), self.options.clone()).await;
        *self = next;
        log
    }

    async fn launch(directory: Arc<TempDir>, options: Options) -> Self {
        let program = options.binary.as_deref().unwrap_or_else(|| binary());
        let mut command = Command::new(program);
        command
            .args(["--listen", "127.0.0.1:0", "--argon2", options.argon2])
            .args(["--log-level", options.log_level])
            .args(options.arguments)
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if options.bootstrap.is_some() {
            command.args(["--bootstrap", "bootstrap.toml"]);
        }
        if options.by_environment {
            command.env("PORTCULLIS_STORE", &options.store);
        } else {
            command.args(["--store", &options.store]);
        }
        let mut child = command.spawn().expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (sink, stderr) = (Arc::clone(&log), child.stderr.take().expect("stderr"));
        let logging = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut log = sink.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut printed = String::new();
        loop {
            let line = lines.next_line().await.expect("stdout is text");
            let line = line.unwrap_or_else(|| panic!("no server: {}", log.lock().unwrap()));
            if let Some(address) = line.strip_prefix("listening on http://") {
                let address = address.parse().expect("an address");
                return Self {
                    address,
                    printed,
                    directory,
                    options,
                    child,
                    log,
                    logging,
                };
            }
            printed.push_str(&line);
            printed.push('\n');
        }
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Sends a signal by name and waits for the end.
    pub async fn stop(&mut self, signal: &str) -> std::process::ExitStatus {
        self.signal(signal).await;
        self.child.wait().await.expect("it ends")
    }

    /// Sends a signal by name.
    pub async fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let kill = Command::new("kill")
            .args(["-s", signal, &pid])
            .status()
            .await;
        assert!(kill.expect("kill runs").success());
    }

    /// Runs `inspect` on one of its users: exit code and the JSON lines.
    pub async fn inspect(&self, org: &str, user: &str) -> (i32, Vec<serde_json::Value>) {
        let arguments = [
            "inspect",
            "--store",
            &self.options.store,
            // An id may look like an option.
            &format!("--org={org}"),
            &format!("--user={user}"),
            "--show-hash",
        ];
        let output = run(self.directory(), &arguments).await;
        let text = String::from_utf8(output.stdout).expect("inspect prints text");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        (output.status.code().expect("it ends"), lines)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the server ---\n{}", self.log());
        }
    }
}

#[derive(Debug)]
/// A router served by this process on a port of its own.
pub struct InProcess {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl InProcess {
    /// Serves a router until it is dropped.
    pub async fn serve(router: axum::Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self { address, task }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.task.abort();
    }
}
