//! What is going on, on stderr.

use std::io::{IsTerminal, Write, stderr};

/// One line that changes, or plain lines where nobody watches a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            terminal: stderr().is_terminal(),
        }
    }

    /// An error is not worth failing for.
    pub(crate) fn say(&self, what: &str) {
        let mut out = stderr().lock();
        let _unimportant = if self.terminal {
            write!(out, "\r\x1b[K{what}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{what}")
        };
    }
}

/// The table comes where the line was.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            let _unimportant = write!(stderr(), "\r\x1b[K");
        }
    }
}
