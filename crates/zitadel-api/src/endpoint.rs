//! What a method of the API is, once for every transport, so that they cannot drift.

use std::sync::Arc;

use portcullis_core::{
    Authorized, Caller, Error, ErrorStatus, Operation, OrgId, PasswordService, Permission,
};

use crate::{
    call::{Gate, TimeBudget},
    message::Message,
    validate::Named,
};

/// A method of one of ZITADEL's services. The message that asks for it stands for it.
pub(crate) trait Endpoint: Message {
    /// The full name of the service, which is also the first segment of its RPC paths.
    const SERVICE: &'static str;
    /// The name of the method, and of the metric label.
    const NAME: &'static str;
    /// Whether success over REST is 201.
    const CREATES: bool = false;
    /// Whether a `DELETE` has a body; most have none, and a `GET` never has.
    const DELETES_WITH_BODY: bool = false;
    /// The response.
    type Response: buffa::Message + serde::Serialize;

    /// What the caller has to be allowed, before anything else is looked at.
    fn access(&self, caller: &Caller) -> Access;

    /// The organisation that the request itself names; otherwise the header does.
    fn organisation(&self) -> Result<Option<OrgId>, ErrorStatus> {
        Ok(None)
    }

    /// Checks the fields and does it.
    fn perform(
        self,
        work: Work,
    ) -> impl Future<Output = Result<Self::Response, ErrorStatus>> + Send;
}

/// What a caller has to be allowed, and to whom.
pub(crate) struct Access {
    pub(crate) permission: Permission,
    /// The user it is done to, not validated yet; empty where it is done to the organisation.
    pub(crate) target: String,
}

impl Access {
    pub(crate) fn to(permission: Permission, target: &str) -> Self {
        let target = target.to_owned();
        Self { permission, target }
    }

    pub(crate) fn organisation(permission: Permission) -> Self {
        Self::to(permission, "")
    }

    /// What callers may do to themselves.
    pub(crate) fn own(caller: &Caller) -> Self {
        Self::to(Permission::Authenticated, caller.user().as_str())
    }
}

/// What an endpoint works with: the proof that it may, and the service.
pub(crate) struct Work {
    pub(crate) gate: Gate,
    pub(crate) proof: Authorized,
    pub(crate) named: Named,
    pub(crate) time: TimeBudget,
}

impl Work {
    pub(crate) fn service(&self) -> &Arc<dyn PasswordService> {
        &self.gate.service
    }

    /// The operation id, refused here if it is none: after the fields, before the work.
    pub(crate) fn operation(&self) -> Result<Operation, ErrorStatus> {
        self.named.operation()
    }

    /// A proof about something else than the first one, in the same organisation.
    pub(crate) async fn prove(&self, access: &Access) -> Result<Authorized, ErrorStatus> {
        let (caller, organisation) = (self.proof.caller().clone(), self.proof.organisation());
        self.gate.prove(caller, Some(organisation), access).await
    }

    /// What the caller is told of an error, which the operator is told more of.
    pub(crate) fn refuse(&self, error: &Error) -> ErrorStatus {
        self.gate.report(error)
    }
}
