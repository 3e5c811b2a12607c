//! A session as it is stored.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{SessionIssued, SessionToken, SessionView, sessions::Sessions};
use crate::{
    authority::Authorized,
    clock::Timestamp,
    details::ObjectDetails,
    error::{Error, ErrorKind, SessionRefusal, StoreError, StoreErrorKind},
    id::{OperationId, OrgId, UserId},
    store::{Document, DocumentKey, DocumentKind, DocumentOutcome, DocumentWrite},
};

/// What a session says. The token is there as its digest.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) organisation: OrgId,
    pub(super) creator: UserId,
    /// Several organisations may have the creator's id.
    pub(super) creator_home: Option<OrgId>,
    pub(super) user: Option<UserId>,
    pub(super) login_name: Option<String>,
    pub(super) user_checked: Option<Timestamp>,
    pub(super) password_checked: Option<Timestamp>,
    /// The user's epoch when the password was found right.
    pub(super) epoch: Option<u64>,
    pub(super) token: String,
}

impl Stored {
    pub(super) fn new(proof: &Authorized, token: &SessionToken) -> Self {
        Self {
            organisation: proof.organisation().clone(),
            creator: proof.caller().user().clone(),
            creator_home: proof.caller().home().cloned(),
            user: None,
            login_name: None,
            user_checked: None,
            password_checked: None,
            epoch: None,
            token: token.digest(),
        }
    }
}

/// A session that is there.
pub(super) struct Found {
    pub(super) stored: Stored,
    pub(super) operation: OperationId,
    pub(super) revision: u64,
    created: Timestamp,
    changed: Timestamp,
    expires: Option<Timestamp>,
}

impl Found {
    fn read(document: &Document) -> Result<Self, StoreError> {
        let stored = serde_json::from_str(&document.text);
        Ok(Self {
            // What is wrong with it would repeat it.
            stored: stored.map_err(|_| StoreError::new(StoreErrorKind::Corrupt))?,
            operation: document.operation,
            revision: document.revision,
            created: document.created,
            changed: document.changed,
            expires: document.expires,
        })
    }

    /// Lets in who began it, and everybody who has its token. A token that is wrong lets nobody in.
    pub(super) fn admits(
        &self,
        proof: &Authorized,
        token: Option<&SessionToken>,
    ) -> Result<(), Error> {
        let admitted = match token {
            Some(token) => token.is(&self.stored.token),
            None => self.is_begun_by(proof),
        };
        if admitted {
            Ok(())
        } else {
            Err(ErrorKind::SessionRefused(SessionRefusal::TokenInvalid).into())
        }
    }

    pub(super) fn is_begun_by(&self, proof: &Authorized) -> bool {
        let caller = proof.caller();
        let begun_by = (&self.stored.creator, self.stored.creator_home.as_ref());
        begun_by == (caller.user(), caller.home())
    }

    fn details(&self) -> ObjectDetails {
        let owner = self.stored.organisation.clone();
        ObjectDetails::written(self.revision, self.changed, owner)
    }

    pub(super) fn issued_before(&self, session: String) -> SessionIssued {
        SessionIssued {
            session,
            token: None,
            details: self.details(),
        }
    }

    pub(super) fn view(self, session: &str, is_current: bool) -> SessionView {
        let mut details = self.details();
        details.creation_date = Some(self.created);
        SessionView {
            session: session.to_owned(),
            details,
            user: self.stored.user.zip(self.stored.user_checked),
            login_name: self.stored.login_name,
            password: self.stored.password_checked.filter(|_| is_current),
            expires: self.expires,
        }
    }
}

impl Sessions {
    /// The session of this id, if it is one of the proof's organisation.
    pub(super) async fn find(
        &self,
        proof: &Authorized,
        session: &str,
    ) -> Result<Option<Found>, Error> {
        let document = self.documents.document(&key(session)).await?;
        let found = document
            .map(|document| Found::read(&document))
            .transpose()?;
        Ok(found.filter(|found| found.stored.organisation == *proof.organisation()))
    }

    /// None if it is not the one that was read any more.
    pub(super) async fn write(
        &self,
        session: &str,
        operation: OperationId,
        expected: Option<u64>,
        stored: &Stored,
        lifetime: Option<Duration>,
    ) -> Result<Option<ObjectDetails>, Error> {
        let text = serde_json::to_string(stored)
            .map_err(|error| Error::new(ErrorKind::Bug).with_source(error))?;
        let mut write = DocumentWrite::new(key(session), operation, expected, text);
        write.ttl = lifetime;
        write.keeps_end = lifetime.is_none();
        let outcome = self.documents.write_document(&write).await?;
        Ok(written(&outcome, &stored.organisation))
    }

    pub(super) async fn remove(
        &self,
        session: &str,
        found: &Found,
    ) -> Result<Option<ObjectDetails>, Error> {
        let write = DocumentWrite::removal(key(session), self.fresh_id()?, found.revision);
        let outcome = self.documents.write_document(&write).await?;
        Ok(written(&outcome, &found.stored.organisation))
    }
}

fn written(outcome: &DocumentOutcome, owner: &OrgId) -> Option<ObjectDetails> {
    match outcome {
        DocumentOutcome::Conflict => None,
        DocumentOutcome::Written {
            revision, changed, ..
        } => Some(ObjectDetails::written(*revision, *changed, owner.clone())),
    }
}

fn key(session: &str) -> DocumentKey {
    DocumentKey::new(DocumentKind::Session, session)
}
