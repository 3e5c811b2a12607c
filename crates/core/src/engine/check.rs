//! A password is checked.

use std::sync::Arc;

use super::{Engine, attempt::Proven};
use crate::{
    authority::{Authorized, Permission},
    error::Error,
    hash::Admission,
    hash_string::HashString,
    id::UserKey,
    policy::{AgePolicy, Expiry},
    secret::Password,
    service::{CheckPassword, Verified},
    store::{HashUpgrade, UpgradeOutcome},
};

impl Engine {
    pub(super) async fn check(
        &self,
        proof: &Authorized,
        request: CheckPassword,
    ) -> Result<Verified, Error> {
        let key = proof.covers(Permission::SessionWrite, &request.user)?;
        let password = Arc::new(request.password);
        let rules = self.rules(key.organisation()).await?;
        let Proven {
            record,
            hash,
            mut admission,
        } = self.prove(&key, &password, &rules).await?;
        let credential = &record.credential;
        Ok(Verified {
            must_change: credential.must_change,
            expiry: self.expiry(credential.changed, &rules.age),
            rehashed: self.rehash(&key, &password, &hash, &mut admission).await,
            epoch: record.epoch,
            version: record.version,
            changed: credential.changed,
        })
    }

    fn expiry(&self, changed: Option<crate::clock::Timestamp>, age: &AgePolicy) -> Expiry {
        changed.map_or(Expiry::Never, |changed| {
            age.expiry(changed, self.clock.now())
        })
    }

    /// Hashes a verified password anew where that is due. The login does not fail for it: the
    /// next one tries again.
    async fn rehash(
        &self,
        key: &UserKey,
        password: &Arc<Password>,
        hash: &Arc<HashString>,
        admission: &mut Admission,
    ) -> bool {
        match self.try_rehash(key, password, hash, admission).await {
            Ok(done) => done,
            Err(error) => {
                tracing::warn!(%error, "a verified password was not hashed anew");
                false
            }
        }
    }

    async fn try_rehash(
        &self,
        key: &UserKey,
        password: &Arc<Password>,
        hash: &Arc<HashString>,
        admission: &mut Admission,
    ) -> Result<bool, Error> {
        let replacement = self.hashing.upgrade(admission, password, hash).await?;
        let Some(replacement) = replacement else {
            return Ok(false);
        };
        // The text was parsed before, so it parses again; a hash cannot be cloned.
        let verified = HashString::parse(hash.as_stored())
            .map_err(|error| Error::new(crate::error::ErrorKind::Bug).with_source(error))?;
        let upgrade = HashUpgrade::new(key.clone(), self.fresh_id()?, verified, replacement);
        let outcome = self.store.upgrade_hash(&upgrade).await?;
        Ok(matches!(outcome, UpgradeOutcome::Upgraded(_)))
    }
}
