//! What the methods of [`PasswordService`](crate::PasswordService) are asked for beyond setting a
//! password.

use std::time::Duration;

use super::DEFAULT_TIME_LIMIT;
use crate::{
    code::ResetCode,
    hash_string::HashString,
    id::{Operation, UserId},
    secret::Password,
};

/// Gives a request the two options that every mutation has.
macro_rules! mutation_options {
    ($name:ident) => {
        impl $name {
            /// Names the call, so that it can be repeated and looked up. Otherwise it gets a fresh
            /// id.
            #[must_use]
            pub fn with_operation(mut self, operation: Operation) -> Self {
                self.operation = Some(operation);
                self
            }

            /// How long lost races are retried.
            #[must_use]
            pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
                self.time_limit = time_limit;
                self
            }
        }
    };
}

/// What [`check_password`](crate::PasswordService::check_password) is asked for.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckPassword {
    /// Whose password.
    pub user: UserId,
    /// What the user typed.
    pub password: Password,
}

impl CheckPassword {
    /// A guess, as far as anybody knows.
    ///
    /// ```
    /// use portcullis_core::{CheckPassword, Password, UserId};
    /// let password = Password::new("Secret-1234".to_owned())?;
    /// let request = CheckPassword::new(UserId::new("42")?, password);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(user: UserId, password: Password) -> Self {
        Self { user, password }
    }
}

/// By what a user shows that a password may be changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Evidence {
    /// A code that [`request_reset`](crate::PasswordService::request_reset) issued.
    Code(ResetCode),
    /// The current password.
    Password(Password),
}

/// What [`change_password`](crate::PasswordService::change_password) is asked for.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChangePassword {
    /// Whose password.
    pub user: UserId,
    /// The current password, or a code.
    pub evidence: Evidence,
    /// The new password.
    pub password: Password,
    /// Whether the user must change it at the next login.
    pub must_change: bool,
    /// The name of this call, if the caller gave or made one.
    pub operation: Option<Operation>,
    /// How long lost races are retried.
    pub time_limit: Duration,
}

impl ChangePassword {
    /// A password that its user chose, so that it need not be changed.
    ///
    /// ```
    /// use portcullis_core::{ChangePassword, Evidence, Password, ResetCode, UserId};
    /// let evidence = Evidence::Code(ResetCode::new("K7MPQ2RSTA".to_owned())?);
    /// let password = Password::new("Secret-5678".to_owned())?;
    /// let request = ChangePassword::new(UserId::new("42")?, evidence, password);
    /// assert!(!request.must_change);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(user: UserId, evidence: Evidence, password: Password) -> Self {
        Self {
            user,
            evidence,
            password,
            must_change: false,
            operation: None,
            time_limit: DEFAULT_TIME_LIMIT,
        }
    }

    /// Whether the user must change it at the next login.
    #[must_use]
    pub const fn with_must_change(mut self, must_change: bool) -> Self {
        self.must_change = must_change;
        self
    }
}

mutation_options!(ChangePassword);

/// What [`request_reset`](crate::PasswordService::request_reset) is asked for.
#[derive(Debug)]
#[non_exhaustive]
pub struct RequestReset {
    /// Who forgot a password.
    pub user: UserId,
    /// Whether the caller delivers the code. Otherwise whoever reads the outbox does.
    pub return_code: bool,
    /// The name of this call, if the caller gave or made one.
    pub operation: Option<Operation>,
    /// How long lost races are retried.
    pub time_limit: Duration,
}

impl RequestReset {
    /// A code that is delivered by whoever reads the outbox.
    ///
    /// ```
    /// use portcullis_core::{RequestReset, UserId};
    /// let request = RequestReset::new(UserId::new("42")?).with_return_code(true);
    /// assert!(request.return_code);
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    #[must_use]
    pub const fn new(user: UserId) -> Self {
        Self {
            user,
            return_code: false,
            operation: None,
            time_limit: DEFAULT_TIME_LIMIT,
        }
    }

    /// Whether the caller delivers the code.
    #[must_use]
    pub const fn with_return_code(mut self, return_code: bool) -> Self {
        self.return_code = return_code;
        self
    }
}

mutation_options!(RequestReset);

/// What [`issue_initial_password`](crate::PasswordService::issue_initial_password) is asked for.
#[derive(Debug)]
#[non_exhaustive]
pub struct IssueInitialPassword {
    /// Whose password.
    pub user: UserId,
    /// The name of this call, if the caller gave or made one.
    pub operation: Option<Operation>,
    /// How long lost races are retried.
    pub time_limit: Duration,
}

impl IssueInitialPassword {
    /// A password that is made up for this user.
    ///
    /// ```
    /// use portcullis_core::{IssueInitialPassword, UserId};
    /// let request = IssueInitialPassword::new(UserId::new("42")?);
    /// assert!(request.operation.is_none());
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    #[must_use]
    pub const fn new(user: UserId) -> Self {
        Self {
            user,
            operation: None,
            time_limit: DEFAULT_TIME_LIMIT,
        }
    }
}

mutation_options!(IssueInitialPassword);

/// What becomes of a user's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateChange {
    /// Nobody logs in as this user until it is reactivated.
    Deactivate,
    /// Nobody logs in as this user until it is unlocked.
    Lock,
    /// An inactive user becomes active.
    Reactivate,
    /// The user, its password and its codes are gone for good.
    Remove,
    /// A locked user becomes active, and its failures are forgotten.
    Unlock,
}

/// What [`change_state`](crate::PasswordService::change_state) is asked for.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChangeState {
    /// Whose state.
    pub user: UserId,
    /// What becomes of it.
    pub change: StateChange,
    /// The name of this call, if the caller gave or made one.
    pub operation: Option<Operation>,
    /// How long lost races are retried.
    pub time_limit: Duration,
}

impl ChangeState {
    /// Changes one user's state.
    ///
    /// ```
    /// use portcullis_core::{ChangeState, StateChange, UserId};
    /// let request = ChangeState::new(UserId::new("42")?, StateChange::Lock);
    /// assert!(request.operation.is_none());
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    #[must_use]
    pub const fn new(user: UserId, change: StateChange) -> Self {
        Self {
            user,
            change,
            operation: None,
            time_limit: DEFAULT_TIME_LIMIT,
        }
    }
}

mutation_options!(ChangeState);

/// What an imported user logs in with.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportedPassword {
    /// A hash that another system made, or this one.
    Hash(HashString),
    /// Nothing yet.
    None,
    /// A password, which has to meet the policy.
    Password(Password),
}

/// Creates a human.
#[derive(Debug)]
#[non_exhaustive]
pub struct ImportUser {
    /// The name to log in with.
    pub username: String,
    /// What to log in with.
    pub password: ImportedPassword,
    /// Whether the password has to be changed at the next login.
    pub must_change: bool,
    /// Names the call, so that it can be repeated safely. One is made up where it is absent.
    pub operation: Option<Operation>,
    /// How long the call may take, in waiting for others.
    pub time_limit: Duration,
}

impl ImportUser {
    /// A human who may keep the password.
    ///
    /// ```
    /// use portcullis_core::{ImportUser, ImportedPassword};
    /// let request = ImportUser::new("alice", ImportedPassword::None);
    /// assert!(!request.must_change);
    /// ```
    #[must_use]
    pub fn new(username: impl Into<String>, password: ImportedPassword) -> Self {
        Self {
            username: username.into(),
            password,
            must_change: false,
            operation: None,
            time_limit: DEFAULT_TIME_LIMIT,
        }
    }

    /// Whether the password has to be changed at the next login.
    #[must_use]
    pub const fn with_must_change(mut self, must_change: bool) -> Self {
        self.must_change = must_change;
        self
    }
}

mutation_options!(ImportUser);
