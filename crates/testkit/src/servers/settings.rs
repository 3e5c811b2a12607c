//! What a server is configured with beyond what tests need.

/// Settings of a server, by the names that its own configuration file uses.
///
/// They replace what the tests' servers are configured with otherwise, which is durable:
/// PostgreSQL's own `fsync` and `synchronous_commit`, Redis's `appendfsync always`.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pairs: Vec<(String, String)>,
}

impl Settings {
    /// No setting of one's own.
    ///
    /// ```
    /// use portcullis_testkit::servers::Settings;
    /// let lossy = Settings::new().with("synchronous_commit", "off");
    /// # drop(lossy);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What Redis does where nobody configured it: a snapshot now and then, which loses what was
    /// acknowledged since. The control of tests that count losses.
    ///
    /// ```
    /// use portcullis_testkit::servers::Settings;
    /// let lossy = Settings::redis_snapshots();
    /// # drop(lossy);
    /// ```
    #[must_use]
    pub fn redis_snapshots() -> Self {
        Self::new()
            .with("appendonly", "no")
            .with("save", "3600 1 300 100 60 10000")
    }

    /// Sets one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.pairs.retain(|(other, _)| *other != name);
        self.pairs.push((name, value));
        self
    }

    /// These, and of `defaults` those that these do not set.
    pub(crate) fn over(&self, defaults: &[(&str, &str)]) -> Self {
        let base = defaults
            .iter()
            .fold(Self::new(), |all, (name, value)| all.with(*name, *value));
        let own = self.pairs.iter().cloned();
        own.fold(base, |all, (name, value)| all.with(name, value))
    }

    /// One line for each.
    pub(crate) fn lines(&self, line: impl Fn(&str, &str) -> String) -> String {
        let lines = self.pairs.iter().map(|(name, value)| line(name, value));
        lines.collect()
    }
}
