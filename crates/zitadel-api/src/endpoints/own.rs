//! What callers may do to themselves (contract section 1.5).

use portcullis_core::{Caller, ChangePassword, ErrorStatus, Evidence, PolicyKind, PolicyScope};
use zeroize::Zeroizing;

use super::{policies, service};
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::plain_messages,
    validate::Fields,
    wire::zitadel::{auth::v1, policy},
};

plain_messages! {
    /// Replaces the caller's own password, given the current one.
    UpdateMyPassword {
        old_password = 1: Zeroizing<String>, secret;
        new_password = 2: Zeroizing<String>, secret;
    }
    /// What a new password of the caller has to be made of.
    GetMyPasswordComplexityPolicy {}
}

impl Endpoint for UpdateMyPassword {
    const SERVICE: &'static str = service::AUTH;
    const NAME: &'static str = "UpdateMyPassword";
    type Response = v1::UpdateMyPasswordResponse;

    fn access(&self, caller: &Caller) -> Access {
        Access::own(caller)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        let current = fields.password("OldPassword", self.old_password, Fields::V2_TEXT)?;
        let password = fields.password("NewPassword", self.new_password, Fields::V1_PASSWORD)?;
        let user = work.proof.caller().user().clone();
        let request = ChangePassword::new(user, Evidence::Password(current), password)
            .with_operation(work.operation()?)
            .with_time_limit(work.time.for_retries());
        let changed = work.service().change_password(&work.proof, request).await;
        let details = changed.map_err(|error| work.refuse(&error))?;
        Ok(Self::Response {
            details: details::member(&details),
        })
    }
}

impl Endpoint for GetMyPasswordComplexityPolicy {
    const SERVICE: &'static str = service::AUTH;
    const NAME: &'static str = "GetMyPasswordComplexityPolicy";
    type Response = v1::GetMyPasswordComplexityPolicyResponse;

    fn access(&self, caller: &Caller) -> Access {
        Access::own(caller)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        if work.gate.policies.is_some() {
            let scope = PolicyScope::Organisation;
            let view = policies::read(&work, PolicyKind::Complexity, scope).await?;
            return Ok(Self::Response {
                policy: buffa::MessageField::some(policies::complexity::wire(&view)),
            });
        }
        let policy = work.service().complexity_policy(&work.proof).await;
        let policy = policy.map_err(|error| work.refuse(&error))?;
        Ok(Self::Response {
            policy: buffa::MessageField::some(policy::v1::PasswordComplexityPolicy {
                min_length: policy.min_length.into(),
                has_uppercase: policy.uppercase,
                has_lowercase: policy.lowercase,
                has_number: policy.number,
                has_symbol: policy.symbol,
                ..Default::default()
            }),
        })
    }
}
