//! `PasswordReset` of version 2: a code that is delivered, or returned (contract section 1.5).

use portcullis_core::{Caller, ErrorStatus, Permission, RequestReset};

use super::service;
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::{Malformed, Message, Value},
    validate::Fields,
    wire::zitadel::user::v2,
};

/// Issues a code.
#[derive(Default)]
pub(crate) struct PasswordReset {
    user_id: String,
    link: Option<SendLink>,
    return_code: bool,
}

/// Delivery is the embedding application's. No URL is ever made here from what a request says.
#[derive(Default)]
struct SendLink {
    medium: i32,
    url_template: Option<String>,
}

#[derive(Default)]
struct ReturnCode;

const MEDIA: [(&str, i32); 3] = [
    ("NOTIFICATION_TYPE_Unspecified", 0),
    ("NOTIFICATION_TYPE_Email", 1),
    ("NOTIFICATION_TYPE_SMS", 2),
];

impl Message for PasswordReset {
    const FIELDS: &'static [(&'static str, u32)] =
        &[("user_id", 1), ("send_link", 2), ("return_code", 3)];
    const ONE_OFS: &'static [&'static [u32]] = &[&[2, 3]];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => self.user_id = value.text()?,
            2 => {
                value.message(self.link.get_or_insert_default())?;
                self.return_code = false;
            }
            _ => {
                value.message(&mut ReturnCode)?;
                (self.link, self.return_code) = (None, true);
            }
        }
        Ok(())
    }
}

impl Message for SendLink {
    const FIELDS: &'static [(&'static str, u32)] = &[("notification_type", 1), ("url_template", 2)];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => self.medium = value.choice(&MEDIA)?,
            _ => self.url_template = Some(value.text()?),
        }
        Ok(())
    }
}

impl Message for ReturnCode {
    const FIELDS: &'static [(&'static str, u32)] = &[];

    fn set(&mut self, _: u32, _: Value<'_>) -> Result<(), Malformed> {
        Ok(())
    }
}

impl Endpoint for PasswordReset {
    const SERVICE: &'static str = service::USER;
    const NAME: &'static str = "PasswordReset";
    type Response = v2::PasswordResetResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::to(Permission::UserWrite, &self.user_id)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        let user = fields.id("UserId", &self.user_id)?;
        if let Some(SendLink {
            medium,
            url_template,
        }) = self.link
        {
            let link = fields.within("SendLink", "SendPasswordResetLink");
            if !MEDIA.iter().any(|(_, known)| *known == medium) {
                let what = "NotificationType: value must be one of the defined enum values";
                return Err(link.refuse(what));
            }
            if let Some(template) = url_template {
                link.length("UrlTemplate", &template, Fields::V2_TEXT)?;
            }
        }
        let request = RequestReset::new(user)
            .with_return_code(self.return_code)
            .with_operation(work.operation()?)
            .with_time_limit(work.time.for_retries());
        let requested = work.service().request_reset(&work.proof, request).await;
        let requested = requested.map_err(|error| work.refuse(&error))?;
        Ok(Self::Response {
            details: details::member_v2(&requested.details),
            verification_code: requested.code.map(|code| code.expose().to_owned()),
        })
    }
}
