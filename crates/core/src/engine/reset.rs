//! Codes are issued, and made again for whoever delivers them.

use super::{
    Engine,
    attempt::refused,
    change::{Guess, guess},
    person,
};
use crate::{
    authority::{Authorized, Permission},
    code::ResetCode,
    details::ObjectDetails,
    error::{Error, ErrorKind, Refusal, ResetRefusal},
    id::{OperationId, UserId, UserKey},
    service::{RequestReset, ResetRequested},
    status::AnswerMode,
    store::{Change, CodeChange, EventKind, Method, UserRecord, UserState, Version},
};

impl Engine {
    pub(super) async fn reset(
        &self,
        proof: &Authorized,
        request: RequestReset,
    ) -> Result<ResetRequested, Error> {
        let key = proof.covers(Permission::UserWrite, &request.user)?;
        let operation = self.name(request.operation)?;
        let id = operation.id();
        let result = async {
            let details = match self.earlier(&key, operation, &[Method::IssueCode]).await? {
                Some(details) => details,
                None => {
                    let deadline = self.deadline(request.time_limit);
                    self.issue(proof, &key, id, deadline).await?
                }
            };
            let code = self.code_key.code(&key, id).ok_or(ErrorKind::Bug)?;
            Ok(ResetRequested {
                details: self.veiled(details),
                code: request.return_code.then_some(code),
            })
        };
        result
            .await
            .map_err(|error: Error| error.with_operation(id))
    }

    pub(super) async fn code(
        &self,
        proof: &Authorized,
        user: &UserId,
        operation: OperationId,
    ) -> Result<ResetCode, Error> {
        let key = proof.covers(Permission::UserWrite, user)?;
        let policy = self.policies.reset_code(key.organisation()).await?;
        let record = person(self.load(&key).await?);
        let record = record.ok_or_else(|| refused(Refusal::UserNotFound))?;
        let code = self.code_key.code(&key, operation).ok_or(ErrorKind::Bug)?;
        match guess(&record, &code, &policy) {
            Guess::Right => Ok(code),
            Guess::Nothing | Guess::Wrong => Err(refused(Refusal::CodeInvalid)),
        }
    }

    async fn issue(
        &self,
        proof: &Authorized,
        key: &UserKey,
        operation: OperationId,
        deadline: std::time::Duration,
    ) -> Result<ObjectDetails, Error> {
        let policy = self.policies.reset_code(key.organisation()).await?;
        let code = self.code_key.code(key, operation).ok_or(ErrorKind::Bug)?;
        loop {
            let record = person(self.load(key).await?);
            let refusal = match record.as_ref().map(|user| user.state) {
                None => Some(ResetRefusal::UserNotFound),
                Some(UserState::Initial) => Some(ResetRefusal::UserNotInitialised),
                Some(_) => None,
            };
            let (version, epoch) = record
                .as_ref()
                .map_or((Version::FIRST, 1), |user: &UserRecord| {
                    (user.version, user.epoch)
                });
            let issued = CodeChange::IssueFor {
                digest: code.digest(key, epoch),
                ttl: policy.ttl(),
            };
            let event = EventKind::CodeAdded;
            let change = Change::new(key.clone(), Method::IssueCode, operation, version, event)
                .with_code(issued)
                .with_editor(proof.caller().user().clone());
            if let Some(refusal) = refusal {
                return self.refuse_reset(change, refusal).await;
            }
            match self.try_commit(&change).await {
                Ok(
                    super::commit::Tried::Done(details) | super::commit::Tried::DoneBefore(details),
                ) => return Ok(details),
                Ok(_) => {}
                Err(error) if *error.kind() == ErrorKind::UserNotFound => {}
                Err(error) => return Err(error),
            }
            self.check_deadline(deadline)?;
        }
    }

    /// Goes the way that a code goes, to a version that no user has, so that it takes as long.
    async fn refuse_reset(
        &self,
        mut change: Change,
        refusal: ResetRefusal,
    ) -> Result<ObjectDetails, Error> {
        change.expected = Version(0);
        match self.try_commit(&change).await {
            Ok(_) => {}
            Err(error) if *error.kind() == ErrorKind::UserNotFound => {}
            Err(error) => return Err(error),
        }
        match self.answers {
            AnswerMode::Zitadel => Err(ErrorKind::ResetRefused(refusal).into()),
            AnswerMode::Uniform => {
                let owner = change.key.organisation().clone();
                Ok(ObjectDetails::written(0, self.clock.now(), owner))
            }
        }
    }

    /// Nothing by which one user could be told from another.
    fn veiled(&self, details: ObjectDetails) -> ObjectDetails {
        match self.answers {
            AnswerMode::Zitadel => details,
            AnswerMode::Uniform => {
                ObjectDetails::written(0, self.clock.now(), details.resource_owner)
            }
        }
    }
}
