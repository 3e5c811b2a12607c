//! `SetPassword` of version 2: by permission, by the current password, or by a code.

use portcullis_core::{
    Caller, ChangePassword, Error, ErrorStatus, Evidence, ObjectDetails, Password, Permission,
    ResetCode, SetPassword as Replace, UserId,
};
use zeroize::Zeroizing;

use super::service;
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::{Malformed, Message, Value, plain_messages},
    validate::Fields,
    wire::zitadel::user::v2,
};

/// Replaces a password.
#[derive(Default)]
pub(crate) struct SetPassword {
    user_id: String,
    new_password: Option<NewPassword>,
    verification: Option<Verification>,
}

plain_messages! {
    /// The new one.
    NewPassword {
        password = 1: Zeroizing<String>, secret;
        change_required = 2: bool, flag;
    }
}

enum Verification {
    Code(Zeroizing<String>),
    Password(Zeroizing<String>),
}

impl Message for SetPassword {
    const FIELDS: &'static [(&'static str, u32)] = &[
        ("user_id", 1),
        ("new_password", 2),
        ("current_password", 3),
        ("verification_code", 4),
    ];
    const ONE_OFS: &'static [&'static [u32]] = &[&[3, 4]];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => self.user_id = value.text()?,
            2 => value.message(self.new_password.get_or_insert_default())?,
            3 => self.verification = Some(Verification::Password(value.secret()?)),
            _ => self.verification = Some(Verification::Code(value.secret()?)),
        }
        Ok(())
    }
}

impl Endpoint for SetPassword {
    const SERVICE: &'static str = service::USER;
    const NAME: &'static str = "SetPassword";
    type Response = v2::SetPasswordResponse;

    /// Without a proof of the old one it takes the permission, whoever asks: a token alone must
    /// not be enough to take an account over.
    fn access(&self, caller: &Caller) -> Access {
        if self.verification.is_some() && *caller.user().as_str() == *self.user_id {
            Access::own(caller)
        } else {
            Access::to(Permission::UserWrite, &self.user_id)
        }
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        let user = fields.id("UserId", &self.user_id)?;
        // ZITADEL takes a request without one and stores a hash of nothing (contract 11.4).
        let new = self.new_password.unwrap_or_default();
        let new_password = fields.within("NewPassword", "Password");
        let password = new_password.password("Password", new.password, Fields::V2_TEXT)?;
        let evidence = match self.verification {
            None => None,
            Some(Verification::Password(current)) => {
                let current = fields.password("CurrentPassword", current, Fields::V2_TEXT)?;
                Some(Evidence::Password(current))
            }
            Some(Verification::Code(code)) => {
                let field = "VerificationCode";
                fields.length(field, &code, ResetCode::MAX_CODE_POINTS)?;
                let code = ResetCode::new(code);
                Some(Evidence::Code(code.map_err(|_| fields.refuse(field))?))
            }
        };
        let set = set(&work, user, evidence, password, new.change_required).await?;
        let details = set.map_err(|error| work.refuse(&error))?;
        Ok(Self::Response {
            details: details::member_v2(&details),
        })
    }
}

async fn set(
    work: &Work,
    user: UserId,
    evidence: Option<Evidence>,
    password: Password,
    must_change: bool,
) -> Result<Result<ObjectDetails, Error>, ErrorStatus> {
    let (operation, time) = (work.operation()?, work.time.for_retries());
    Ok(match evidence {
        None => {
            let request = Replace::new(user, password)
                .with_must_change(must_change)
                .with_operation(operation)
                .with_time_limit(time);
            work.service().set_password(&work.proof, request).await
        }
        Some(evidence) => {
            let request = ChangePassword::new(user, evidence, password)
                .with_must_change(must_change)
                .with_operation(operation)
                .with_time_limit(time);
            work.service().change_password(&work.proof, request).await
        }
    })
}
