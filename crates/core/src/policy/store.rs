//! Where policies come from.

use std::{collections::HashMap, fmt::Debug};

use async_trait::async_trait;

use super::ComplexityPolicy;
use crate::{error::StoreError, id::OrgId};

/// Policies per organisation, with an instance default.
#[async_trait]
pub trait PolicyStore: Debug + Send + Sync + 'static {
    /// The organisation's own policy where it has one, otherwise the instance's.
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
}

/// Policies that are fixed when the service is built.
#[derive(Debug, Clone, Default)]
pub struct StaticPolicies {
    default: ComplexityPolicy,
    organisations: HashMap<OrgId, ComplexityPolicy>,
}

impl StaticPolicies {
    /// The same policy for every organisation without one of its own.
    ///
    /// ```
    /// use portcullis_core::{ComplexityPolicy, StaticPolicies};
    /// let policies = StaticPolicies::new(ComplexityPolicy::min_length(15)?);
    /// # Ok::<_, portcullis_core::ComplexityPolicyError>(())
    /// ```
    #[must_use]
    pub fn new(default: ComplexityPolicy) -> Self {
        Self {
            default,
            organisations: HashMap::new(),
        }
    }

    /// Gives one organisation its own policy.
    #[must_use]
    pub fn with_organisation(mut self, organisation: OrgId, policy: ComplexityPolicy) -> Self {
        self.organisations.insert(organisation, policy);
        self
    }
}

#[async_trait]
impl PolicyStore for StaticPolicies {
    async fn complexity(&self, organisation: &OrgId) -> Result<ComplexityPolicy, StoreError> {
        Ok(self
            .organisations
            .get(organisation)
            .copied()
            .unwrap_or(self.default))
    }
}
