//! The trait that transports call.

mod answer;
mod request;
mod set;

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;

use crate::{
    authority::Authorized,
    code::ResetCode,
    details::ObjectDetails,
    error::Error,
    id::{OperationId, UserId},
    policy::{AgePolicy, ComplexityPolicy, LockoutPolicy},
    store::{Cursor, EventPage},
};

pub use answer::{Imported, InitialPassword, ResetRequested, UserView, Verified};
pub use request::{
    ChangePassword, ChangeState, CheckPassword, Evidence, ImportUser, ImportedPassword,
    IssueInitialPassword, RequestReset, StateChange,
};
pub use set::{SetInitialPassword, SetPassword};

/// What every example begins with: a user `alice` and an operator.
macro_rules! setup {
    () => {
        "# #[tokio::main(flavor = \"current_thread\")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
# use std::sync::Arc;
# use portcullis_core::{Argon2Params, Argon2id, Caller, Engine, MemoryStore, OrgId, OsRandom, OperationId};
# use portcullis_core::{Password, PasswordService, Permission, SetPassword, UserId, UserKey, UserStore, danger, store::{NewUser, UserKind}};
# let store = Arc::new(MemoryStore::new());
# let (acme, alice) = (OrgId::new(\"acme\")?, UserId::new(\"42\")?);
# let key = UserKey::new(acme.clone(), alice.clone());
# store.create(&NewUser::new(key, \"alice\", UserKind::Human, OperationId::random(&OsRandom)?)).await?;
# let hasher = Arc::new(Argon2id::new(Argon2Params::new(8, 1, 1)?));
# let service = Engine::builder(store).with_hasher(hasher).build()?;
# let prove = |permission, target| danger::assume(Caller::new(UserId::new(\"1\").unwrap(), None), acme.clone(), permission, target);
# let request = SetPassword::new(alice.clone(), Password::new(\"Secret-1234\".to_owned())?).with_must_change(false);
# service.set_password(&prove(Permission::UserWrite, \"42\"), request).await?;
"
    };
}

/// Sets and keeps the passwords of an identity server's users.
///
/// Every method takes proof of authority first; see [`Authorized`]. The one implementation is
/// [`Engine`](crate::Engine).
#[async_trait]
pub trait PasswordService: Debug + Send + Sync + 'static {
    /// Replaces a user's password, whatever it was.
    ///
    /// Locked and inactive users are allowed and stay what they are; failed attempts, waits and
    /// pending codes are cleared.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Argon2Params, Argon2id, Caller, Engine, MemoryStore, OrgId, OsRandom, OperationId};
    /// # use portcullis_core::{Permission, UserId, UserKey, UserStore, danger, store::{NewUser, UserKind}};
    /// # let store = Arc::new(MemoryStore::new());
    /// # let (acme, alice) = (OrgId::new("acme")?, UserId::new("42")?);
    /// # let key = UserKey::new(acme.clone(), alice.clone());
    /// # store.create(&NewUser::new(key, "alice", UserKind::Human, OperationId::random(&OsRandom)?)).await?;
    /// # let hasher = Arc::new(Argon2id::new(Argon2Params::new(8, 1, 1)?));
    /// # let service = Engine::builder(store).with_hasher(hasher).build()?;
    /// # let admin = Caller::new(UserId::new("1")?, None);
    /// # let proof = danger::assume(admin, acme, Permission::UserWrite, "42");
    /// use portcullis_core::{Password, PasswordService, SetPassword};
    /// let password = Password::new("Secret-1234".to_owned())?;
    /// let details = service.set_password(&proof, SetPassword::new(alice, password)).await?;
    /// assert_eq!(details.sequence, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind); each kind says whether anything was written.
    async fn set_password(
        &self,
        proof: &Authorized,
        request: SetPassword,
    ) -> Result<ObjectDetails, Error>;

    /// Sets a password that the user must change at the next login.
    ///
    /// ZITADEL has deprecated this call: use [`set_password`](Self::set_password) with
    /// [`with_must_change(true)`](SetPassword::with_must_change) instead, which does the same.
    /// In spite of its name it does not initialise a user (contract section 2.3).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Argon2Params, Argon2id, Caller, Engine, MemoryStore, OrgId, OsRandom, OperationId};
    /// # use portcullis_core::{Permission, UserId, UserKey, UserStore, danger, store::{NewUser, UserKind}};
    /// # let store = Arc::new(MemoryStore::new());
    /// # let (acme, alice) = (OrgId::new("acme")?, UserId::new("42")?);
    /// # let key = UserKey::new(acme.clone(), alice.clone());
    /// # store.create(&NewUser::new(key, "alice", UserKind::Human, OperationId::random(&OsRandom)?)).await?;
    /// # let hasher = Arc::new(Argon2id::new(Argon2Params::new(8, 1, 1)?));
    /// # let service = Engine::builder(store).with_hasher(hasher).build()?;
    /// # let admin = Caller::new(UserId::new("1")?, None);
    /// # let proof = danger::assume(admin, acme, Permission::UserWrite, "42");
    /// use portcullis_core::{Password, PasswordService, SetInitialPassword};
    /// let password = Password::new("Secret-1234".to_owned())?;
    /// let request = SetInitialPassword::new(alice, password);
    /// assert_eq!(service.set_initial_password(&proof, request).await?.sequence, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind); each kind says whether anything was written.
    async fn set_initial_password(
        &self,
        proof: &Authorized,
        request: SetInitialPassword,
    ) -> Result<ObjectDetails, Error>;

    /// What an earlier call under this operation id wrote to `user`, if it wrote anything.
    ///
    /// Asks for [`Permission::UserRead`](crate::Permission::UserRead).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Caller, Engine, MemoryStore, OrgId, Permission, UserId, danger};
    /// # let service = Engine::builder(Arc::new(MemoryStore::new())).build()?;
    /// # let (acme, alice) = (OrgId::new("acme")?, UserId::new("42")?);
    /// # let admin = Caller::new(UserId::new("1")?, None);
    /// # let proof = danger::assume(admin, acme, Permission::UserRead, "42");
    /// use portcullis_core::{OperationId, PasswordService};
    /// let id: OperationId = "000102030405060708090a0b0c0d0e0f".parse()?;
    /// assert_eq!(service.operation(&proof, &alice, id).await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or the proof is about something else.
    async fn operation(
        &self,
        proof: &Authorized,
        user: &UserId,
        operation: OperationId,
    ) -> Result<Option<ObjectDetails>, Error>;

    /// Checks a password, within the user's budget of guesses.
    ///
    /// Asks for [`Permission::SessionWrite`](crate::Permission::SessionWrite): it is a login that checks
    /// a password on a user's behalf.
    ///
    /// ```
    #[doc = setup!()]
    /// use portcullis_core::{CheckPassword, ErrorKind, Refusal};
    /// let proof = prove(Permission::SessionWrite, "42");
    /// let guess = |text: &str| Password::new(text.to_owned()).map(|p| CheckPassword::new(alice.clone(), p));
    /// let verified = service.check_password(&proof, guess("Secret-1234")?).await?;
    /// assert!(!verified.must_change);
    /// let refused = service.check_password(&proof, guess("Secret-4321")?).await.unwrap_err();
    /// assert_eq!(*refused.kind(), ErrorKind::Refused(Refusal::WrongPassword { failures: 1 }));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refused`](crate::ErrorKind::Refused) if the password is not accepted, for whatever reason;
    /// [`TooManyAttempts`](crate::ErrorKind::TooManyAttempts) if nothing was compared. No other error
    /// is a wrong password.
    async fn check_password(
        &self,
        proof: &Authorized,
        request: CheckPassword,
    ) -> Result<Verified, Error>;

    /// Changes a password, by the current one or by a code.
    ///
    /// Asks for [`Permission::UserWrite`](crate::Permission::UserWrite), or for
    /// [`Permission::Authenticated`](crate::Permission::Authenticated) where the caller is the user. The
    /// new password is checked against the policy before anything else, so a refused one leaves a code
    /// alive and costs no attempt. By a code it works for locked users, too; they stay locked.
    ///
    /// ```
    #[doc = setup!()]
    /// use portcullis_core::{ChangePassword, Evidence};
    /// let current = Evidence::Password(Password::new("Secret-1234".to_owned())?);
    /// let request = ChangePassword::new(alice, current, Password::new("Secret-5678".to_owned())?);
    /// let proof = prove(Permission::UserWrite, "42");
    /// assert!(service.change_password(&proof, request).await?.sequence > 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`check_password`](Self::check_password), and as [`set_password`](Self::set_password).
    /// [`PasswordUnchanged`](crate::ErrorKind::PasswordUnchanged) if the two passwords are one.
    /// [`Conflict`](crate::ErrorKind::Conflict) if the current password was changed meanwhile.
    async fn change_password(
        &self,
        proof: &Authorized,
        request: ChangePassword,
    ) -> Result<ObjectDetails, Error>;

    /// Issues a code by which the user can set a new password. Older codes are void.
    ///
    /// Asks for [`Permission::UserWrite`](crate::Permission::UserWrite). The event
    /// `user.human.password.code.added` goes into the outbox; whoever delivers it makes the code again
    /// with [`reset_code`](Self::reset_code). No code is part of any URL or text made here.
    ///
    /// ```
    #[doc = setup!()]
    /// use portcullis_core::RequestReset;
    /// let proof = prove(Permission::UserWrite, "42");
    /// let request = RequestReset::new(alice).with_return_code(true);
    /// let code = service.request_reset(&proof, request).await?.code.ok_or("no code")?;
    /// assert_eq!(code.expose().len(), 10);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ResetRefused`](crate::ErrorKind::ResetRefused) where there is nobody to reset, unless the
    /// service answers [uniformly](crate::AnswerMode::Uniform).
    async fn request_reset(
        &self,
        proof: &Authorized,
        request: RequestReset,
    ) -> Result<ResetRequested, Error>;

    /// The code that an operation issued, for whoever delivers it.
    ///
    /// Asks for [`Permission::UserWrite`](crate::Permission::UserWrite). The service that delivers needs
    /// the key of the one that issued, see
    /// [`with_code_key`](crate::EngineBuilder::with_code_key).
    ///
    /// ```
    #[doc = setup!()]
    /// use portcullis_core::{Operation, RequestReset};
    /// let proof = prove(Permission::UserWrite, "42");
    /// let id = OperationId::random(&OsRandom)?;
    /// let request = RequestReset::new(alice.clone()).with_operation(Operation::Given(id));
    /// service.request_reset(&proof, request).await?;
    /// assert_eq!(service.reset_code(&proof, &alice, id).await?.expose().len(), 10);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refused`](crate::ErrorKind::Refused) if it is not the pending code.
    async fn reset_code(
        &self,
        proof: &Authorized,
        user: &UserId,
        operation: OperationId,
    ) -> Result<ResetCode, Error>;

    /// Sets a password that is made up here, meets the policy, and must be changed at the next login.
    ///
    /// Asks for [`Permission::UserWrite`](crate::Permission::UserWrite). If it is not changed, it is void
    /// after the time that the organisation's [`AgePolicy`] sets.
    ///
    /// ```
    #[doc = setup!()]
    /// use portcullis_core::IssueInitialPassword;
    /// let proof = prove(Permission::UserWrite, "42");
    /// let issued = service.issue_initial_password(&proof, IssueInitialPassword::new(alice)).await?;
    /// assert!(issued.password.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set_password`](Self::set_password).
    async fn issue_initial_password(
        &self,
        proof: &Authorized,
        request: IssueInitialPassword,
    ) -> Result<InitialPassword, Error>;

    /// Locks, unlocks, deactivates, reactivates or removes a user.
    ///
    /// Asks for [`Permission::UserWrite`](crate::Permission::UserWrite), for a removal
    /// [`Permission::UserDelete`](crate::Permission::UserDelete).
    ///
    /// ```
    #[doc = setup!()]
    /// use portcullis_core::{ChangeState, StateChange};
    /// let proof = prove(Permission::UserWrite, "42");
    /// let locked = service.change_state(&proof, ChangeState::new(alice, StateChange::Lock)).await?;
    /// assert_eq!(locked.sequence, 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StateRefused`](crate::ErrorKind::StateRefused) where the state does not allow it.
    async fn change_state(
        &self,
        proof: &Authorized,
        request: ChangeState,
    ) -> Result<ObjectDetails, Error>;

    /// Creates a human, with a password or a hash of one that was made elsewhere.
    ///
    /// Asks for [`Permission::UserWrite`](crate::Permission::UserWrite) in the organisation. The id is
    /// made from the operation's.
    ///
    /// ```
    #[doc = setup!()]
    /// use portcullis_core::{ImportUser, ImportedPassword};
    /// let password = Password::new("Secret-1234".to_owned())?;
    /// let request = ImportUser::new("bob", ImportedPassword::Password(password));
    /// let imported = service.import_user(&prove(Permission::UserWrite, ""), request).await?;
    /// assert_eq!(imported.details.sequence, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`UserExists`](crate::ErrorKind::UserExists) if the login name belongs to another user; that is
    /// known where the engine [has documents](crate::EngineBuilder::with_documents).
    async fn import_user(&self, proof: &Authorized, request: ImportUser)
    -> Result<Imported, Error>;

    /// Reads one user. Asks for [`Permission::UserRead`](crate::Permission::UserRead).
    ///
    /// ```
    #[doc = setup!()]
    /// let view = service.user(&prove(Permission::UserRead, "42"), &alice).await?;
    /// assert!(view.has_password && view.details.creation_date.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`UserNotFound`](crate::ErrorKind::UserNotFound) if there is none, or it was removed.
    async fn user(&self, proof: &Authorized, user: &UserId) -> Result<UserView, Error>;

    /// One user's events, in order. Asks for [`Permission::UserRead`](crate::Permission::UserRead).
    ///
    /// ```
    #[doc = setup!()]
    /// let page = service.changes(&prove(Permission::UserRead, "42"), &alice, None, 10).await?;
    /// assert_eq!(page.events.len(), 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    async fn changes(
        &self,
        proof: &Authorized,
        user: &UserId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<EventPage, Error>;

    /// What new passwords must be made of in the organisation of the proof.
    ///
    /// Asks for [`Permission::PolicyRead`](crate::Permission::PolicyRead), or for
    /// [`Permission::Authenticated`](crate::Permission::Authenticated) where it is the caller's own.
    ///
    /// ```
    #[doc = setup!()]
    /// let proof = prove(Permission::PolicyRead, "");
    /// assert_eq!(service.complexity_policy(&proof).await?.min_length, 8);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the policy cannot be read.
    async fn complexity_policy(&self, proof: &Authorized) -> Result<ComplexityPolicy, Error>;

    /// How old passwords may become in the organisation of the proof.
    ///
    /// Asks for [`Permission::PolicyRead`](crate::Permission::PolicyRead), or for
    /// [`Permission::Authenticated`](crate::Permission::Authenticated) where it is the caller's own.
    ///
    /// ```
    #[doc = setup!()]
    /// let proof = prove(Permission::PolicyRead, "");
    /// assert_eq!(service.age_policy(&proof).await?.max_days, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the policy cannot be read.
    async fn age_policy(&self, proof: &Authorized) -> Result<AgePolicy, Error>;

    /// How many wrong answers an account of the organisation stands.
    ///
    /// Asks for [`Permission::PolicyRead`](crate::Permission::PolicyRead), or for
    /// [`Permission::Authenticated`](crate::Permission::Authenticated) where it is the caller's own.
    ///
    /// ```
    #[doc = setup!()]
    /// let proof = prove(Permission::PolicyRead, "");
    /// assert_eq!(service.lockout_policy(&proof).await?.max_attempts, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the policy cannot be read.
    async fn lockout_policy(&self, proof: &Authorized) -> Result<LockoutPolicy, Error>;
}

/// How long a call may retry lost races unless the caller says otherwise.
pub(crate) const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(10);
