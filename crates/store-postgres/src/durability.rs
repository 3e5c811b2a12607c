//! Whether the server keeps what it acknowledges.

/// What a server is set to do before it acknowledges a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Durability {
    /// `fsync`: whether anything is flushed to the disk at all.
    pub fsync: bool,
    /// `full_page_writes`: whether pages survive a crash in the middle of a write.
    pub full_page_writes: bool,
    /// `synchronous_commit`, as it applies to the store's connections.
    pub synchronous_commit: String,
    /// Whether a standby must have a commit as well, by `synchronous_standby_names`.
    pub standbys: bool,
}

impl Durability {
    /// Whether an acknowledged commit survives a crash of the server.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portcullis_store_postgres::{PostgresConfig, PostgresStore};
    /// # let store = PostgresStore::open(&PostgresConfig::parse("postgres://db/identity")?).await?;
    /// assert!(store.durability().await?.survives_crash());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn survives_crash(&self) -> bool {
        self.fsync && self.full_page_writes && self.synchronous_commit != "off"
    }

    /// Whether it survives the loss of the server too, because a standby has it.
    #[must_use]
    pub fn survives_failover(&self) -> bool {
        let waits = matches!(
            self.synchronous_commit.as_str(),
            "on" | "remote_apply" | "remote_write"
        );
        self.survives_crash() && self.standbys && waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lossy_setting_is_enough() {
        let safe = Durability {
            fsync: true,
            full_page_writes: true,
            synchronous_commit: "on".to_owned(),
            standbys: true,
        };
        assert!(safe.survives_crash() && safe.survives_failover());
        let lossy = [
            Durability {
                fsync: false,
                ..safe.clone()
            },
            Durability {
                full_page_writes: false,
                ..safe.clone()
            },
            Durability {
                synchronous_commit: "off".to_owned(),
                ..safe.clone()
            },
        ];
        for settings in lossy {
            assert!(!settings.survives_crash() && !settings.survives_failover());
        }
        let alone = Durability {
            standbys: false,
            ..safe.clone()
        };
        assert!(alone.survives_crash() && !alone.survives_failover());
        let local = Durability {
            synchronous_commit: "local".to_owned(),
            ..safe
        };
        assert!(local.survives_crash() && !local.survives_failover());
    }
}
