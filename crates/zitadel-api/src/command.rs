//! The one form of a request behind all transports, so that they cannot drift.

use portcullis_core::{
    Authorized, Error, ObjectDetails, Operation, PasswordService, SetInitialPassword, SetPassword,
};
use zeroize::Zeroizing;

use crate::{
    call::TimeBudget,
    validate::{Valid, Validator},
};

/// The methods of `zitadel.management.v1.ManagementService` that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    SetHumanInitialPassword,
    SetHumanPassword,
}

impl Endpoint {
    /// The name of the method, and of the metric label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SetHumanInitialPassword => "SetHumanInitialPassword",
            Self::SetHumanPassword => "SetHumanPassword",
        }
    }

    /// The endpoint behind an RPC path without its leading slash.
    pub(crate) fn from_path(path: &str) -> Option<Self> {
        match path.strip_prefix(SERVICE)?.strip_prefix('/')? {
            "SetHumanInitialPassword" => Some(Self::SetHumanInitialPassword),
            "SetHumanPassword" => Some(Self::SetHumanPassword),
            _ => None,
        }
    }

    /// Whether the request has the field `no_change_required`.
    pub(crate) const fn has_no_change_required(self) -> bool {
        matches!(self, Self::SetHumanPassword)
    }

    pub(crate) const fn validator(self) -> Validator {
        match self {
            Self::SetHumanInitialPassword => Validator::new("SetHumanInitialPasswordRequest"),
            Self::SetHumanPassword => Validator::new("SetHumanPasswordRequest"),
        }
    }

    /// Does it.
    pub(crate) async fn perform(
        self,
        service: &dyn PasswordService,
        proof: &Authorized,
        valid: Valid,
        operation: Operation,
        time: TimeBudget,
    ) -> Result<ObjectDetails, Error> {
        let Valid {
            user,
            password,
            no_change_required,
        } = valid;
        match self {
            Self::SetHumanPassword => {
                let request = SetPassword::new(user, password)
                    .with_must_change(!no_change_required)
                    .with_operation(operation)
                    .with_time_limit(time.for_retries());
                service.set_password(proof, request).await
            }
            Self::SetHumanInitialPassword => {
                let request = SetInitialPassword::new(user, password)
                    .with_operation(operation)
                    .with_time_limit(time.for_retries());
                service.set_initial_password(proof, request).await
            }
        }
    }
}

/// The service's full name, which is also the first segment of its RPC paths.
pub(crate) const SERVICE: &str = "zitadel.management.v1.ManagementService";

/// A decoded request that nobody has looked at yet. It has no `Debug`.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) user_id: String,
    pub(crate) password: Zeroizing<String>,
    pub(crate) no_change_required: bool,
}

/// The body is no request of this endpoint. Why is not told: the reason would repeat input.
#[derive(Debug)]
pub(crate) struct Malformed;
