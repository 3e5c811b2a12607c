//! The form of the bootstrap file.

use serde::Deserialize;
use toml::Spanned;

use super::{AgePolicy, ComplexityPolicy, LockoutPolicy, ResetCodePolicy};

/// A problem at a byte of the file.
pub(super) struct Problem {
    pub(super) offset: usize,
    pub(super) text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) instance: Instance,
    #[serde(default)]
    pub(super) org: Vec<Org>,
    #[serde(default)]
    pub(super) user: Vec<FileUser>,
    #[serde(default)]
    pub(super) member: Vec<Member>,
    #[serde(default)]
    pub(super) token: Vec<Token>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Org {
    pub(super) id: Spanned<String>,
    #[serde(default, rename = "name")]
    pub(super) _name: Option<String>,
    pub(super) password_complexity: Option<ComplexityPolicy>,
    pub(super) lockout: Option<LockoutPolicy>,
    pub(super) password_age: Option<AgePolicy>,
    pub(super) reset_code: Option<ResetCodePolicy>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Instance {
    pub(super) answers: Option<Spanned<String>>,
    pub(super) secret: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileUser {
    pub(super) id: Spanned<String>,
    pub(super) org: Spanned<String>,
    pub(super) username: Option<String>,
    pub(super) kind: Option<Spanned<String>>,
    pub(super) state: Option<Spanned<String>>,
    pub(super) password_hash: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    pub(super) user: Spanned<String>,
    pub(super) org: Spanned<String>,
    pub(super) roles: Spanned<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    pub(super) user: Spanned<String>,
    /// The organisation of a user id that several organisations have.
    pub(super) org: Option<Spanned<String>>,
    pub(super) token: Spanned<String>,
}

/// Parses the file. The parser's own words may repeat a value, a token included, so only those
/// that name fields are passed on.
pub(super) fn parse(text: &str) -> Result<File, Problem> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error.message();
        let typed = message.starts_with("invalid type") || message.starts_with("invalid value");
        let expected = message.split_once(", expected ").filter(|_| typed);
        let text = if message.starts_with("unknown field") || message.starts_with("missing field") {
            format!("{message}; see the README for the form of this file")
        } else if let Some((_, expected)) = expected {
            format!("this value has the wrong type or form; expected {expected}")
        } else if message.starts_with("the minimum length") {
            message.to_owned()
        } else {
            "this is not valid TOML; check quotes, brackets and equals signs".to_owned()
        };
        Problem { offset, text }
    })
}
