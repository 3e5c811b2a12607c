//! The trait that transports call.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;

use crate::{
    authority::Authorized,
    details::ObjectDetails,
    error::Error,
    id::{Operation, OperationId, UserId},
    secret::Password,
};

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
}

/// How long a call may retry lost races unless the caller says otherwise.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(10);

/// What [`PasswordService::set_password`] is asked for.
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

/// What [`PasswordService::set_initial_password`] is asked for.
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
