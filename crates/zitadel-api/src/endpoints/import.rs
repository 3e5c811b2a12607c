//! `ImportHumanUser`: a user who comes from elsewhere (contract section 1.5).

use portcullis_core::{
    Caller, Error, ErrorKind, ErrorStatus, HashString, ImportUser, ImportedPassword, Permission,
};
use zeroize::Zeroizing;

use super::service;
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::{Malformed, Message, Value, plain_messages},
    validate::Fields,
    wire::zitadel::management::v1,
};

/// Creates a human, with a password or a hash of one. What else it may say is not about passwords
/// and belongs to the embedding application.
#[derive(Default)]
pub(crate) struct ImportHumanUser {
    user_name: String,
    password: Zeroizing<String>,
    hashed_password: Option<HashedPassword>,
    password_change_required: bool,
}

plain_messages! {
    /// A hash that another system made.
    HashedPassword {
        value = 1: Zeroizing<String>, secret;
    }
}

impl Message for ImportHumanUser {
    const FIELDS: &'static [(&'static str, u32)] = &[
        ("user_name", 1),
        ("password", 5),
        ("hashed_password", 6),
        ("password_change_required", 7),
    ];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => self.user_name = value.text()?,
            5 => self.password = value.secret()?,
            6 => value.message(self.hashed_password.get_or_insert_default())?,
            _ => self.password_change_required = value.flag()?,
        }
        Ok(())
    }
}

impl Endpoint for ImportHumanUser {
    const SERVICE: &'static str = service::MANAGEMENT;
    const NAME: &'static str = "ImportHumanUser";
    type Response = v1::ImportHumanUserResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::organisation(Permission::UserWrite)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let fields = Fields::of::<Self>();
        fields.plain("UserName", &self.user_name)?;
        let hash = self
            .hashed_password
            .map(|hash| hash.value)
            .filter(|hash| !hash.is_empty());
        let password = match hash {
            Some(hash) => {
                let hash = HashString::parse(&hash);
                ImportedPassword::Hash(hash.map_err(|error| {
                    let refused = ErrorKind::HashRefused((&error).into());
                    work.refuse(&Error::new(refused))
                })?)
            }
            None if self.password.is_empty() => ImportedPassword::None,
            None => {
                let longest = Fields::V1_PASSWORD;
                let password = fields.password("Password", self.password, longest)?;
                ImportedPassword::Password(password)
            }
        };
        let request = ImportUser::new(self.user_name, password)
            .with_must_change(self.password_change_required)
            .with_operation(work.operation()?)
            .with_time_limit(work.time.for_retries());
        let imported = work.service().import_user(&work.proof, request).await;
        let imported = imported.map_err(|error| work.refuse(&error))?;
        Ok(Self::Response {
            user_id: imported.user.as_str().to_owned(),
            details: details::member(&imported.details),
        })
    }
}
