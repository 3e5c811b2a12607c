//! The ZITADEL complexity policy: a minimum length and four character classes. The other
//! policies are in files of their own.

mod age;
mod lockout;
mod reset_code;
mod store;
mod stored;
mod terms;

use serde::{Deserialize, Serialize};

pub use age::{AgePolicy, Expiry};
pub use lockout::LockoutPolicy;
pub use reset_code::ResetCodePolicy;
pub use store::{Policies, PolicyStore, StaticPolicies};
pub use stored::StoredPolicies;
pub use terms::{
    AgeTerms, ChangePolicy, LockoutTerms, PolicyChange, PolicyKind, PolicyScope, PolicyService,
    PolicyTerms, PolicyView,
};

use crate::secret::Composition;

/// A rule of the policy that a password breaks, in the order in which ZITADEL reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Violation {
    /// Fewer code points than the minimum.
    MinLength,
    /// No lower-case letter.
    Lowercase,
    /// No upper-case letter.
    Uppercase,
    /// No digit.
    Number,
    /// No symbol.
    Symbol,
}

/// Every rule that a password breaks; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// In ZITADEL's order.
    #[must_use]
    pub fn as_slice(&self) -> &[Violation] {
        &self.0
    }
}

/// The minimum length is not between 1 and 72 (MODEL-Lsp0e).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the minimum length of a password must be between 1 and 72")]
pub struct ComplexityPolicyError;

/// What a new password must be made of. Lengths are in code points (contract 11.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ComplexityPolicy {
    /// Shortest length, in code points: 1 to 72.
    pub min_length: u8,
    /// Asks for one of `a` to `z`.
    pub lowercase: bool,
    /// Asks for one of `A` to `Z`.
    pub uppercase: bool,
    /// Asks for one of `0` to `9`.
    pub number: bool,
    /// Asks for anything that is no ASCII letter or digit.
    pub symbol: bool,
}

impl ComplexityPolicy {
    /// A minimum length and no classes, which is what NIST SP 800-63B-4 (3.1.1.2) asks for.
    ///
    /// ```
    /// use portcullis_core::{ComplexityPolicy, Password};
    /// let policy = ComplexityPolicy::min_length(15)?;
    /// let password = Password::new("correct horse battery".to_owned())?;
    /// assert!(policy.check(&password.composition()).is_ok());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the length is not between 1 and 72, the longest that both v1 endpoints can set.
    pub const fn min_length(code_points: u8) -> Result<Self, ComplexityPolicyError> {
        if code_points == 0 || code_points > 72 {
            return Err(ComplexityPolicyError);
        }
        Ok(Self {
            min_length: code_points,
            lowercase: false,
            uppercase: false,
            number: false,
            symbol: false,
        })
    }

    /// The same minimum with these character classes asked for.
    ///
    /// ```
    /// use portcullis_core::ComplexityPolicy;
    /// let policy = ComplexityPolicy::min_length(8)?.with_classes(true, true, true, true);
    /// assert_eq!(policy, ComplexityPolicy::default());
    /// # Ok::<_, portcullis_core::ComplexityPolicyError>(())
    /// ```
    #[must_use]
    pub const fn with_classes(
        mut self,
        lowercase: bool,
        uppercase: bool,
        number: bool,
        symbol: bool,
    ) -> Self {
        self.lowercase = lowercase;
        self.uppercase = uppercase;
        self.number = number;
        self.symbol = symbol;
        self
    }

    /// Reports every rule that the password breaks, not only the first.
    ///
    /// ```
    /// use portcullis_core::{ComplexityPolicy, Password, Violation};
    /// let composition = Password::new("abc".to_owned())?.composition();
    /// let violations = ComplexityPolicy::default().check(&composition).unwrap_err();
    /// assert_eq!(violations.as_slice(), [
    ///     Violation::MinLength,
    ///     Violation::Uppercase,
    ///     Violation::Number,
    ///     Violation::Symbol,
    /// ]);
    /// # Ok::<_, portcullis_core::PasswordError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The violations, in ZITADEL's order.
    pub fn check(&self, password: &Composition) -> Result<(), Violations> {
        let rules = [
            (
                Violation::MinLength,
                password.code_points < usize::from(self.min_length),
            ),
            (Violation::Lowercase, self.lowercase && !password.lowercase),
            (Violation::Uppercase, self.uppercase && !password.uppercase),
            (Violation::Number, self.number && !password.number),
            (Violation::Symbol, self.symbol && !password.symbol),
        ];
        let broken: Vec<_> = rules
            .into_iter()
            .filter_map(|(rule, broken)| broken.then_some(rule))
            .collect();
        if broken.is_empty() {
            Ok(())
        } else {
            Err(Violations(broken))
        }
    }
}

/// ZITADEL's default: eight characters and all four classes.
impl Default for ComplexityPolicy {
    fn default() -> Self {
        Self {
            min_length: 8,
            lowercase: true,
            uppercase: true,
            number: true,
            symbol: true,
        }
    }
}

impl<'de> Deserialize<'de> for ComplexityPolicy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Unchecked {
            min_length: u8,
            lowercase: bool,
            uppercase: bool,
            number: bool,
            symbol: bool,
        }
        let raw = Unchecked::deserialize(deserializer)?;
        Self::min_length(raw.min_length)
            .map(|policy| policy.with_classes(raw.lowercase, raw.uppercase, raw.number, raw.symbol))
            .map_err(serde::de::Error::custom)
    }
}
