//! An administrator sets a password, whatever it was.

use std::{sync::Arc, time::Duration};

use super::{Engine, person};
use crate::{
    authority::Authorized,
    details::ObjectDetails,
    error::{Error, ErrorKind},
    hash::HashKind,
    hash_string::HashString,
    id::{Operation, OperationId, UserKey},
    secret::Password,
    store::{Change, CredentialChange, EventKind, Method, UserRecord, UserState, Version},
};

/// What the endpoints differ in (contract section 2.4), and what they share.
pub(super) struct Setting<'a> {
    pub(super) proof: &'a Authorized,
    pub(super) key: UserKey,
    pub(super) method: Method,
    pub(super) password: Arc<Password>,
    pub(super) must_change: bool,
    pub(super) operation: OperationId,
    pub(super) deadline: Duration,
}

impl Engine {
    pub(super) async fn set(
        &self,
        setting: &Setting<'_>,
        operation: Operation,
    ) -> Result<ObjectDetails, Error> {
        let result = async {
            match self
                .earlier(&setting.key, operation, &[setting.method])
                .await?
            {
                Some(details) => Ok(details),
                None => Ok(self.set_anew(setting).await?.0),
            }
        };
        result
            .await
            .map_err(|error: Error| error.with_operation(setting.operation))
    }

    /// Sets it, and says whether it is certain that this call did.
    pub(super) async fn set_anew(
        &self,
        setting: &Setting<'_>,
    ) -> Result<(ObjectDetails, bool), Error> {
        // Held until the commit is done.
        let mut admission = self.hashing.admit(setting.key.organisation())?;
        let record = self.settable(setting).await?;
        let hash = admission.hash(HashKind::Set, &setting.password).await?;
        let change = new_password(setting, record.version, hash);
        let again = || async { Ok(self.settable(setting).await?.version) };
        self.commit_told(change, setting.deadline, again).await
    }

    /// The user, if the rules allow this password to be set now.
    async fn settable(&self, setting: &Setting<'_>) -> Result<UserRecord, Error> {
        let record = person(self.load(&setting.key).await?).ok_or(ErrorKind::UserNotFound)?;
        if record.state == UserState::Initial {
            return Err(ErrorKind::UserNotInitialised.into());
        }
        self.check_policy(&setting.key, &setting.password).await?;
        Ok(record)
    }

    pub(super) async fn check_policy(
        &self,
        key: &UserKey,
        password: &Password,
    ) -> Result<(), Error> {
        let policy = self.policies.complexity(key.organisation()).await?;
        Ok(policy
            .check(&password.composition())
            .map_err(ErrorKind::PolicyViolated)?)
    }
}

/// The change that sets a password, against the version that was read.
pub(super) fn new_password(setting: &Setting<'_>, expected: Version, hash: HashString) -> Change {
    let (key, operation) = (setting.key.clone(), setting.operation);
    let event = EventKind::PasswordChanged;
    Change::new(key, setting.method, operation, expected, event)
        .with_credential(CredentialChange::Replace {
            hash,
            must_change: setting.must_change,
        })
        .with_editor(setting.proof.caller().user().clone())
}
