//! Sessions: what was checked of a user, and when, until it ends.

mod checks;
mod sessions;
mod stored;
mod token;

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    authority::Authorized,
    clock::Timestamp,
    details::ObjectDetails,
    error::Error,
    id::{Operation, UserId},
    secret::Password,
    service::DEFAULT_TIME_LIMIT,
};

pub use sessions::Sessions;
pub use token::SessionToken;

/// Begins a session. Without a user it has checked nothing yet.
#[derive(Debug)]
#[non_exhaustive]
pub struct CreateSession {
    /// Whose it is.
    pub user: Option<UserId>,
    /// The login name that the user was found by.
    pub login_name: Option<String>,
    /// The password to check.
    pub password: Option<Password>,
    /// How long it lasts; for ever if none.
    pub lifetime: Option<Duration>,
    /// Names the call, so that it can be repeated safely. One is made up where it is absent.
    pub operation: Option<Operation>,
    /// How long lost races are retried.
    pub time_limit: Duration,
}

/// Nothing to check, for as long as nobody ends it.
impl Default for CreateSession {
    fn default() -> Self {
        Self {
            user: None,
            login_name: None,
            password: None,
            lifetime: None,
            operation: None,
            time_limit: DEFAULT_TIME_LIMIT,
        }
    }
}

/// Adds checks to a session.
#[derive(Debug)]
#[non_exhaustive]
pub struct SetSession {
    /// Which.
    pub session: String,
    /// Its token; needed by everybody but who began it.
    pub token: Option<SessionToken>,
    /// What to add.
    pub add: CreateSession,
}

impl SetSession {
    /// Adds `add` to a session.
    ///
    /// ```
    /// use portcullis_core::{CreateSession, SetSession};
    /// let request = SetSession::new("17", None, CreateSession::default());
    /// assert_eq!(request.session, "17");
    /// ```
    #[must_use]
    pub fn new(
        session: impl Into<String>,
        token: Option<SessionToken>,
        add: CreateSession,
    ) -> Self {
        Self {
            session: session.into(),
            token,
            add,
        }
    }
}

/// A session that was begun or added to.
#[derive(Debug)]
#[non_exhaustive]
pub struct SessionIssued {
    /// Its id.
    pub session: String,
    /// Its token from now on. None where the call was repeated: it is handed out once.
    pub token: Option<SessionToken>,
    /// What was written.
    pub details: ObjectDetails,
}

/// What was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionView {
    /// Its id.
    pub session: String,
    /// What was written last.
    pub details: ObjectDetails,
    /// Whose it is, and when that was said.
    pub user: Option<(UserId, Timestamp)>,
    /// The login name that the user was found by.
    pub login_name: Option<String>,
    /// When the password was found right. None once the password has been changed since.
    pub password: Option<Timestamp>,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// Keeps sessions. [`Sessions`] is the one implementation.
///
/// Every method asks for [`Permission::SessionWrite`](crate::Permission::SessionWrite): over the session's user where it is about
/// one, otherwise over the organisation.
#[async_trait]
pub trait SessionService: std::fmt::Debug + Send + Sync + 'static {
    /// The user of a login name, in the organisation of the proof.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Caller, Engine, MemoryStore, OrgId, Permission, SystemClock, UserId, danger};
    /// # let store = Arc::new(MemoryStore::new());
    /// # let engine = Arc::new(Engine::builder(store.clone()).build()?);
    /// # let clock = Arc::new(SystemClock::new());
    /// # let caller = Caller::new(UserId::new("1")?, None);
    /// use portcullis_core::{SessionService, Sessions};
    /// let sessions = Sessions::new(engine, store.clone(), store, clock);
    /// let proof = danger::assume(caller, OrgId::new("acme")?, Permission::SessionWrite, "");
    /// assert!(sessions.find_user(&proof, "nobody").await.is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`UserNotFound`](crate::ErrorKind::UserNotFound), unless answers are uniform: then there is an id
    /// that nobody has.
    async fn find_user(&self, proof: &Authorized, login_name: &str) -> Result<UserId, Error>;

    /// Begins a session, if every check is passed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Caller, Engine, MemoryStore, OrgId, Permission, SystemClock, UserId, danger};
    /// # let store = Arc::new(MemoryStore::new());
    /// # let engine = Arc::new(Engine::builder(store.clone()).build()?);
    /// # let clock = Arc::new(SystemClock::new());
    /// # let caller = Caller::new(UserId::new("1")?, None);
    /// use portcullis_core::{CreateSession, SessionService, Sessions};
    /// let sessions = Sessions::new(engine, store.clone(), store, clock);
    /// let proof = danger::assume(caller, OrgId::new("acme")?, Permission::SessionWrite, "");
    /// let issued = sessions.create_session(&proof, CreateSession::default()).await?;
    /// assert!(issued.token.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`check_password`](crate::PasswordService::check_password); nothing is written then.
    async fn create_session(
        &self,
        proof: &Authorized,
        request: CreateSession,
    ) -> Result<SessionIssued, Error>;

    /// Whose a session is, for the one who is to be asked about that user. The proof is about the
    /// organisation.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Caller, Engine, MemoryStore, OrgId, Permission, SystemClock, UserId, danger};
    /// # let store = Arc::new(MemoryStore::new());
    /// # let engine = Arc::new(Engine::builder(store.clone()).build()?);
    /// # let clock = Arc::new(SystemClock::new());
    /// # let caller = Caller::new(UserId::new("1")?, None);
    /// # use portcullis_core::{CreateSession, SessionService, Sessions};
    /// let sessions = Sessions::new(engine, store.clone(), store, clock);
    /// let proof = danger::assume(caller, OrgId::new("acme")?, Permission::SessionWrite, "");
    /// let issued = sessions.create_session(&proof, CreateSession::default()).await?;
    /// assert_eq!(sessions.session_user(&proof, &issued.session).await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionRefused`](crate::ErrorKind::SessionRefused) if there is no such session.
    async fn session_user(
        &self,
        proof: &Authorized,
        session: &str,
    ) -> Result<Option<UserId>, Error>;

    /// Adds checks to a session. Its token is another from then on.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Caller, Engine, MemoryStore, OrgId, Permission, SystemClock, UserId, danger};
    /// # let store = Arc::new(MemoryStore::new());
    /// # let engine = Arc::new(Engine::builder(store.clone()).build()?);
    /// # let clock = Arc::new(SystemClock::new());
    /// # let caller = Caller::new(UserId::new("1")?, None);
    /// # use portcullis_core::{CreateSession, SessionService, Sessions};
    /// use portcullis_core::SetSession;
    /// let sessions = Sessions::new(engine, store.clone(), store, clock);
    /// let proof = danger::assume(caller, OrgId::new("acme")?, Permission::SessionWrite, "");
    /// let issued = sessions.create_session(&proof, CreateSession::default()).await?;
    /// let request = SetSession::new(issued.session, issued.token, CreateSession::default());
    /// assert_eq!(sessions.set_session(&proof, request).await?.details.sequence, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create_session`](Self::create_session), and
    /// [`SessionRefused`](crate::ErrorKind::SessionRefused). Whoever loses a race is told so where
    /// the token went stale by it; otherwise it is tried again, without another check.
    async fn set_session(
        &self,
        proof: &Authorized,
        request: SetSession,
    ) -> Result<SessionIssued, Error>;

    /// Reads a session.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Caller, Engine, MemoryStore, OrgId, Permission, SystemClock, UserId, danger};
    /// # let store = Arc::new(MemoryStore::new());
    /// # let engine = Arc::new(Engine::builder(store.clone()).build()?);
    /// # let clock = Arc::new(SystemClock::new());
    /// # let caller = Caller::new(UserId::new("1")?, None);
    /// # use portcullis_core::{CreateSession, SessionService, Sessions};
    /// let sessions = Sessions::new(engine, store.clone(), store, clock);
    /// let proof = danger::assume(caller, OrgId::new("acme")?, Permission::SessionWrite, "");
    /// let issued = sessions.create_session(&proof, CreateSession::default()).await?;
    /// let view = sessions.session(&proof, &issued.session, issued.token).await?;
    /// assert_eq!(view.password, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionRefused`](crate::ErrorKind::SessionRefused).
    async fn session(
        &self,
        proof: &Authorized,
        session: &str,
        token: Option<SessionToken>,
    ) -> Result<SessionView, Error>;

    /// Ends a session. Ending one that is not there is no error.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Caller, Engine, MemoryStore, OrgId, Permission, SystemClock, UserId, danger};
    /// # let store = Arc::new(MemoryStore::new());
    /// # let engine = Arc::new(Engine::builder(store.clone()).build()?);
    /// # let clock = Arc::new(SystemClock::new());
    /// # let caller = Caller::new(UserId::new("1")?, None);
    /// # use portcullis_core::{CreateSession, SessionService, Sessions};
    /// let sessions = Sessions::new(engine, store.clone(), store, clock);
    /// let proof = danger::assume(caller, OrgId::new("acme")?, Permission::SessionWrite, "");
    /// let issued = sessions.create_session(&proof, CreateSession::default()).await?;
    /// sessions.end_session(&proof, &issued.session, None).await?;
    /// assert!(sessions.session(&proof, &issued.session, None).await.is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionRefused`](crate::ErrorKind::SessionRefused) if the token is not its own.
    async fn end_session(
        &self,
        proof: &Authorized,
        session: &str,
        token: Option<SessionToken>,
    ) -> Result<ObjectDetails, Error>;
}
