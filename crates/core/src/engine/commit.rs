//! One conditional commit, tried again while it loses races, and the operation that names it.

use std::time::Duration;

use super::Engine;
use crate::{
    details::ObjectDetails,
    error::{Error, ErrorKind, StoreErrorKind},
    id::{Operation, OperationId, UserKey},
    store::{Change, CommitOutcome, Method, UserRecord, Version},
};

/// What came of one try.
pub(super) enum Tried {
    Done(ObjectDetails),
    /// By an earlier call under the same operation id.
    DoneBefore(ObjectDetails),
    Conflict,
    CodeRejected,
}

impl Engine {
    /// What an earlier call under the same id did, if this is a repetition.
    pub(super) async fn earlier(
        &self,
        key: &UserKey,
        operation: Operation,
        methods: &[Method],
    ) -> Result<Option<ObjectDetails>, Error> {
        let Operation::Given(id) = operation else {
            return Ok(None);
        };
        match self.store.operation(key, id).await? {
            None => Ok(None),
            Some(done) if methods.contains(&done.method) => Ok(Some(done.details)),
            Some(_) => Err(ErrorKind::OperationReused.into()),
        }
    }

    /// Commits once, and resolves an outcome that is unknown as far as the store can tell.
    pub(super) async fn try_commit(&self, change: &Change) -> Result<Tried, Error> {
        match self.store.commit(change).await {
            Ok(CommitOutcome::Committed(details)) => Ok(Tried::Done(details)),
            Ok(CommitOutcome::Replayed(details)) => Ok(Tried::DoneBefore(details)),
            Ok(CommitOutcome::Conflict) => Ok(Tried::Conflict),
            Ok(CommitOutcome::CodeRejected) => Ok(Tried::CodeRejected),
            Ok(CommitOutcome::NotFound) => Err(ErrorKind::UserNotFound.into()),
            Ok(CommitOutcome::OperationReused) => Err(ErrorKind::OperationReused.into()),
            Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => self
                .resolve(change, error.into())
                .await
                .map(Tried::DoneBefore),
            Err(error) => Err(error.into()),
        }
    }

    /// Commits until it wins, the deadline falls, or `again` refuses the user as it is now.
    ///
    /// State and policy are read again by `again`; the password is not hashed again.
    pub(super) async fn commit<F>(
        &self,
        change: Change,
        deadline: Duration,
        again: impl Fn() -> F + Send + Sync,
    ) -> Result<ObjectDetails, Error>
    where
        F: Future<Output = Result<Version, Error>> + Send,
    {
        let (details, _) = self.commit_told(change, deadline, again).await?;
        Ok(details)
    }

    /// The same, and whether it is certain that this very call wrote it: another one under the same
    /// operation may have.
    pub(super) async fn commit_told<F>(
        &self,
        mut change: Change,
        deadline: Duration,
        again: impl Fn() -> F + Send + Sync,
    ) -> Result<(ObjectDetails, bool), Error>
    where
        F: Future<Output = Result<Version, Error>> + Send,
    {
        loop {
            match self.try_commit(&change).await? {
                Tried::Done(details) => return Ok((details, true)),
                Tried::DoneBefore(details) => return Ok((details, false)),
                Tried::CodeRejected => return Err(ErrorKind::Bug.into()),
                Tried::Conflict => {}
            }
            self.check_deadline(deadline)?;
            change.expected = again().await?;
        }
    }

    pub(super) fn check_deadline(&self, deadline: Duration) -> Result<(), Error> {
        if self.clock.elapsed() >= deadline {
            Err(ErrorKind::Conflict.into())
        } else {
            Ok(())
        }
    }

    /// Asks once what became of a commit whose answer was lost. Only "applied" settles it: a
    /// commit that is not there yet may still come.
    async fn resolve(&self, change: &Change, unknown: Error) -> Result<ObjectDetails, Error> {
        match self.store.operation(&change.key, change.operation).await {
            Ok(Some(done)) if done.method == change.method => Ok(done.details),
            Ok(_) | Err(_) => Err(unknown),
        }
    }

    pub(super) fn name(&self, given: Option<Operation>) -> Result<Operation, Error> {
        given.map_or_else(|| self.fresh_id().map(Operation::Fresh), Ok)
    }

    pub(super) fn fresh_id(&self) -> Result<OperationId, Error> {
        OperationId::random(&*self.random)
            .map_err(|error| Error::new(ErrorKind::Bug).with_source(error))
    }

    pub(super) fn deadline(&self, time_limit: Duration) -> Duration {
        self.clock.elapsed().saturating_add(time_limit)
    }

    pub(super) async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, Error> {
        Ok(self.store.load(key).await?)
    }
}
