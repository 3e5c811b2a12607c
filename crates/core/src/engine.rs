//! The one implementation of [`PasswordService`]: rules, hash, conditional commit.

mod attempt;
mod builder;
mod change;
mod check;
mod commit;
mod hashing;
mod import;
mod initial;
mod reset;
mod set;
mod sham;
mod state;

use std::sync::Arc;

use async_trait::async_trait;

pub use builder::EngineBuilder;

use crate::{
    authority::{Authorized, Permission},
    clock::Clock,
    code::{ResetCode, ServiceKey},
    details::ObjectDetails,
    error::Error,
    id::{OperationId, UserId},
    login_name::LoginNames,
    policy::{AgePolicy, ComplexityPolicy, LockoutPolicy, PolicyStore},
    random::RandomSource,
    service::{
        ChangePassword, ChangeState, CheckPassword, ImportUser, Imported, InitialPassword,
        IssueInitialPassword, PasswordService, RequestReset, ResetRequested, SetInitialPassword,
        SetPassword, UserView, Verified,
    },
    status::AnswerMode,
    store::{Cursor, EventPage, Method, UserKind, UserRecord, UserState, UserStore},
    timer::Timer,
};
use attempt::counted;
use hashing::Hashing;
use set::Setting;
use sham::ShamKey;

/// Sets, checks, changes and resets passwords in a [`UserStore`] by the rules of a
/// [`PolicyStore`].
#[derive(Debug)]
pub struct Engine {
    store: Arc<dyn UserStore>,
    policies: Arc<dyn PolicyStore>,
    hashing: Hashing,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    random: Arc<dyn RandomSource>,
    answers: AnswerMode,
    names: Option<LoginNames>,
    sham_key: ShamKey,
    code_key: ServiceKey,
}

impl Engine {
    /// An engine over this store, with defaults for everything else.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{Engine, MemoryStore, PasswordService};
    /// let engine = Engine::builder(Arc::new(MemoryStore::new())).build()?;
    /// let service: Arc<dyn PasswordService> = Arc::new(engine);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn builder(store: Arc<dyn UserStore>) -> EngineBuilder {
        EngineBuilder::new(store)
    }

    /// Takes no more requests that hash, and waits until those that were begun have ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use portcullis_core::{Engine, MemoryStore};
    /// let engine = Engine::builder(Arc::new(MemoryStore::new())).build()?;
    /// engine.drain().await;
    /// # Ok(()) }
    /// ```
    pub async fn drain(&self) {
        self.hashing.drain().await;
    }
}

#[async_trait]
impl PasswordService for Engine {
    async fn set_password(
        &self,
        proof: &Authorized,
        request: SetPassword,
    ) -> Result<ObjectDetails, Error> {
        let operation = self.name(request.operation)?;
        let setting = Setting {
            proof,
            key: proof.covers(Permission::UserWrite, &request.user)?,
            method: Method::SetPassword,
            password: Arc::new(request.password),
            must_change: request.must_change,
            operation: operation.id(),
            deadline: self.deadline(request.time_limit),
        };
        self.set(&setting, operation).await
    }

    async fn set_initial_password(
        &self,
        proof: &Authorized,
        request: SetInitialPassword,
    ) -> Result<ObjectDetails, Error> {
        let operation = self.name(request.operation)?;
        let setting = Setting {
            proof,
            key: proof.covers(Permission::UserWrite, &request.user)?,
            method: Method::SetInitialPassword,
            password: Arc::new(request.password),
            must_change: true,
            operation: operation.id(),
            deadline: self.deadline(request.time_limit),
        };
        self.set(&setting, operation).await
    }

    async fn operation(
        &self,
        proof: &Authorized,
        user: &UserId,
        operation: OperationId,
    ) -> Result<Option<ObjectDetails>, Error> {
        let key = proof.covers(Permission::UserRead, user)?;
        let record = self.store.operation(&key, operation).await?;
        Ok(record.map(|record| record.details))
    }

    async fn check_password(
        &self,
        proof: &Authorized,
        request: CheckPassword,
    ) -> Result<Verified, Error> {
        counted(self.check(proof, request).await)
    }

    async fn change_password(
        &self,
        proof: &Authorized,
        request: ChangePassword,
    ) -> Result<ObjectDetails, Error> {
        counted(self.change(proof, request).await)
    }

    async fn request_reset(
        &self,
        proof: &Authorized,
        request: RequestReset,
    ) -> Result<ResetRequested, Error> {
        self.reset(proof, request).await
    }

    async fn reset_code(
        &self,
        proof: &Authorized,
        user: &UserId,
        operation: OperationId,
    ) -> Result<ResetCode, Error> {
        self.code(proof, user, operation).await
    }

    async fn issue_initial_password(
        &self,
        proof: &Authorized,
        request: IssueInitialPassword,
    ) -> Result<InitialPassword, Error> {
        self.issue_initial(proof, request).await
    }

    async fn change_state(
        &self,
        proof: &Authorized,
        request: ChangeState,
    ) -> Result<ObjectDetails, Error> {
        self.change_of_state(proof, request).await
    }

    async fn import_user(
        &self,
        proof: &Authorized,
        request: ImportUser,
    ) -> Result<Imported, Error> {
        self.import(proof, request).await
    }

    async fn user(&self, proof: &Authorized, user: &UserId) -> Result<UserView, Error> {
        self.view(proof, user).await
    }

    async fn changes(
        &self,
        proof: &Authorized,
        user: &UserId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<EventPage, Error> {
        self.page(proof, user, after, limit).await
    }

    async fn complexity_policy(&self, proof: &Authorized) -> Result<ComplexityPolicy, Error> {
        let organisation = proof.covers_policies()?;
        Ok(self.policies.complexity(organisation).await?)
    }

    async fn age_policy(&self, proof: &Authorized) -> Result<AgePolicy, Error> {
        let organisation = proof.covers_policies()?;
        Ok(self.policies.age(organisation).await?)
    }

    async fn lockout_policy(&self, proof: &Authorized) -> Result<LockoutPolicy, Error> {
        let organisation = proof.covers_policies()?;
        Ok(self.policies.lockout(organisation).await?)
    }
}

/// A user that can have a password: a person that was not removed.
fn person(record: Option<UserRecord>) -> Option<UserRecord> {
    record.filter(|user| user.kind == UserKind::Human && user.state != UserState::Removed)
}
