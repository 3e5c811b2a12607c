//! Where policies come from.

use std::{collections::HashMap, fmt::Debug};

use async_trait::async_trait;

use super::{AgePolicy, ComplexityPolicy, LockoutPolicy, ResetCodePolicy};
use crate::{error::StoreError, id::OrgId};

/// Policies per organisation, with an instance default.
///
/// Each method answers with the organisation's own policy where it has one, otherwise with the
/// instance's.
#[async_trait]
pub trait PolicyStore: Debug + Send + Sync + 'static {
    /// What a new password must be made of.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{ComplexityPolicy, OrgId, PolicyStore, StaticPolicies};
    /// let strict = ComplexityPolicy::min_length(15)?;
    /// let policies = StaticPolicies::default().with_organisation(OrgId::new("acme")?, strict);
    /// assert_eq!(policies.complexity(&OrgId::new("acme")?).await?, strict);
    /// assert_eq!(policies.complexity(&OrgId::new("other")?).await?, ComplexityPolicy::default());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the policy cannot be read. Nothing is set under a policy that is not known.
    async fn complexity(&self, organisation: &OrgId) -> Result<ComplexityPolicy, StoreError>;

    /// How many wrong answers an account stands.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{LockoutPolicy, OrgId, Policies, PolicyStore, StaticPolicies};
    /// let policies = StaticPolicies::new(Policies::default().with_lockout(LockoutPolicy::new(5)));
    /// assert_eq!(policies.lockout(&OrgId::new("acme")?).await?.max_attempts, 5);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the policy cannot be read. Nothing is compared under a policy that is not known.
    async fn lockout(&self, organisation: &OrgId) -> Result<LockoutPolicy, StoreError>;

    /// How old a password may become.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{AgePolicy, OrgId, PolicyStore, StaticPolicies};
    /// let age = StaticPolicies::default().age(&OrgId::new("acme")?).await?;
    /// assert_eq!(age, AgePolicy::default());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the policy cannot be read. Nothing is compared under a policy that is not known.
    async fn age(&self, organisation: &OrgId) -> Result<AgePolicy, StoreError>;

    /// How long a reset code lives.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{OrgId, PolicyStore, StaticPolicies};
    /// let codes = StaticPolicies::default().reset_code(&OrgId::new("acme")?).await?;
    /// assert_eq!(codes.max_guesses, 5);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the policy cannot be read. No code is issued under a policy that is not known.
    async fn reset_code(&self, organisation: &OrgId) -> Result<ResetCodePolicy, StoreError>;
}

/// All policies of one organisation, or of the instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policies {
    /// What a new password must be made of.
    pub complexity: ComplexityPolicy,
    /// How many wrong answers an account stands.
    pub lockout: LockoutPolicy,
    /// How old a password may become.
    pub age: AgePolicy,
    /// How long a reset code lives.
    pub reset_code: ResetCodePolicy,
}

impl Policies {
    /// Another rule for new passwords.
    #[must_use]
    pub const fn with_complexity(mut self, complexity: ComplexityPolicy) -> Self {
        self.complexity = complexity;
        self
    }

    /// Another lockout.
    #[must_use]
    pub const fn with_lockout(mut self, lockout: LockoutPolicy) -> Self {
        self.lockout = lockout;
        self
    }

    /// Other ages.
    #[must_use]
    pub const fn with_age(mut self, age: AgePolicy) -> Self {
        self.age = age;
        self
    }

    /// Other rules for codes.
    #[must_use]
    pub const fn with_reset_code(mut self, reset_code: ResetCodePolicy) -> Self {
        self.reset_code = reset_code;
        self
    }
}

impl From<ComplexityPolicy> for Policies {
    fn from(complexity: ComplexityPolicy) -> Self {
        Self::default().with_complexity(complexity)
    }
}

/// Policies that are fixed when the service is built.
#[derive(Debug, Clone, Default)]
pub struct StaticPolicies {
    default: Policies,
    organisations: HashMap<OrgId, Policies>,
}

impl StaticPolicies {
    /// The same policies for every organisation without any of its own.
    ///
    /// ```
    /// use portcullis_core::{ComplexityPolicy, StaticPolicies};
    /// let policies = StaticPolicies::new(ComplexityPolicy::min_length(15)?);
    /// # Ok::<_, portcullis_core::ComplexityPolicyError>(())
    /// ```
    #[must_use]
    pub fn new(default: impl Into<Policies>) -> Self {
        Self {
            default: default.into(),
            organisations: HashMap::new(),
        }
    }

    /// Gives one organisation its own policies.
    #[must_use]
    pub fn with_organisation(mut self, organisation: OrgId, policies: impl Into<Policies>) -> Self {
        self.organisations.insert(organisation, policies.into());
        self
    }

    /// What an organisation was given of its own.
    pub(super) fn own(&self, organisation: &OrgId) -> Option<&Policies> {
        self.organisations.get(organisation)
    }

    pub(super) const fn default_policies(&self) -> &Policies {
        &self.default
    }

    pub(super) fn of(&self, organisation: &OrgId) -> &Policies {
        self.organisations
            .get(organisation)
            .unwrap_or(&self.default)
    }
}

#[async_trait]
impl PolicyStore for StaticPolicies {
    async fn complexity(&self, organisation: &OrgId) -> Result<ComplexityPolicy, StoreError> {
        Ok(self.of(organisation).complexity)
    }

    async fn lockout(&self, organisation: &OrgId) -> Result<LockoutPolicy, StoreError> {
        Ok(self.of(organisation).lockout)
    }

    async fn age(&self, organisation: &OrgId) -> Result<AgePolicy, StoreError> {
        Ok(self.of(organisation).age)
    }

    async fn reset_code(&self, organisation: &OrgId) -> Result<ResetCodePolicy, StoreError> {
        Ok(self.of(organisation).reset_code)
    }
}
