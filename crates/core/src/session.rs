//! Sessions: what was checked of a user, and when, until it ends.

mod stored;
mod token;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    authority::{Authorized, Permission},
    clock::{Clock, Timestamp},
    details::ObjectDetails,
    error::{Error, ErrorKind, SessionRefusal},
    id::{Operation, OperationId, OrgId, UserId, UserKey},
    login_name::LoginNames,
    random::{OsRandom, RandomSource},
    secret::Password,
    service::{CheckPassword, PasswordService},
    status::AnswerMode,
    store::{DocumentStore, UserRecord, UserState, UserStore},
};

use stored::{Found, Stored};
pub use token::SessionToken;

/// Begins a session. Without a user it has checked nothing yet.
#[derive(Debug, Default)]
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
/// Every method asks for [`Permission::SessionWrite`]: over the session's user where it is about
/// one, otherwise over the organisation.
#[async_trait]
pub trait SessionService: fmt::Debug + Send + Sync + 'static {
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
    /// [`UserNotFound`](ErrorKind::UserNotFound), unless answers are uniform: then there is an id
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
    /// As [`check_password`](PasswordService::check_password); nothing is written then.
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
    /// [`SessionRefused`](ErrorKind::SessionRefused) if there is no such session.
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
    /// [`SessionRefused`](ErrorKind::SessionRefused).
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
    /// [`SessionRefused`](ErrorKind::SessionRefused).
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
    /// [`SessionRefused`](ErrorKind::SessionRefused) if the token is not its own.
    async fn end_session(
        &self,
        proof: &Authorized,
        session: &str,
        token: Option<SessionToken>,
    ) -> Result<ObjectDetails, Error>;
}

/// Sessions over a password service, in the store that has its users: they hold on every server.
pub struct Sessions {
    service: Arc<dyn PasswordService>,
    users: Arc<dyn UserStore>,
    documents: Arc<dyn DocumentStore>,
    names: LoginNames,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    answers: AnswerMode,
}

impl Sessions {
    /// Sessions of these users, whose passwords `service` checks.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{Engine, MemoryStore, Sessions, SystemClock};
    /// let store = Arc::new(MemoryStore::new());
    /// let engine = Arc::new(Engine::builder(store.clone()).build()?);
    /// let sessions = Sessions::new(engine, store.clone(), store, Arc::new(SystemClock::new()));
    /// # Ok::<_, std::io::Error>(())
    /// ```
    #[must_use]
    pub fn new(
        service: Arc<dyn PasswordService>,
        users: Arc<dyn UserStore>,
        documents: Arc<dyn DocumentStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            names: LoginNames::new(
                Arc::clone(&documents),
                Arc::clone(&users),
                Arc::clone(&clock),
            ),
            service,
            users,
            documents,
            clock,
            random: Arc::new(OsRandom),
            answers: AnswerMode::default(),
        }
    }

    /// How much refusals tell; the same as of the service.
    #[must_use]
    pub fn with_answers(mut self, answers: AnswerMode) -> Self {
        self.answers = answers;
        self
    }

    /// Another source of tokens.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.random = random;
        self
    }

    fn fresh_id(&self) -> Result<OperationId, Error> {
        let drawn = OperationId::random(&*self.random);
        drawn.map_err(|error| Error::new(ErrorKind::Bug).with_source(error))
    }

    /// Checks what a request asks to check, and notes it.
    async fn check(
        &self,
        proof: &Authorized,
        mut session: Stored,
        request: CreateSession,
    ) -> Result<Stored, Error> {
        let now = self.clock.now();
        if let Some(user) = request.user {
            if session.user.as_ref().is_some_and(|before| *before != user) {
                return Err(ErrorKind::SessionRefused(SessionRefusal::UserDiffers).into());
            }
            if self.answers == AnswerMode::Zitadel {
                self.person(proof.organisation(), &user).await?;
            }
            session.login_name = request.login_name.or(session.login_name);
            (session.user, session.user_checked) = (Some(user), Some(now));
        }
        if let Some(password) = request.password {
            let user = session.user.clone();
            let user = user.ok_or(ErrorKind::SessionRefused(SessionRefusal::NoUser))?;
            let check = CheckPassword::new(user, password);
            let verified = self.service.check_password(proof, check).await?;
            (session.password_checked, session.epoch) = (Some(now), Some(verified.epoch));
        }
        Ok(session)
    }

    /// Hands out a token, if it is the one that was stored: another call under the same operation may
    /// have come first.
    async fn issued(
        &self,
        proof: &Authorized,
        session: String,
        token: SessionToken,
        details: ObjectDetails,
        user: Option<&UserId>,
    ) -> Result<SessionIssued, Error> {
        match self.find(proof, &session).await? {
            Some(found) if found.revision == details.sequence && !token.is(&found.stored.token) => {
                issued_before(found, proof, session, user)
            }
            _ => Ok(SessionIssued {
                session,
                token: Some(token),
                details,
            }),
        }
    }

    async fn person(&self, organisation: &OrgId, user: &UserId) -> Result<UserRecord, Error> {
        let key = UserKey::new(organisation.clone(), user.clone());
        let record = self.users.load(&key).await?;
        let record = record.filter(|record| record.state != UserState::Removed);
        Ok(record.ok_or(ErrorKind::UserNotFound)?)
    }

    /// Whether a password that was found right is still the user's.
    async fn is_current(&self, organisation: &OrgId, session: &Stored) -> Result<bool, Error> {
        let (Some(user), Some(epoch)) = (&session.user, session.epoch) else {
            return Ok(false);
        };
        match self.person(organisation, user).await {
            Ok(record) => Ok(record.epoch == epoch && record.state == UserState::Active),
            Err(error) if *error.kind() == ErrorKind::UserNotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl SessionService for Sessions {
    async fn find_user(&self, proof: &Authorized, login_name: &str) -> Result<UserId, Error> {
        let organisation = proof.covers_organisation(Permission::SessionWrite)?;
        let found = self.names.find(organisation, login_name).await?;
        match (found, self.answers) {
            (Some(user), _) => Ok(user),
            (None, AnswerMode::Zitadel) => Err(ErrorKind::UserNotFound.into()),
            (None, AnswerMode::Uniform) => token::nobody(organisation, login_name),
        }
    }

    async fn create_session(
        &self,
        proof: &Authorized,
        request: CreateSession,
    ) -> Result<SessionIssued, Error> {
        covers(proof, request.user.as_ref())?;
        let operation = match request.operation {
            Some(operation) => operation,
            None => Operation::Fresh(self.fresh_id()?),
        };
        let organisation = proof.organisation().clone();
        let id = token::session_id(&organisation, operation.id());
        let user = request.user.clone();
        if let Operation::Given(_) = operation
            && let Some(found) = self.find(proof, &id).await?
        {
            return issued_before(found, proof, id, user.as_ref());
        }
        let (token, lifetime) = (SessionToken::draw(&*self.random)?, request.lifetime);
        let stored = Stored::new(proof, &token);
        let stored = self.check(proof, stored, request).await?;
        let written = self
            .write(&id, operation.id(), None, &stored, lifetime)
            .await?;
        let details = written.ok_or(ErrorKind::Conflict)?;
        self.issued(proof, id, token, details, user.as_ref()).await
    }

    async fn session_user(
        &self,
        proof: &Authorized,
        session: &str,
    ) -> Result<Option<UserId>, Error> {
        proof.covers_organisation(Permission::SessionWrite)?;
        let found = self.find(proof, session).await?;
        Ok(found.ok_or_else(not_found)?.stored.user)
    }

    async fn set_session(
        &self,
        proof: &Authorized,
        request: SetSession,
    ) -> Result<SessionIssued, Error> {
        let found = self.find(proof, &request.session).await?;
        let found = found.ok_or_else(not_found)?;
        let user = request.add.user.as_ref().or(found.stored.user.as_ref());
        covers(proof, user)?;
        if let Some(Operation::Given(id)) = request.add.operation
            && id == found.operation
        {
            // The first write began the session, which is another call.
            return if found.revision > 1 {
                Ok(found.issued_before(request.session))
            } else {
                Err(ErrorKind::OperationReused.into())
            };
        }
        found.admits(proof, request.token.as_ref())?;
        let operation = match request.add.operation {
            Some(operation) => operation.id(),
            None => self.fresh_id()?,
        };
        let left = match request.add.lifetime {
            Some(lifetime) => Some(lifetime),
            None => found.left(self.clock.now()),
        };
        let (token, revision) = (SessionToken::draw(&*self.random)?, found.revision);
        let mut stored = self.check(proof, found.stored, request.add).await?;
        stored.token = token.digest();
        let id = request.session;
        let written = self.write(&id, operation, Some(revision), &stored, left);
        let details = written.await?.ok_or(ErrorKind::Conflict)?;
        let user = stored.user;
        self.issued(proof, id, token, details, user.as_ref()).await
    }

    async fn session(
        &self,
        proof: &Authorized,
        session: &str,
        token: Option<SessionToken>,
    ) -> Result<SessionView, Error> {
        let found = self.find(proof, session).await?.ok_or_else(not_found)?;
        found.admits(proof, token.as_ref())?;
        let is_current = self.is_current(proof.organisation(), &found.stored).await?;
        let mut view = found.view(session, is_current);
        if self.answers == AnswerMode::Uniform && view.password.is_none() {
            // The id that a login name led to would tell whether there is such a user.
            view.user = None;
        }
        Ok(view)
    }

    async fn end_session(
        &self,
        proof: &Authorized,
        session: &str,
        token: Option<SessionToken>,
    ) -> Result<ObjectDetails, Error> {
        loop {
            let Some(found) = self.find(proof, session).await? else {
                let owner = proof.organisation().clone();
                return Ok(ObjectDetails::written(0, self.clock.now(), owner));
            };
            found.admits(proof, token.as_ref())?;
            if let Some(details) = self.remove(session, &found).await? {
                return Ok(details);
            }
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("answers", &self.answers)
            .finish_non_exhaustive()
    }
}

/// What a repeated call is told. One of another caller, or about another user, is no repetition.
fn issued_before(
    found: Found,
    proof: &Authorized,
    session: String,
    user: Option<&UserId>,
) -> Result<SessionIssued, Error> {
    if found.is_begun_by(proof) && found.stored.user.as_ref() == user {
        Ok(found.issued_before(session))
    } else {
        Err(ErrorKind::OperationReused.into())
    }
}

/// A session without a user is the organisation's.
fn covers(proof: &Authorized, user: Option<&UserId>) -> Result<(), Error> {
    match user {
        Some(user) => proof.covers(Permission::SessionWrite, user).map(drop),
        None => proof
            .covers_organisation(Permission::SessionWrite)
            .map(drop),
    }
}

fn not_found() -> Error {
    ErrorKind::SessionRefused(SessionRefusal::NotFound).into()
}
