//! How long the tests run. `./test --long` sets these variables.

use std::env;

/// Failovers of one kind: 2, or what `PORTCULLIS_FAILOVERS` says.
pub(crate) fn failovers() -> usize {
    number("PORTCULLIS_FAILOVERS").unwrap_or(2)
}

/// Mutations that meet a fault in each store: 300, or what `PORTCULLIS_FAULTS` says.
pub(crate) fn faults() -> usize {
    number("PORTCULLIS_FAULTS").unwrap_or(300)
}

/// Calls whose order is checked in each store: as many as come in five seconds, or what
/// `PORTCULLIS_CALLS` says.
pub(crate) fn calls() -> Option<usize> {
    number("PORTCULLIS_CALLS")
}

/// Whether everything has to run here, with `PORTCULLIS_PRIVILEGED=1`: also what needs root,
/// mounts and `strace`.
pub(crate) fn is_privileged() -> bool {
    number("PORTCULLIS_PRIVILEGED") == Some(1)
}

/// Says that a test did nothing, and for want of what; fails where everything has to run.
pub(crate) fn not_run(test: &str, needs: &str) {
    assert!(!is_privileged(), "{test} needs {needs}");
    eprintln!("NOT RUN: {test} needs {needs}; ./test --long insists on it");
}

/// A number from the environment.
fn number(name: &str) -> Option<usize> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}
