//! How long the tests run. `./test --long` sets these variables.

use std::{env, fs::File, io::Write};

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

/// Says that a test did nothing, and for want of what, in the file that `PORTCULLIS_LEFT_OUT` names:
/// what a test that passes prints is seen by nobody. Where everything has to run, with
/// `PORTCULLIS_PRIVILEGED=1`, it fails.
pub(crate) fn not_run(test: &str, needs: &str) {
    let privileged = number("PORTCULLIS_PRIVILEGED") == Some(1);
    assert!(!privileged, "{test} needs {needs}");
    println!("NOT RUN: {test} needs {needs}; ./test --long insists on it");
    if let Some(path) = env::var_os("PORTCULLIS_LEFT_OUT") {
        let file = File::options().create(true).append(true).open(path);
        writeln!(file.unwrap(), "{test} needs {needs}").unwrap();
    }
}

/// A number from the environment.
fn number(name: &str) -> Option<usize> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}
