//! What the methods of [`PasswordService`](crate::PasswordService) answer.

use crate::{
    clock::Timestamp,
    code::ResetCode,
    details::ObjectDetails,
    id::UserId,
    policy::Expiry,
    secret::Password,
    store::{UserKind, UserRecord, UserState, Version},
};

/// The password was right, and this is what the application has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Verified {
    /// Whether the user must change the password before anything else.
    pub must_change: bool,
    /// Whether it has expired, or soon will. An expired one must be changed, too.
    pub expiry: Expiry,
    /// Whether its hash was made anew.
    pub rehashed: bool,
    /// Sessions that were begun in another epoch are void.
    pub epoch: u64,
    /// Moves with every change of the credential or the state.
    pub version: Version,
    /// When the password was set.
    pub changed: Option<Timestamp>,
}

/// A reset code was issued.
#[derive(Debug)]
#[non_exhaustive]
pub struct ResetRequested {
    /// Of the event that issued it. In [`Uniform`](crate::AnswerMode::Uniform) the sequence is 0
    /// for everybody.
    pub details: ObjectDetails,
    /// The code, if the caller asked for it.
    pub code: Option<ResetCode>,
}

/// An initial password was set.
#[derive(Debug)]
#[non_exhaustive]
pub struct InitialPassword {
    /// Of the event that set it.
    pub details: ObjectDetails,
    /// The password. None if the same operation set it before: it is not kept anywhere.
    pub password: Option<Password>,
}

/// A user as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserView {
    /// The name that the user goes by.
    pub username: String,
    /// Person or machine.
    pub kind: UserKind,
    /// The state.
    pub state: UserState,
    /// With the creation date, as reads have it.
    pub details: ObjectDetails,
    /// Whether a password is set.
    pub has_password: bool,
    /// Whether the user must change it at the next login.
    pub must_change: bool,
    /// Moves when a password is changed, and ends the sessions that an older one began.
    pub epoch: u64,
    /// When the password was last set or changed, if ever.
    pub password_changed: Option<Timestamp>,
    /// Settled failures.
    pub failures: u32,
}

impl From<&UserRecord> for UserView {
    fn from(record: &UserRecord) -> Self {
        let owner = record.key.organisation().clone();
        let mut details = ObjectDetails::written(record.sequence, record.changed, owner);
        details.creation_date = Some(record.created);
        Self {
            username: record.username.clone(),
            kind: record.kind,
            state: record.state,
            details,
            has_password: record.credential.hash.digest().is_some(),
            must_change: record.credential.must_change,
            epoch: record.epoch,
            password_changed: record.credential.changed,
            failures: record.failures,
        }
    }
}

/// A user who was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// The id that it was given.
    pub user: UserId,
    /// What was written.
    pub details: ObjectDetails,
}
