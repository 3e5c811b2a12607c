//! One redis-server process: alone, in a cluster, or a sentinel.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use crate::servers::{
    binary, blocking, port::Port, process::Process, sandbox::Sandbox, settings::Settings,
};

const SERVER: &str = "redis-server";
const CLIENT: &str = "redis-tools";
const CONFIGURATION: &str = "redis.conf";

/// A redis-server in a place of a sandbox.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) process: Process,
}

impl Node {
    /// Configures one for data.
    pub(crate) fn new(sandbox: Arc<Sandbox>, place: &str, settings: &Settings) -> Self {
        let settings = settings.over(&[
            ("appendfsync", "always"),
            ("appendonly", "yes"),
            // A replica starts to follow at once and not some seconds later.
            ("repl-diskless-sync-delay", "0"),
            ("save", "\"\""),
        ]);
        Self::configured(sandbox, place, settings, &[])
    }

    /// Configures one that watches others.
    pub(crate) fn sentinel(sandbox: Arc<Sandbox>, place: &str, settings: Settings) -> Self {
        Self::configured(sandbox, place, settings, &["--sentinel"])
    }

    fn configured(sandbox: Arc<Sandbox>, place: &str, settings: Settings, mode: &[&str]) -> Self {
        let port = Port::claim();
        let settings = settings
            .with("bind", "127.0.0.1")
            .with("port", port.number().to_string());
        let directory = sandbox.directory().join(place);
        fs::create_dir(&directory).expect("a directory for the server");
        let text = settings.lines(|name, value| format!("{name} {value}\n"));
        fs::write(directory.join(CONFIGURATION), text).expect("a configuration");
        let program = binary::find("redis-server", SERVER);
        let arguments = [&[CONFIGURATION], mode].concat();
        Self {
            process: Process::new(sandbox, place, port, program, &arguments),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.process.port.address()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/", self.address())
    }

    /// Starts it; it has loaded its data by then.
    pub(crate) fn serve(&self) {
        self.process.launch(|| self.pings());
    }

    /// What `redis-cli` prints for a command.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let port = self.process.port.number().to_string();
        let program = binary::find("redis-cli", CLIENT);
        // `-e` makes an error the exit code.
        let arguments = [&["-e", "-p", &port], command].concat();
        self.process.sandbox.run(&program, &arguments)
    }

    /// Whether it runs and serves.
    pub(crate) fn is_up(&self) -> bool {
        self.process.runs() && self.pings()
    }

    /// Whether it is a replica that is up to date.
    pub(crate) fn follows(&self) -> bool {
        self.ask(&["info", "replication"])
            .lines()
            .any(|line| line.trim_end() == "master_link_status:up")
    }

    /// Tells it to end; its answer is that the connection does.
    pub(crate) fn shut_down(&self) {
        let mut stream = TcpStream::connect(self.address()).expect("it listens");
        stream.write_all(b"SHUTDOWN\r\n").expect("it reads");
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        assert!(read.is_err() || answer.is_empty(), "refused: {answer}");
    }

    pub(crate) async fn cli(self: &Arc<Self>, command: &[&str]) -> String {
        let node = Arc::clone(self);
        let command: Vec<_> = command.iter().map(|word| (*word).to_owned()).collect();
        blocking(move || {
            let words: Vec<_> = command.iter().map(String::as_str).collect();
            node.ask(&words)
        })
        .await
    }

    pub(crate) async fn kill(self: &Arc<Self>) {
        let node = Arc::clone(self);
        blocking(move || node.process.kill()).await;
    }

    pub(crate) async fn start_again(self: &Arc<Self>) {
        let node = Arc::clone(self);
        blocking(move || node.serve()).await;
    }

    pub(crate) async fn signal(self: &Arc<Self>, signal: &'static str) {
        let node = Arc::clone(self);
        blocking(move || node.process.sandbox.signal(signal, &node.process.place)).await;
    }

    fn pings(&self) -> bool {
        let answer = || {
            let mut stream = TcpStream::connect(self.address())?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        };
        // `-LOADING` is a sign of life, and not yet of service.
        answer().is_ok_and(|answer| matches!(&answer, b"+PONG" | b"-NOAU"))
    }
}
