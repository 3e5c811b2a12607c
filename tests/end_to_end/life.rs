//! The rest of a password's life, through every transport.

mod calls;
mod checks;
mod policies;
mod resets;
mod rights;
mod states;

/// The usual users, where five wrong passwords in a row lock one out.
fn with_lockout() -> String {
    portcullis_tests::BOOTSTRAP.replacen(
        "name = \"acme\"",
        "name = \"acme\"\n[org.lockout]\nmax_attempts = 5",
        1,
    )
}
