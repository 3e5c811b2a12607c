//! `SetHumanPassword` and `SetHumanInitialPassword` (contract sections 1.1 and 2).

use portcullis_core::{
    Caller, ErrorStatus, ObjectDetails, Permission, SetInitialPassword, SetPassword,
};
use zeroize::Zeroizing;

use super::service;
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::plain_messages,
    validate::Fields,
    wire::zitadel::management::v1,
};

plain_messages! {
    /// Replaces the password of a human, whatever it was.
    SetHumanPassword {
        user_id = 1: String, text;
        password = 2: Zeroizing<String>, secret;
        no_change_required = 3: bool, flag;
    }
    /// The same, to be changed at the next login.
    SetHumanInitialPassword {
        user_id = 1: String, text;
        password = 2: Zeroizing<String>, secret;
    }
}

impl Endpoint for SetHumanPassword {
    const SERVICE: &'static str = service::MANAGEMENT;
    const NAME: &'static str = "SetHumanPassword";
    type Response = v1::SetHumanPasswordResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::to(Permission::UserWrite, &self.user_id)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        let user = fields.any_id("UserId", &self.user_id)?;
        let password = fields.password("Password", self.password, Fields::V1_PASSWORD)?;
        let request = SetPassword::new(user, password)
            .with_must_change(!self.no_change_required)
            .with_operation(work.operation()?)
            .with_time_limit(work.time.for_retries());
        let set = work.service().set_password(&work.proof, request).await;
        let response = |details: ObjectDetails| Self::Response {
            details: details::member(&details),
        };
        set.map(response).map_err(|error| work.refuse(&error))
    }
}

impl Endpoint for SetHumanInitialPassword {
    const SERVICE: &'static str = service::MANAGEMENT;
    const NAME: &'static str = "SetHumanInitialPassword";
    type Response = v1::SetHumanInitialPasswordResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::to(Permission::UserWrite, &self.user_id)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        let user = fields.any_id("UserId", &self.user_id)?;
        let password = fields.password("Password", self.password, Fields::V1_PASSWORD)?;
        let request = SetInitialPassword::new(user, password)
            .with_operation(work.operation()?)
            .with_time_limit(work.time.for_retries());
        let set = work.service().set_initial_password(&work.proof, request);
        let response = |details: ObjectDetails| Self::Response {
            details: details::member(&details),
        };
        set.await.map(response).map_err(|error| work.refuse(&error))
    }
}
