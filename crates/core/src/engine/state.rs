//! A user's state changes, and what is read of a user.

use super::Engine;
use crate::{
    authority::{Authorized, Permission},
    details::ObjectDetails,
    error::{Error, ErrorKind, StateRefusal},
    id::{UserId, UserKey},
    service::{ChangeState, StateChange, UserView},
    store::{
        Change, CredentialChange, Cursor, EventKind, EventPage, EventQuery, Method, UserRecord,
        UserState, Version,
    },
};

impl Engine {
    pub(super) async fn change_of_state(
        &self,
        proof: &Authorized,
        request: ChangeState,
    ) -> Result<ObjectDetails, Error> {
        let key = proof.covers(permission(request.change), &request.user)?;
        let operation = self.name(request.operation)?;
        let (id, deadline) = (operation.id(), self.deadline(request.time_limit));
        let result = async {
            let methods = [Method::ChangeState];
            if let Some(done) = self.earlier(&key, operation, &methods).await? {
                return Ok(done);
            }
            let again = || self.changeable(&key, request.change);
            let (event, state) = outcome(request.change);
            let version = again().await?;
            let mut change = Change::new(key.clone(), Method::ChangeState, id, version, event)
                .with_state(state)
                .with_editor(proof.caller().user().clone());
            if request.change == StateChange::Remove {
                change = change.with_credential(CredentialChange::Remove);
            }
            let details = self.commit(change, deadline, again).await?;
            if request.change == StateChange::Remove {
                self.release_name(&key).await;
            }
            Ok(details)
        };
        result
            .await
            .map_err(|error: Error| match error.kind() {
                ErrorKind::UserNotFound => {
                    ErrorKind::StateRefused(StateRefusal::UserNotFound).into()
                }
                _ => error,
            })
            .map_err(|error| error.with_operation(id))
    }

    /// Gives the login name of a removed user back. One that stays is free for the next claim all
    /// the same, so it is no failure of the removal.
    async fn release_name(&self, key: &UserKey) {
        let Some(names) = &self.names else {
            return;
        };
        let released = async {
            match self.store.load(key).await? {
                // One that was created anew keeps its name.
                Some(record) if record.state == UserState::Removed => {
                    names.release(key, &record.username).await
                }
                Some(_) | None => Ok(()),
            }
        };
        if let Err(error) = released.await {
            tracing::warn!(%error, "a login name was not given back");
        }
    }

    async fn changeable(&self, key: &UserKey, change: StateChange) -> Result<Version, Error> {
        let record = self.load(key).await?.filter(exists);
        let record = record.ok_or(ErrorKind::StateRefused(StateRefusal::UserNotFound))?;
        match allowed(record.state, change) {
            Ok(()) => Ok(record.version),
            Err(refusal) => Err(ErrorKind::StateRefused(refusal).into()),
        }
    }

    pub(super) async fn view(&self, proof: &Authorized, user: &UserId) -> Result<UserView, Error> {
        let key = proof.covers(Permission::UserRead, user)?;
        let record = self.load(&key).await?.filter(exists);
        Ok(UserView::from(&record.ok_or(ErrorKind::UserNotFound)?))
    }

    pub(super) async fn page(
        &self,
        proof: &Authorized,
        user: &UserId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<EventPage, Error> {
        let key = proof.covers(Permission::UserRead, user)?;
        let mut query = EventQuery::user(key).with_limit(limit);
        query.after = after;
        Ok(self.store.events(&query).await?)
    }
}

const fn permission(change: StateChange) -> Permission {
    match change {
        StateChange::Remove => Permission::UserDelete,
        StateChange::Deactivate
        | StateChange::Lock
        | StateChange::Reactivate
        | StateChange::Unlock => Permission::UserWrite,
    }
}

const fn outcome(change: StateChange) -> (EventKind, UserState) {
    match change {
        StateChange::Deactivate => (EventKind::Deactivated, UserState::Inactive),
        StateChange::Lock => (EventKind::Locked, UserState::Locked),
        StateChange::Reactivate => (EventKind::Reactivated, UserState::Active),
        StateChange::Remove => (EventKind::Removed, UserState::Removed),
        StateChange::Unlock => (EventKind::Unlocked, UserState::Active),
    }
}

/// What ZITADEL allows from which state.
const fn allowed(state: UserState, change: StateChange) -> Result<(), StateRefusal> {
    match (change, state) {
        (_, UserState::Removed) => Err(StateRefusal::UserNotFound),
        (StateChange::Deactivate, UserState::Initial) => Err(StateRefusal::NotInitialised),
        (StateChange::Deactivate, UserState::Inactive) => Err(StateRefusal::AlreadyInactive),
        (StateChange::Lock, UserState::Inactive | UserState::Locked) => {
            Err(StateRefusal::NotActive)
        }
        (StateChange::Reactivate, UserState::Active | UserState::Initial | UserState::Locked) => {
            Err(StateRefusal::NotInactive)
        }
        (StateChange::Unlock, UserState::Active | UserState::Initial | UserState::Inactive) => {
            Err(StateRefusal::NotLocked)
        }
        _ => Ok(()),
    }
}

fn exists(record: &UserRecord) -> bool {
    record.state != UserState::Removed
}
