//! One server process that can be killed and started again.

use std::{
    path::PathBuf,
    process::Child,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{port::Port, sandbox::Sandbox};

/// Longer than any server needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, running or not, in a place of a sandbox.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) sandbox: Arc<Sandbox>,
    /// Its directory below the sandbox's, where it works.
    pub(crate) place: String,
    pub(crate) port: Port,
    program: PathBuf,
    arguments: Vec<String>,
    child: Mutex<Option<Child>>,
}

impl Process {
    pub(crate) fn new(
        sandbox: Arc<Sandbox>,
        place: impl Into<String>,
        port: Port,
        program: PathBuf,
        arguments: &[&str],
    ) -> Self {
        Self {
            sandbox,
            place: place.into(),
            port,
            program,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            child: Mutex::default(),
        }
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.sandbox.directory().join(&self.place)
    }

    /// Starts it and waits until `ready` says that it serves.
    pub(crate) fn launch(&self, ready: impl Fn() -> bool) {
        let mut child = self.lock();
        assert!(child.is_none(), "{} runs already", self.place);
        let log = self.sandbox.log(&self.place);
        let mut command = self.sandbox.command(&self.program);
        command
            .args(&self.arguments)
            .current_dir(self.directory())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log);
        *child = Some(command.spawn().expect("the server starts"));
        drop(child);
        wait_until(&format!("{} serves", self.place), || {
            let mut child = self.lock();
            let ended = child.as_mut().map(Child::try_wait);
            if !matches!(ended, Some(Ok(None))) {
                panic!("{} ended:\n{}", self.place, self.log());
            }
            drop(child);
            ready()
        });
    }

    /// Whether it was started and not killed since.
    pub(crate) fn runs(&self) -> bool {
        self.lock().is_some()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        let child = self.lock();
        child.as_ref().expect("the server runs").id()
    }

    /// Kills all its processes at once and returns when they are gone.
    pub(crate) fn kill(&self) {
        self.sandbox.signal("KILL", &self.place);
        self.reap();
    }

    /// Waits for the end of a process that was told to end.
    pub(crate) fn reap(&self) {
        if let Some(mut child) = self.lock().take() {
            child.wait().expect("a child can be waited for");
        }
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.sandbox.log_path(&self.place));
        String::from_utf8_lossy(&log.unwrap_or_default()).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The rest of its processes end with the sandbox.
        if let Some(mut child) = self.lock().take() {
            drop(child.kill().and_then(|()| child.wait()));
        }
    }
}

/// Asks again and again, since no server tells.
///
/// # Panics
///
/// When it does not come true.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
