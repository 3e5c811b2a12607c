//! What setting a password is asked for.

use std::time::Duration;

use super::DEFAULT_TIME_LIMIT;
use crate::{
    id::{Operation, UserId},
    secret::Password,
};

/// What [`set_password`](crate::PasswordService::set_password) is asked for.
#[derive(Debug)]
#[non_exhaustive]
pub struct SetPassword {
    /// Whose password.
    pub user: UserId,
    /// The new password.
    pub password: Password,
    /// Whether the user must change it at the next login.
    pub must_change: bool,
    /// The name of this call, if the caller gave or made one.
    pub operation: Option<Operation>,
    /// How long lost races are retried.
    pub time_limit: Duration,
}

impl SetPassword {
    /// A password that must be changed at the next login, as in ZITADEL: whoever else knows a
    /// password should not know it for long.
    ///
    /// ```
    /// use portcullis_core::{Password, SetPassword, UserId};
    /// let password = Password::new("Secret-1234".to_owned())?;
    /// let request = SetPassword::new(UserId::new("42")?, password).with_must_change(false);
    /// assert!(!request.must_change);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(user: UserId, password: Password) -> Self {
        Self {
            user,
            password,
            must_change: true,
            operation: None,
            time_limit: DEFAULT_TIME_LIMIT,
        }
    }

    /// Whether the user must change it at the next login.
    #[must_use]
    pub fn with_must_change(mut self, must_change: bool) -> Self {
        self.must_change = must_change;
        self
    }

    /// Names the call, so that it can be repeated and looked up. Otherwise it gets a fresh id.
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

/// What [`set_initial_password`](crate::PasswordService::set_initial_password) is asked for.
#[derive(Debug)]
#[non_exhaustive]
pub struct SetInitialPassword {
    /// Whose password.
    pub user: UserId,
    /// The new password.
    pub password: Password,
    /// The name of this call, if the caller gave or made one.
    pub operation: Option<Operation>,
    /// How long lost races are retried.
    pub time_limit: Duration,
}

impl SetInitialPassword {
    /// A password that must be changed at the next login.
    ///
    /// ```
    /// use portcullis_core::{Password, SetInitialPassword, UserId};
    /// let password = Password::new("Secret-1234".to_owned())?;
    /// let request = SetInitialPassword::new(UserId::new("42")?, password);
    /// assert!(request.operation.is_none());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(user: UserId, password: Password) -> Self {
        Self {
            user,
            password,
            operation: None,
            time_limit: DEFAULT_TIME_LIMIT,
        }
    }

    /// Names the call, so that it can be repeated and looked up. Otherwise it gets a fresh id.
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
