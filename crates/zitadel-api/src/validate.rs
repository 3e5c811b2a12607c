//! Rows 8 and 9 of the step table and their like, in the words of ZITADEL's validator.

use http::HeaderMap;
use portcullis_core::{
    Code, ErrorStatus, IdError, Operation, OperationId, OrgId, Password, PasswordError, UserId,
};
use zeroize::Zeroizing;

use crate::endpoint::Endpoint;

/// Names the message whose fields are at fault. The first field at fault is told, as ZITADEL does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    endpoint: &'static str,
    /// The field that holds a message, and that message.
    within: Option<(&'static str, &'static str)>,
}

impl Fields {
    /// Longest password that version 1 sets, in code points (contract 11.2).
    pub(crate) const V1_PASSWORD: usize = 72;
    /// Longest text of version 2, passwords included, in code points.
    pub(crate) const V2_TEXT: usize = 200;

    pub(crate) const fn of<E: Endpoint>() -> Self {
        Self {
            endpoint: E::NAME,
            within: None,
        }
    }

    /// The fields of a message in one of these fields.
    pub(crate) const fn within(self, field: &'static str, message: &'static str) -> Self {
        Self {
            within: Some((field, message)),
            ..self
        }
    }

    /// A user id of either v1 endpoint that sets a password: without a bound, but for contract 11.14.
    pub(crate) fn any_id(self, field: &str, text: &str) -> Result<UserId, ErrorStatus> {
        UserId::new(text).map_err(|error| {
            let what = match error {
                IdError::Empty => "value length must be at least 1 runes",
                IdError::Nul => "value must not contain NUL",
                IdError::TooLong | _ => "value length must be at most 1024 bytes",
            };
            self.refuse(&format!("{field}: {what}"))
        })
    }

    /// A user id of any other endpoint.
    pub(crate) fn id(self, field: &str, text: &str) -> Result<UserId, ErrorStatus> {
        self.length(field, text, Self::V2_TEXT)?;
        self.any_id(field, text)
    }

    /// A name of 1 to 200 code points, which a store keeps.
    pub(crate) fn plain(self, field: &str, text: &str) -> Result<(), ErrorStatus> {
        self.length(field, text, Self::V2_TEXT)?;
        if text.contains('\0') {
            return Err(self.refuse(&format!("{field}: value must not contain NUL")));
        }
        Ok(())
    }

    pub(crate) fn password(
        self,
        field: &str,
        text: Zeroizing<String>,
        longest: usize,
    ) -> Result<Password, ErrorStatus> {
        self.length(field, &text, longest)?;
        Password::new(text).map_err(|error| match error {
            PasswordError::Empty | PasswordError::TooLong | _ => self.out_of_bounds(field, longest),
        })
    }

    /// 1 to `longest` code points.
    pub(crate) fn length(self, field: &str, text: &str, longest: usize) -> Result<(), ErrorStatus> {
        // A code point has at most four bytes, so a long text need not be counted.
        if text.is_empty() || text.len() > 4 * longest || text.chars().count() > longest {
            return Err(self.out_of_bounds(field, longest));
        }
        Ok(())
    }

    fn out_of_bounds(self, field: &str, longest: usize) -> ErrorStatus {
        self.refuse(&format!(
            "{field}: value length must be between 1 and {longest} runes, inclusive"
        ))
    }

    /// What is wrong with which field.
    pub(crate) fn refuse(self, what: &str) -> ErrorStatus {
        let endpoint = self.endpoint;
        let message = match self.within {
            None => format!("invalid {endpoint}Request.{what}"),
            Some((field, message)) => format!(
                "invalid {endpoint}Request.{field}: embedded message failed validation | \
                 caused by: invalid {message}.{what}"
            ),
        };
        ErrorStatus::plain(Code::InvalidArgument, message)
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
