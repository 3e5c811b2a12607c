//! The other half of a test: a process of its own, to be killed or traced.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A process that ends with its handle.
pub(crate) struct Half(Child);

impl Half {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// An ignored test of this program, as a program of its own.
pub(crate) fn command(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command.env(DIRECTORY, directory);
    command
}

/// Starts it, and says where it reports.
pub(crate) fn start(test: &str, directory: &Path) -> (Half, PathBuf) {
    let mut command = command(test, directory);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    (Half(child.unwrap()), directory.join(REPORT))
}

/// In the other half: its database, and where to report.
pub(crate) fn here() -> (PathBuf, File) {
    let directory = PathBuf::from(env::var_os(DIRECTORY).expect("it is started by a test"));
    let mut report = File::options();
    let report = report
        .create(true)
        .append(true)
        .open(directory.join(REPORT));
    fs::create_dir_all(directory.join(DATA)).unwrap();
    (directory.join(DATA).join("users.db"), report.unwrap())
}

const DIRECTORY: &str = "PORTCULLIS_HALF";
/// Where the database is, with nothing else beside it.
pub(crate) const DATA: &str = "data";
const REPORT: &str = "report";
