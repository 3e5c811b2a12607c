//! Version 2 of the policies' read-outs (contract section 1.5).

use portcullis_core::{
    Caller, ErrorStatus, OrgId, Permission, PolicyKind, PolicyScope, PolicyTerms, PolicyView,
};

use super::{policies, service};
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::{Malformed, Message, Value},
    validate::invalid_organisation,
    wire::zitadel::settings::v2,
};

/// Whose settings: an organisation's that is named, the instance's, or the caller's own.
#[derive(Default)]
pub(crate) struct RequestContext {
    organisation: Option<String>,
    instance: bool,
}

impl Message for RequestContext {
    const FIELDS: &'static [(&'static str, u32)] = &[("org_id", 1), ("instance", 2)];
    const ONE_OFS: &'static [&'static [u32]] = &[&[1, 2]];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => (self.organisation, self.instance) = (Some(value.text()?), false),
            _ => (self.organisation, self.instance) = (None, value.flag()?),
        }
        Ok(())
    }
}

impl RequestContext {
    fn scope(&self) -> PolicyScope {
        if self.instance {
            PolicyScope::Instance
        } else {
            PolicyScope::Organisation
        }
    }

    fn organisation(&self) -> Result<Option<OrgId>, ErrorStatus> {
        let named = self.organisation.as_deref().filter(|id| !id.is_empty());
        let named = named.map(OrgId::new).transpose();
        named.map_err(|_| invalid_organisation())
    }
}

macro_rules! settings {
    ($($endpoint:ident: $kind:ident, $convert:ident, $response:ident;)+) => {
        $(
            /// Reads settings.
            #[derive(Default)]
            pub(crate) struct $endpoint {
                context: RequestContext,
            }

            impl Message for $endpoint {
                const FIELDS: &'static [(&'static str, u32)] = &[("ctx", 1)];

                fn set(&mut self, _: u32, value: Value<'_>) -> Result<(), Malformed> {
                    value.message(&mut self.context)
                }

                fn bind_query(&mut self, name: &str, text: &str) -> Result<(), Malformed> {
                    match name {
                        "ctx.orgId" | "ctx.org_id" => self.context.bind("org_id", text),
                        "ctx.instance" => self.context.bind("instance", text),
                        _ => Ok(()),
                    }
                }
            }

            impl Endpoint for $endpoint {
                const SERVICE: &'static str = service::SETTINGS;
                const NAME: &'static str = stringify!($endpoint);
                type Response = v2::$response;

                fn access(&self, _: &Caller) -> Access {
                    Access::organisation(Permission::PolicyRead)
                }

                fn organisation(&self) -> Result<Option<OrgId>, ErrorStatus> {
                    self.context.organisation()
                }

                async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
                    let scope = self.context.scope();
                    let view = policies::read(&work, PolicyKind::$kind, scope).await?;
                    Ok(Self::Response {
                        details: details::member_v2(&view.details),
                        settings: buffa::MessageField::some($convert(&view)),
                    })
                }
            }
        )+
    };
}

settings! {
    GetPasswordComplexitySettings: Complexity, complexity, GetPasswordComplexitySettingsResponse;
    GetPasswordExpirySettings: Age, expiry, GetPasswordExpirySettingsResponse;
    GetLockoutSettings: Lockout, lockout, GetLockoutSettingsResponse;
}

fn owner(view: &PolicyView) -> v2::ResourceOwnerType {
    if view.is_default {
        v2::ResourceOwnerType::Instance
    } else {
        v2::ResourceOwnerType::Org
    }
}

fn complexity(view: &PolicyView) -> v2::PasswordComplexitySettings {
    let PolicyTerms::Complexity(terms) = view.terms else {
        return v2::PasswordComplexitySettings::default();
    };
    v2::PasswordComplexitySettings {
        min_length: terms.min_length.into(),
        requires_uppercase: terms.uppercase,
        requires_lowercase: terms.lowercase,
        requires_number: terms.number,
        requires_symbol: terms.symbol,
        resource_owner_type: owner(view).into(),
    }
}

fn expiry(view: &PolicyView) -> v2::PasswordExpirySettings {
    let PolicyTerms::Age(terms) = view.terms else {
        return v2::PasswordExpirySettings::default();
    };
    v2::PasswordExpirySettings {
        max_age_days: terms.max_days,
        expire_warn_days: terms.warn_days,
        resource_owner_type: owner(view).into(),
    }
}

fn lockout(view: &PolicyView) -> v2::LockoutSettings {
    let PolicyTerms::Lockout(terms) = view.terms else {
        return v2::LockoutSettings::default();
    };
    v2::LockoutSettings {
        max_password_attempts: terms.max_attempts,
        max_otp_attempts: terms.max_otp_attempts,
        resource_owner_type: owner(view).into(),
    }
}
