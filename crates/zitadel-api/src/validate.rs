//! Rows 8 and 9 of the step table, in the words of ZITADEL's validator.

use http::HeaderMap;
use portcullis_core::{
    Code, ErrorStatus, IdError, Operation, OperationId, OrgId, Password, PasswordError, UserId,
};
use zeroize::Zeroizing;

use crate::command::Request;

/// Longest password that both v1 endpoints set, in code points (contract 11.2).
const MAX_CODE_POINTS: usize = 72;
const PASSWORD_LENGTH: &str = "Password: value length must be between 1 and 72 runes, inclusive";

/// Names the message whose fields are at fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validator {
    message: &'static str,
}

/// A request whose fields are what they should be.
pub(crate) struct Valid {
    pub(crate) user: UserId,
    pub(crate) password: Password,
    pub(crate) no_change_required: bool,
}

impl Validator {
    pub(crate) const fn new(message: &'static str) -> Self {
        Self { message }
    }

    /// Reports the first field at fault only, as ZITADEL does.
    pub(crate) fn validate(self, request: Request) -> Result<Valid, ErrorStatus> {
        let user = UserId::new(request.user_id).map_err(|error| {
            self.refuse(match error {
                IdError::Empty => "UserId: value length must be at least 1 runes",
                IdError::Nul => "UserId: value must not contain NUL",
                IdError::TooLong | _ => "UserId: value length must be at most 1024 bytes",
            })
        })?;
        let password = self.password(request.password)?;
        Ok(Valid {
            user,
            password,
            no_change_required: request.no_change_required,
        })
    }

    fn password(self, text: Zeroizing<String>) -> Result<Password, ErrorStatus> {
        let refuse = || self.refuse(PASSWORD_LENGTH);
        let password = Password::new(text).map_err(|error| match error {
            PasswordError::Empty | PasswordError::TooLong | _ => refuse(),
        })?;
        if password.composition().code_points > MAX_CODE_POINTS {
            return Err(refuse());
        }
        Ok(password)
    }

    fn refuse(self, what: &'static str) -> ErrorStatus {
        ErrorStatus::plain(
            Code::InvalidArgument,
            format!("invalid {}.{what}", self.message),
        )
    }
}

/// Names the organisation (contract section 5).
pub(crate) const ORGANISATION: &str = "x-zitadel-orgid";

/// The organisation that a request names, if it names one (contract section 5).
pub(crate) fn organisation(headers: &HeaderMap) -> Result<Option<OrgId>, ErrorStatus> {
    let header = headers
        .get(ORGANISATION)
        .filter(|header| !header.is_empty());
    let Some(header) = header else {
        return Ok(None);
    };
    let text = std::str::from_utf8(header.as_bytes()).map_err(|_| invalid_organisation())?;
    OrgId::new(text)
        .map(Some)
        .map_err(|_| invalid_organisation())
}

pub(crate) fn invalid_organisation() -> ErrorStatus {
    ErrorStatus::plain(
        Code::InvalidArgument,
        "invalid x-zitadel-orgid: value must be 1 to 1024 bytes of UTF-8 without NUL",
    )
}

/// Carries the operation id, in both directions (contract 11.16).
pub(crate) const OPERATION: &str = "x-portcullis-operation-id";

/// The operation id that a request names: none, a good one, or one that is refused later, in
/// its turn.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named {
    Invalid(OperationId),
    Valid(Operation),
}

impl Named {
    pub(crate) fn from_headers(headers: &HeaderMap, fresh: OperationId) -> Self {
        let header = headers.get(OPERATION).filter(|header| !header.is_empty());
        let Some(header) = header else {
            return Self::Valid(Operation::Fresh(fresh));
        };
        match header.to_str().ok().and_then(|text| text.parse().ok()) {
            Some(given) => Self::Valid(Operation::Given(given)),
            None => Self::Invalid(fresh),
        }
    }

    /// What the response carries; for an id that is refused it is a fresh one, never applied.
    pub(crate) const fn id(&self) -> OperationId {
        match self {
            Self::Invalid(id) => *id,
            Self::Valid(operation) => operation.id(),
        }
    }

    pub(crate) fn operation(self) -> Result<Operation, ErrorStatus> {
        match self {
            Self::Valid(operation) => Ok(operation),
            Self::Invalid(_) => Err(ErrorStatus::plain(
                Code::InvalidArgument,
                "invalid x-portcullis-operation-id: value must be 32 hexadecimal digits",
            )),
        }
    }
}
