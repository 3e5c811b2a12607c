//! Sessions over a password service.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    CreateSession, SessionIssued, SessionService, SessionToken, SessionView, SetSession,
    stored::{Found, Stored},
    token,
};
use crate::{
    authority::{Authorized, Permission},
    clock::{Clock, Timestamp},
    details::ObjectDetails,
    error::{Error, ErrorKind, SessionRefusal},
    id::{Operation, OperationId, OrgId, UserId, UserKey},
    login_name::LoginNames,
    random::{OsRandom, RandomSource},
    service::PasswordService,
    status::AnswerMode,
    store::{DocumentStore, UserRecord, UserState, UserStore},
};

/// Sessions over a password service, in the store that has its users: they hold on every server.
pub struct Sessions {
    pub(super) service: Arc<dyn PasswordService>,
    users: Arc<dyn UserStore>,
    pub(super) documents: Arc<dyn DocumentStore>,
    names: LoginNames,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    pub(super) answers: AnswerMode,
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

    pub(super) fn fresh_id(&self) -> Result<OperationId, Error> {
        let drawn = OperationId::random(&*self.random);
        drawn.map_err(|error| Error::new(ErrorKind::Bug).with_source(error))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn deadline(&self, time_limit: Duration) -> Duration {
        self.clock.elapsed().saturating_add(time_limit)
    }

    fn check_deadline(&self, deadline: Duration) -> Result<(), Error> {
        if self.clock.elapsed() >= deadline {
            Err(ErrorKind::Conflict.into())
        } else {
            Ok(())
        }
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
                issued_before(&found, proof, session, user)
            }
            _ => Ok(SessionIssued {
                session,
                token: Some(token),
                details,
            }),
        }
    }

    pub(super) async fn person(
        &self,
        organisation: &OrgId,
        user: &UserId,
    ) -> Result<UserRecord, Error> {
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
        mut request: CreateSession,
    ) -> Result<SessionIssued, Error> {
        covers(proof, request.user.as_ref())?;
        let deadline = self.deadline(request.time_limit);
        let operation = match request.operation {
            Some(operation) => operation,
            None => Operation::Fresh(self.fresh_id()?),
        };
        let id = token::session_id(proof.organisation(), operation.id());
        let user = request.user.clone();
        if let Operation::Given(_) = operation
            && let Some(found) = self.find(proof, &id).await?
        {
            return issued_before(&found, proof, id, user.as_ref());
        }
        let token = SessionToken::draw(&*self.random)?;
        let mut stored = Stored::new(proof, &token);
        let checked = self.check(proof, &stored, &mut request).await?;
        stored.note(&checked)?;
        loop {
            let lifetime = request.lifetime;
            let written = self.write(&id, operation.id(), None, &stored, lifetime);
            if let Some(details) = written.await? {
                return self.issued(proof, id, token, details, user.as_ref()).await;
            }
            self.check_deadline(deadline)?;
            // Another call under the same operation came first, and the session has moved on.
            if let Some(found) = self.find(proof, &id).await? {
                return issued_before(&found, proof, id, user.as_ref());
            }
        }
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
        let deadline = self.deadline(request.add.time_limit);
        let found = self.find(proof, &request.session).await?;
        let mut found = found.ok_or_else(not_found)?;
        if let Some(issued) = repeated(proof, &request, &found)? {
            return Ok(issued);
        }
        let operation = match request.add.operation {
            Some(operation) => operation.id(),
            None => self.fresh_id()?,
        };
        let (id, presented, mut add) = (request.session, request.token, request.add);
        let token = SessionToken::draw(&*self.random)?;
        let checked = self.check(proof, &found.stored, &mut add).await?;
        let user = found.stored.user.clone();
        loop {
            let (mut stored, revision) = (found.stored, Some(found.revision));
            stored.note(&checked)?;
            stored.token = token.digest();
            let written = self.write(&id, operation, revision, &stored, add.lifetime);
            if let Some(details) = written.await? {
                let user = stored.user;
                return self.issued(proof, id, token, details, user.as_ref()).await;
            }
            self.check_deadline(deadline)?;
            found = self.find(proof, &id).await?.ok_or_else(not_found)?;
            found.admits(proof, presented.as_ref())?;
            if add.user.is_none() && found.stored.user != user {
                // Nobody was asked whether this caller may write for the user it has now.
                return Err(ErrorKind::Conflict.into());
            }
        }
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
    found: &Found,
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

/// What a call is told that came before. What comes for the first time has to be let in.
fn repeated(
    proof: &Authorized,
    request: &SetSession,
    found: &Found,
) -> Result<Option<SessionIssued>, Error> {
    let user = request.add.user.as_ref().or(found.stored.user.as_ref());
    covers(proof, user)?;
    match request.add.operation {
        Some(Operation::Given(id)) if id == found.operation => {
            // The first write began the session, which is another call.
            if found.revision > 1 {
                Ok(Some(found.issued_before(request.session.clone())))
            } else {
                Err(ErrorKind::OperationReused.into())
            }
        }
        _ => found.admits(proof, request.token.as_ref()).map(|()| None),
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
