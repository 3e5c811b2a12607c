//! Complexity, age and lockout policies: read, begun, changed and ended (contract sections 1.5 and 6).

use std::sync::Arc;

use portcullis_core::{
    AgeTerms, Caller, ChangePolicy, Code, ComplexityPolicy, ErrorStatus, LockoutTerms,
    ObjectDetails, Permission, PolicyChange, PolicyKind, PolicyScope, PolicyService, PolicyTerms,
    PolicyView,
};

use super::service;
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::plain_messages,
    wire::zitadel::{management::v1, policy::v1 as policy},
};

plain_messages! {
    /// What applies in the organisation.
    GetPasswordComplexityPolicy {}
    GetPasswordAgePolicy {}
    GetLockoutPolicy {}
    /// What applies where an organisation has none of its own.
    GetDefaultPasswordComplexityPolicy {}
    GetDefaultPasswordAgePolicy {}
    GetDefaultLockoutPolicy {}
    /// Begins a policy of the organisation's own.
    AddCustomPasswordComplexityPolicy {
        min_length = 1: u64, uint64;
        has_uppercase = 2: bool, flag;
        has_lowercase = 3: bool, flag;
        has_number = 4: bool, flag;
        has_symbol = 5: bool, flag;
    }
    AddCustomPasswordAgePolicy {
        max_age_days = 1: u32, uint32;
        expire_warn_days = 2: u32, uint32;
    }
    AddCustomLockoutPolicy {
        max_password_attempts = 1: u32, uint32;
        max_otp_attempts = 2: u32, uint32;
    }
    /// Changes it.
    UpdateCustomPasswordComplexityPolicy {
        min_length = 1: u64, uint64;
        has_uppercase = 2: bool, flag;
        has_lowercase = 3: bool, flag;
        has_number = 4: bool, flag;
        has_symbol = 5: bool, flag;
    }
    UpdateCustomPasswordAgePolicy {
        max_age_days = 1: u32, uint32;
        expire_warn_days = 2: u32, uint32;
    }
    UpdateCustomLockoutPolicy {
        max_password_attempts = 1: u32, uint32;
        max_otp_attempts = 2: u32, uint32;
    }
    /// Ends it.
    ResetPasswordComplexityPolicyToDefault {}
    ResetPasswordAgePolicyToDefault {}
    ResetLockoutPolicyToDefault {}
}

/// A message of terms that a policy can be written from.
trait Terms {
    fn terms(&self) -> Result<PolicyTerms, ErrorStatus>;
}

macro_rules! complexity_terms {
    ($($message:ident)+) => {
        $(
            impl Terms for $message {
                fn terms(&self) -> Result<PolicyTerms, ErrorStatus> {
                    let length = u8::try_from(self.min_length).unwrap_or(u8::MAX);
                    let policy = ComplexityPolicy::min_length(length);
                    let policy = policy.map_err(|_| length_not_allowed())?;
                    let (lowercase, uppercase) = (self.has_lowercase, self.has_uppercase);
                    let (number, symbol) = (self.has_number, self.has_symbol);
                    let policy = policy.with_classes(lowercase, uppercase, number, symbol);
                    Ok(PolicyTerms::Complexity(policy))
                }
            }
        )+
    };
}

macro_rules! age_terms {
    ($($message:ident)+) => {
        $(
            impl Terms for $message {
                fn terms(&self) -> Result<PolicyTerms, ErrorStatus> {
                    Ok(PolicyTerms::Age(AgeTerms {
                        max_days: self.max_age_days.into(),
                        warn_days: self.expire_warn_days.into(),
                    }))
                }
            }
        )+
    };
}

macro_rules! lockout_terms {
    ($($message:ident)+) => {
        $(
            impl Terms for $message {
                fn terms(&self) -> Result<PolicyTerms, ErrorStatus> {
                    Ok(PolicyTerms::Lockout(LockoutTerms {
                        max_attempts: self.max_password_attempts.into(),
                        max_otp_attempts: self.max_otp_attempts.into(),
                    }))
                }
            }
        )+
    };
}

complexity_terms!(AddCustomPasswordComplexityPolicy UpdateCustomPasswordComplexityPolicy);
age_terms!(AddCustomPasswordAgePolicy UpdateCustomPasswordAgePolicy);
lockout_terms!(AddCustomLockoutPolicy UpdateCustomLockoutPolicy);

fn length_not_allowed() -> ErrorStatus {
    let text = "Given minimum length is not allowed";
    ErrorStatus::with_id(Code::InvalidArgument, "MODEL-Lsp0e", text)
}

macro_rules! reads {
    ($($endpoint:ident: $scope:ident, $convert:ident, $response:ident { $($more:ident)? };)+) => {
        $(
            impl Endpoint for $endpoint {
                const SERVICE: &'static str = service::MANAGEMENT;
                const NAME: &'static str = stringify!($endpoint);
                type Response = v1::$response;

                fn access(&self, _: &Caller) -> Access {
                    Access::organisation(Permission::PolicyRead)
                }

                async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
                    let view = read(&work, $convert::KIND, PolicyScope::$scope).await?;
                    Ok(Self::Response {
                        $($more: view.is_default,)?
                        policy: buffa::MessageField::some($convert::wire(&view)),
                    })
                }
            }
        )+
    };
}

reads! {
    GetPasswordComplexityPolicy: Organisation, complexity, GetPasswordComplexityPolicyResponse { is_default };
    GetPasswordAgePolicy: Organisation, age, GetPasswordAgePolicyResponse { is_default };
    GetLockoutPolicy: Organisation, lockout, GetLockoutPolicyResponse { is_default };
    GetDefaultPasswordComplexityPolicy: Instance, complexity, GetDefaultPasswordComplexityPolicyResponse {};
    GetDefaultPasswordAgePolicy: Instance, age, GetDefaultPasswordAgePolicyResponse {};
    GetDefaultLockoutPolicy: Instance, lockout, GetDefaultLockoutPolicyResponse {};
}

macro_rules! writes {
    ($($endpoint:ident: $permission:ident, $change:expr, $response:ident;)+) => {
        $(
            impl Endpoint for $endpoint {
                const SERVICE: &'static str = service::MANAGEMENT;
                const NAME: &'static str = stringify!($endpoint);
                type Response = v1::$response;

                fn access(&self, _: &Caller) -> Access {
                    Access::organisation(Permission::$permission)
                }

                async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
                    let change: fn(&Self) -> Result<PolicyChange, ErrorStatus> = $change;
                    let change = change(&self)?;
                    let details = write(&work, PolicyScope::Organisation, change).await?;
                    Ok(Self::Response {
                        details: details::member(&details),
                    })
                }
            }
        )+
    };
}

writes! {
    AddCustomPasswordComplexityPolicy: PolicyWrite, add, AddCustomPasswordComplexityPolicyResponse;
    AddCustomPasswordAgePolicy: PolicyWrite, add, AddCustomPasswordAgePolicyResponse;
    AddCustomLockoutPolicy: PolicyWrite, add, AddCustomLockoutPolicyResponse;
    UpdateCustomPasswordComplexityPolicy: PolicyWrite, update, UpdateCustomPasswordComplexityPolicyResponse;
    UpdateCustomPasswordAgePolicy: PolicyWrite, update, UpdateCustomPasswordAgePolicyResponse;
    UpdateCustomLockoutPolicy: PolicyWrite, update, UpdateCustomLockoutPolicyResponse;
    ResetPasswordComplexityPolicyToDefault: PolicyDelete, |_| Ok(PolicyChange::Reset(PolicyKind::Complexity)), ResetPasswordComplexityPolicyToDefaultResponse;
    ResetPasswordAgePolicyToDefault: PolicyDelete, |_| Ok(PolicyChange::Reset(PolicyKind::Age)), ResetPasswordAgePolicyToDefaultResponse;
    ResetLockoutPolicyToDefault: PolicyDelete, |_| Ok(PolicyChange::Reset(PolicyKind::Lockout)), ResetLockoutPolicyToDefaultResponse;
}

fn add(message: &impl Terms) -> Result<PolicyChange, ErrorStatus> {
    message.terms().map(PolicyChange::Add)
}

fn update(message: &impl Terms) -> Result<PolicyChange, ErrorStatus> {
    message.terms().map(PolicyChange::Update)
}

/// Reads a policy.
pub(super) async fn read(
    work: &Work,
    kind: PolicyKind,
    scope: PolicyScope,
) -> Result<PolicyView, ErrorStatus> {
    let view = policies(work)?.policy(&work.proof, kind, scope).await;
    view.map_err(|error| work.refuse(&error))
}

/// Writes a policy.
async fn write(
    work: &Work,
    scope: PolicyScope,
    change: PolicyChange,
) -> Result<ObjectDetails, ErrorStatus> {
    let request = ChangePolicy::new(scope, change)
        .with_operation(work.operation()?)
        .with_time_limit(work.time.for_retries());
    let written = policies(work)?.change_policy(&work.proof, request).await;
    written.map_err(|error| work.refuse(&error))
}

fn policies(work: &Work) -> Result<&Arc<dyn PolicyService>, ErrorStatus> {
    let absent = || ErrorStatus::plain(Code::Unimplemented, "policies are not kept here");
    work.gate.policies.as_ref().ok_or_else(absent)
}

/// The wire's form of each policy. What is not of its kind is the default, which is never sent.
pub(super) mod complexity {
    use super::{PolicyKind, PolicyTerms, PolicyView, details, policy};

    pub(in super::super) const KIND: PolicyKind = PolicyKind::Complexity;

    pub(in super::super) fn wire(view: &PolicyView) -> policy::PasswordComplexityPolicy {
        let PolicyTerms::Complexity(terms) = view.terms else {
            return policy::PasswordComplexityPolicy::default();
        };
        policy::PasswordComplexityPolicy {
            details: details::member(&view.details),
            min_length: terms.min_length.into(),
            has_uppercase: terms.uppercase,
            has_lowercase: terms.lowercase,
            has_number: terms.number,
            has_symbol: terms.symbol,
            is_default: view.is_default,
        }
    }
}

mod age {
    use super::{PolicyKind, PolicyTerms, PolicyView, details, policy};

    pub(super) const KIND: PolicyKind = PolicyKind::Age;

    pub(super) fn wire(view: &PolicyView) -> policy::PasswordAgePolicy {
        let PolicyTerms::Age(terms) = view.terms else {
            return policy::PasswordAgePolicy::default();
        };
        policy::PasswordAgePolicy {
            details: details::member(&view.details),
            max_age_days: terms.max_days,
            expire_warn_days: terms.warn_days,
            is_default: view.is_default,
        }
    }
}

mod lockout {
    use super::{PolicyKind, PolicyTerms, PolicyView, details, policy};

    pub(super) const KIND: PolicyKind = PolicyKind::Lockout;

    pub(super) fn wire(view: &PolicyView) -> policy::LockoutPolicy {
        let PolicyTerms::Lockout(terms) = view.terms else {
            return policy::LockoutPolicy::default();
        };
        policy::LockoutPolicy {
            details: details::member(&view.details),
            max_password_attempts: terms.max_attempts,
            max_otp_attempts: terms.max_otp_attempts,
            is_default: view.is_default,
        }
    }
}
