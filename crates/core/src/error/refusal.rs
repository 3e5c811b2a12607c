//! Why something that could be done is not done for this caller.

/// Why a policy is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyRefusal {
    /// The organisation has one of its own already.
    Exists,
    /// The organisation has none of its own that could be changed.
    NotFound,
    /// The organisation has none of its own that could be reset.
    NotFoundToReset,
    /// It says so already.
    Unchanged,
}

/// Why a session is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionRefusal {
    /// A password is to be checked, and nobody has said whose.
    NoUser,
    /// There is none, or it has ended.
    NotFound,
    /// The token is not the session's.
    TokenInvalid,
    /// It is another user's session already.
    UserDiffers,
}

/// Why a password or code was not accepted.
///
/// Outside, most of this is nobody's business: see [`AnswerMode`](crate::AnswerMode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The code is not the pending one, or void.
    CodeInvalid,
    /// The stored hash cannot be read: neither a match nor a mismatch.
    HashUnreadable,
    /// The password had to be changed and was not, until it became void.
    InitialPasswordVoid,
    /// The user is locked, or has too many failures behind it.
    Locked {
        /// Settled failures.
        failures: u32,
    },
    /// The user was locked after its password had been found right.
    LockedMeanwhile,
    /// No password is set.
    PasswordNotSet,
    /// No password is set that could be changed.
    PasswordNotSetToChange,
    /// The user is deactivated.
    UserInactive,
    /// No such human in this organisation; machines and removed users included.
    UserNotFound,
    /// The user has not been initialised yet.
    UserNotInitialised,
    /// The password is wrong.
    WrongPassword {
        /// Settled failures, this one included.
        failures: u32,
    },
}

impl Refusal {
    /// The label in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CodeInvalid => "code_invalid",
            Self::HashUnreadable => "hash_unreadable",
            Self::InitialPasswordVoid => "initial_password_void",
            Self::Locked { .. } | Self::LockedMeanwhile => "locked",
            Self::PasswordNotSet | Self::PasswordNotSetToChange => "password_not_set",
            Self::UserInactive => "user_inactive",
            Self::UserNotFound => "user_not_found",
            Self::UserNotInitialised => "user_not_initialised",
            Self::WrongPassword { .. } => "wrong_password",
        }
    }
}

/// Why no reset code is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetRefusal {
    /// No such human in this organisation; machines and removed users included.
    UserNotFound,
    /// The user has not been initialised yet.
    UserNotInitialised,
}

/// Why a user's state stays what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateRefusal {
    /// It is inactive already.
    AlreadyInactive,
    /// Only active and initial users can be locked.
    NotActive,
    /// It is not inactive.
    NotInactive,
    /// It is not locked.
    NotLocked,
    /// It has not been initialised yet.
    NotInitialised,
    /// There is no such user, or it was removed.
    UserNotFound,
}
