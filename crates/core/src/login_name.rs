//! Which user of an organisation a login name belongs to.

use std::{fmt, sync::Arc};

use chrono::TimeDelta;

use crate::{
    clock::{Clock, Timestamp},
    derived::{digest, hexadecimal},
    error::{StoreError, StoreErrorKind},
    id::{OperationId, OrgId, UserId, UserKey},
    random::{OsRandom, RandomSource},
    store::{
        DocumentKey, DocumentKind, DocumentOutcome, DocumentStore, DocumentWrite, UserState,
        UserStore,
    },
};

/// Login names, which belong to one user of an organisation each. Case makes no difference.
#[derive(Clone)]
pub struct LoginNames {
    documents: Arc<dyn DocumentStore>,
    users: Arc<dyn UserStore>,
    clock: Arc<dyn Clock>,
}

/// What came of claiming a login name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// It belongs to this user now, or did so before.
    Held,
    /// It belongs to another user.
    Taken,
}

impl LoginNames {
    /// Login names in these documents, of these users.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use portcullis_core::{Claim, LoginNames, MemoryStore, OrgId, SystemClock, UserId, UserKey};
    /// let store = Arc::new(MemoryStore::new());
    /// let names = LoginNames::new(store.clone(), store, Arc::new(SystemClock::new()));
    /// let acme = OrgId::new("acme")?;
    /// let alice = UserKey::new(acme.clone(), UserId::new("42")?);
    /// assert_eq!(names.claim(&alice, "Alice").await?, Claim::Held);
    /// assert_eq!(names.find(&acme, "alice").await?.as_ref(), Some(alice.user()));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn new(
        documents: Arc<dyn DocumentStore>,
        users: Arc<dyn UserStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            documents,
            users,
            clock,
        }
    }

    /// The user that a login name belongs to. The user may have been removed.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn find(
        &self,
        organisation: &OrgId,
        name: &str,
    ) -> Result<Option<UserId>, StoreError> {
        let document = self.documents.document(&key(organisation, name)).await?;
        document.map(|document| owner(&document.text)).transpose()
    }

    /// Gives a login name to a user, unless it belongs to another one who is there. It may come
    /// before the user does: a user who is not there within a minute loses it to the next claim.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn claim(&self, user: &UserKey, name: &str) -> Result<Claim, StoreError> {
        let key = key(user.organisation(), name);
        loop {
            let found = self.documents.document(&key).await?;
            if let Some(found) = &found {
                let owner = owner(&found.text)?;
                if owner == *user.user() && self.is_there(user).await? {
                    return Ok(Claim::Held);
                }
                // One's own claim is written again while the user is not there, so that its minute
                // begins anew.
                let owner = UserKey::new(user.organisation().clone(), owner);
                if owner != *user && self.stands(&owner, found.changed).await? {
                    return Ok(Claim::Taken);
                }
            }
            let expected = found.map(|found| found.revision);
            let text = user.user().as_str().to_owned();
            let write = DocumentWrite::new(key.clone(), fresh()?, expected, text);
            match self.documents.write_document(&write).await? {
                DocumentOutcome::Written { .. } => return Ok(Claim::Held),
                DocumentOutcome::Conflict => {}
            }
        }
    }

    /// Takes a login name from a user, if it belongs to that user.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn release(&self, user: &UserKey, name: &str) -> Result<(), StoreError> {
        let key = key(user.organisation(), name);
        if let Some(found) = self.documents.document(&key).await?
            && owner(&found.text)? == *user.user()
        {
            let write = DocumentWrite::removal(key, fresh()?, found.revision);
            self.documents.write_document(&write).await?;
        }
        Ok(())
    }

    /// Whether a claim keeps others out: its user is there, or is just being created.
    async fn stands(&self, user: &UserKey, claimed: Timestamp) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let is_new = now.signed_duration_since(claimed) < TimeDelta::minutes(1);
        Ok(is_new || self.is_there(user).await?)
    }

    async fn is_there(&self, user: &UserKey) -> Result<bool, StoreError> {
        let record = self.users.load(user).await?;
        Ok(record.is_some_and(|record| record.state != UserState::Removed))
    }
}

impl fmt::Debug for LoginNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginNames").finish_non_exhaustive()
    }
}

/// A digest, because a name may be longer than that of a document.
fn key(organisation: &OrgId, name: &str) -> DocumentKey {
    let digest = digest("login name", organisation, name.to_lowercase().as_bytes());
    DocumentKey::new(DocumentKind::LoginName, hexadecimal(&digest))
}

fn owner(text: &str) -> Result<UserId, StoreError> {
    UserId::new(text).map_err(|error| StoreError::new(StoreErrorKind::Corrupt).with_source(error))
}

fn fresh() -> Result<OperationId, StoreError> {
    let mut bytes = [0; 16];
    let filled = OsRandom.fill(&mut bytes);
    filled.map_err(|error| StoreError::new(StoreErrorKind::Internal).with_source(error))?;
    Ok(OperationId::from_bytes(bytes))
}
