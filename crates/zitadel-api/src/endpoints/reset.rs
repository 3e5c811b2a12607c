//! `SendHumanResetPasswordNotification`: a code for the user's own hands (contract section 1.5).

use portcullis_core::{
    Caller, Code, Error, ErrorKind, ErrorStatus, Permission, RequestReset, ResetRefusal,
};

use super::service;
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::{Malformed, Message, Value},
    validate::Fields,
    wire::zitadel::management::v1,
};

/// Issues a code. Whoever delivers it reads of it in the outbox.
#[derive(Default)]
pub(crate) struct SendHumanResetPasswordNotification {
    user_id: String,
    medium: i32,
}

/// How to deliver it: by e-mail or by SMS.
const MEDIA: [(&str, i32); 2] = [("TYPE_EMAIL", 0), ("TYPE_SMS", 1)];

impl Message for SendHumanResetPasswordNotification {
    const FIELDS: &'static [(&'static str, u32)] = &[("user_id", 1), ("type", 2)];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => self.user_id = value.text()?,
            _ => self.medium = value.choice(&MEDIA)?,
        }
        Ok(())
    }
}

impl Endpoint for SendHumanResetPasswordNotification {
    const SERVICE: &'static str = service::MANAGEMENT;
    const NAME: &'static str = "SendHumanResetPasswordNotification";
    type Response = v1::SendHumanResetPasswordNotificationResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::to(Permission::UserWrite, &self.user_id)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        let user = fields.id("UserId", &self.user_id)?;
        if !MEDIA.iter().any(|(_, known)| *known == self.medium) {
            return Err(fields.refuse("Type: value must be one of the defined enum values"));
        }
        let request = RequestReset::new(user)
            .with_operation(work.operation()?)
            .with_time_limit(work.time.for_retries());
        let requested = work.service().request_reset(&work.proof, request).await;
        let requested = requested.map_err(|error| refuse(&work, &error))?;
        Ok(Self::Response {
            details: details::member(&requested.details),
        })
    }
}

/// Version 1 has ids of its own.
fn refuse(work: &Work, error: &Error) -> ErrorStatus {
    let status = work.refuse(error);
    let (id, text) = match error.kind() {
        ErrorKind::ResetRefused(ResetRefusal::UserNotFound) => {
            ("COMMAND-Hj9ds", "User could not be found")
        }
        ErrorKind::ResetRefused(ResetRefusal::UserNotInitialised) => {
            ("COMMAND-2M9sd", "User is not yet initialized")
        }
        _ => return status,
    };
    ErrorStatus::with_id(Code::FailedPrecondition, id, text)
}
