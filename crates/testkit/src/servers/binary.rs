//! Where the servers' programs are.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// A program of the Debian package, in `PATH` or where Debian keeps servers and the versions of
/// PostgreSQL.
///
/// # Panics
///
/// When it is not installed: a test that needs a server fails without it.
pub(crate) fn find(program: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    places.extend(versions("/usr/lib/postgresql"));
    let mut candidates = places.iter().map(|place| place.join(program));
    candidates.find(|path| path.is_file()).unwrap_or_else(|| {
        panic!(
            "`{program}` is not installed. It is in the Debian package `{package}`; \
             `./test --install` installs it."
        )
    })
}

/// The newest first.
fn versions(root: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let numbered = entries.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin")))
    });
    let mut versions: Vec<_> = numbered.collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, path)| path).collect()
}
