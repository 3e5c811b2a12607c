//! A temporary directory with a watchdog, which ends what runs in it when this process is gone.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// A directory that goes with this process, and all processes that work in it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    directory: PathBuf,
    user: Option<User>,
    watchdog: Mutex<Watchdog>,
}

#[derive(Debug)]
struct Watchdog {
    child: Child,
    // Taken on drop: that the pipe ends is the signal.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    keeps: bool,
}

impl Sandbox {
    /// A new one whose processes are this process's user's.
    pub(crate) fn new() -> Self {
        Self::of(None)
    }

    /// A new one for servers that refuse to be root's.
    pub(crate) fn unprivileged() -> Self {
        let root = fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
        Self::of(root.then(User::find))
    }

    fn of(user: Option<User>) -> Self {
        let mut command = command(user, OsStr::new("sh"));
        command
            .args(["-c", include_str!("watchdog.sh")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("a shell starts");
        let orders = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut directory = String::new();
        answers.read_line(&mut directory).expect("it answers");
        let directory = PathBuf::from(directory.trim_end());
        assert!(directory.is_absolute(), "there is no temporary directory");
        Self {
            directory,
            user,
            watchdog: Mutex::new(Watchdog {
                child,
                orders,
                answers,
                keeps: false,
            }),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A program that will run as the sandbox's user and belong to the sandbox.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = command(self.user, program.as_os_str());
        command.current_dir(&self.directory).stdin(Stdio::null());
        command
    }

    /// Runs a program to its end; what it printed.
    ///
    /// # Panics
    ///
    /// When it fails, with what it said.
    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output();
        let output = output.expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        let name = program.display();
        assert!(output.status.success(), "{name} failed: {text}\n{said}");
        text
    }

    /// The file that takes what a server prints.
    pub(crate) fn log_path(&self, place: &str) -> PathBuf {
        self.directory.join(format!("{place}.log"))
    }

    pub(crate) fn log(&self, place: &str) -> File {
        let mut options = File::options();
        let log = options.create(true).append(true).open(self.log_path(place));
        log.expect("the log can be written")
    }

    /// Sends a signal to everything that works in a place; `KILL` returns when all is gone.
    pub(crate) fn signal(&self, signal: &str, place: &str) {
        let obeyed = self.lock().order(signal, place);
        obeyed.expect("the watchdog lives");
    }

    fn lock(&self) -> MutexGuard<'_, Watchdog> {
        self.watchdog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watchdog {
    fn order(&mut self, word: &str, place: &str) -> io::Result<()> {
        let orders = self.orders.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(orders, "{word} {place}")?;
        match self.answers.read_line(&mut String::new())? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let mut watchdog = self.lock();
        drop(watchdog.orders.take());
        // Nothing runs and nothing is left once it has ended. A drop cannot report that it failed.
        drop(watchdog.child.wait());
    }
}

/// Part of each handle: a handle that is dropped by a panic keeps the logs of its server.
#[derive(Debug, Clone)]
pub(crate) struct Logs(Arc<Sandbox>);

impl Logs {
    pub(crate) const fn of(sandbox: Arc<Sandbox>) -> Self {
        Self(sandbox)
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let mut watchdog = self.0.lock();
        if thread::panicking() && !watchdog.keeps {
            watchdog.keeps = true;
            match watchdog.order("keep", "-") {
                Ok(()) => eprintln!("logs of the server: {}/*.log", self.0.directory.display()),
                Err(error) => eprintln!("the logs of the server are lost: {error}"),
            }
        }
    }
}

/// A user without privileges.
#[derive(Debug, Clone, Copy)]
struct User {
    id: u32,
    group: u32,
}

impl User {
    /// PostgreSQL's own, or nobody.
    fn find() -> Self {
        let users = fs::read_to_string("/etc/passwd").expect("there are users");
        let find = |name: &str| users.lines().find_map(|line| Self::parse(line, name));
        let user = find("postgres").or_else(|| find("nobody"));
        user.expect("there is a user `postgres` or `nobody`")
    }

    fn parse(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let id = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Self { id, group })
    }
}

/// A program as this user, in a process group of its own: what interrupts the test from the
/// terminal does not reach it, the watchdog's end does.
fn command(user: Option<User>, program: &OsStr) -> Command {
    let mut command = match user {
        None => Command::new(program),
        Some(User { id, group }) => {
            let mut command = Command::new("setpriv");
            command
                .args([format!("--reuid={id}"), format!("--regid={group}")])
                .args(["--clear-groups", "--"])
                .arg(program);
            command
        }
    };
    // Otherwise the environment would configure servers and clients.
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    command.process_group(0);
    command
}
