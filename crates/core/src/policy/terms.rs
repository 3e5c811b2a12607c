//! Policies as they are read and written through an API.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::ComplexityPolicy;
use crate::{
    authority::Authorized,
    details::ObjectDetails,
    error::{Error, PolicyRefusal},
    id::Operation,
};

/// Which policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyKind {
    /// How old passwords may become.
    Age,
    /// What passwords must be made of.
    Complexity,
    /// How many wrong answers an account stands.
    Lockout,
}

impl PolicyKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Complexity => "complexity",
            Self::Lockout => "lockout",
        }
    }
}

/// Whose policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyScope {
    /// The default of the instance, for organisations without one of their own.
    Instance,
    /// What applies in the organisation of the proof.
    Organisation,
}

/// The part of an [`AgePolicy`](super::AgePolicy) that ZITADEL's API writes, in days; 0 is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "it is what the contract has")]
pub struct AgeTerms {
    /// When a password expires.
    pub max_days: u64,
    /// How long before that a login is told.
    pub warn_days: u64,
}

/// The part of a [`LockoutPolicy`](super::LockoutPolicy) that ZITADEL's API writes; 0 is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "it is what the contract has")]
pub struct LockoutTerms {
    /// Wrong passwords until a user is locked.
    pub max_attempts: u64,
    /// Wrong one-time passwords until a user is locked: kept for the application, which checks
    /// those.
    pub max_otp_attempts: u64,
}

/// One policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyTerms {
    /// How old passwords may become.
    Age(AgeTerms),
    /// What passwords must be made of.
    Complexity(ComplexityPolicy),
    /// How many wrong answers an account stands.
    Lockout(LockoutTerms),
}

impl PolicyTerms {
    /// Which policy these are the terms of.
    #[must_use]
    pub const fn kind(&self) -> PolicyKind {
        match self {
            Self::Age(_) => PolicyKind::Age,
            Self::Complexity(_) => PolicyKind::Complexity,
            Self::Lockout(_) => PolicyKind::Lockout,
        }
    }
}

/// A policy that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyView {
    /// What it says.
    pub terms: PolicyTerms,
    /// Whether it is the instance's default.
    pub is_default: bool,
    /// When it was written. One that the server was started with has no sequence and no dates.
    pub details: ObjectDetails,
}

/// What becomes of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyChange {
    /// An organisation without one of its own begins to have one.
    Add(PolicyTerms),
    /// The organisation follows the instance's default again.
    Reset(PolicyKind),
    /// The organisation's own, or the instance's default, is another from now on.
    Update(PolicyTerms),
}

impl PolicyChange {
    /// Which policy changes.
    #[must_use]
    pub const fn kind(&self) -> PolicyKind {
        match self {
            Self::Add(terms) | Self::Update(terms) => terms.kind(),
            Self::Reset(kind) => *kind,
        }
    }

    pub(super) const fn terms(&self) -> Option<PolicyTerms> {
        match self {
            Self::Add(terms) | Self::Update(terms) => Some(*terms),
            Self::Reset(_) => None,
        }
    }

    /// Whether it makes sense where there is one, or none, now.
    pub(super) fn refusal(&self, present: Option<PolicyTerms>) -> Option<PolicyRefusal> {
        match (self, present) {
            (Self::Add(_), Some(_)) => Some(PolicyRefusal::Exists),
            (Self::Reset(_), None) => Some(PolicyRefusal::NotFoundToReset),
            (Self::Update(_), None) => Some(PolicyRefusal::NotFound),
            (Self::Update(terms), Some(present)) if *terms == present => {
                Some(PolicyRefusal::Unchanged)
            }
            _ => None,
        }
    }
}

/// Writes one policy.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChangePolicy {
    /// Whose.
    pub scope: PolicyScope,
    /// What becomes of it.
    pub change: PolicyChange,
    /// Names the call, so that it can be repeated safely. One is made up where it is absent.
    pub operation: Option<Operation>,
    /// How long lost races are tried again.
    pub time_limit: Duration,
}

impl ChangePolicy {
    /// A change within ten seconds.
    ///
    /// ```
    /// use portcullis_core::{ChangePolicy, PolicyChange, PolicyKind, PolicyScope};
    /// let request = ChangePolicy::new(PolicyScope::Organisation, PolicyChange::Reset(PolicyKind::Age));
    /// assert_eq!(request.time_limit.as_secs(), 10);
    /// ```
    #[must_use]
    pub const fn new(scope: PolicyScope, change: PolicyChange) -> Self {
        Self {
            scope,
            change,
            operation: None,
            time_limit: Duration::from_secs(10),
        }
    }

    /// Names the call.
    #[must_use]
    pub const fn with_operation(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Another limit.
    #[must_use]
    pub const fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }
}

/// Reads and writes policies. [`StoredPolicies`](super::StoredPolicies) is the one implementation.
#[async_trait]
pub trait PolicyService: std::fmt::Debug + Send + Sync + 'static {
    /// The policy that applies in the organisation of the proof, or the instance's default.
    ///
    /// Asks for [`Permission::PolicyRead`](crate::Permission::PolicyRead), or for
    /// [`Permission::Authenticated`](crate::Permission::Authenticated) at home, or, for the
    /// instance's, also for [`Permission::InstancePolicyRead`](crate::Permission::InstancePolicyRead).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Caller, MemoryStore, OrgId, Permission, UserId, danger, StaticPolicies, SystemClock};
    /// # let operator = Caller::new(UserId::new("1")?, None);
    /// # let proof = danger::assume(operator, OrgId::new("acme")?, Permission::PolicyRead, "");
    /// use portcullis_core::{PolicyKind, PolicyScope, PolicyService, StoredPolicies};
    /// let store = Arc::new(MemoryStore::new());
    /// let policies = StoredPolicies::new(store, StaticPolicies::default(), Arc::new(SystemClock::new()));
    /// let view = policies.policy(&proof, PolicyKind::Age, PolicyScope::Organisation).await?;
    /// assert!(view.is_default);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the policy cannot be read, or the proof is about something else.
    async fn policy(
        &self,
        proof: &Authorized,
        kind: PolicyKind,
        scope: PolicyScope,
    ) -> Result<PolicyView, Error>;

    /// Writes a policy. What it says applies to calls that begin after this one ended here, and on
    /// other servers [a second](super::StoredPolicies::STALE_FOR) later.
    ///
    /// Asks for [`Permission::PolicyWrite`](crate::Permission::PolicyWrite), for
    /// [`Permission::PolicyDelete`](crate::Permission::PolicyDelete) where it is reset, and for
    /// [`Permission::InstancePolicyWrite`](crate::Permission::InstancePolicyWrite) where it is the
    /// instance's.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::sync::Arc;
    /// # use portcullis_core::{Caller, MemoryStore, OrgId, Permission, UserId, danger, StaticPolicies, SystemClock};
    /// # let operator = Caller::new(UserId::new("1")?, None);
    /// # let proof = danger::assume(operator, OrgId::new("acme")?, Permission::PolicyWrite, "");
    /// use portcullis_core::{ChangePolicy, ComplexityPolicy, PolicyChange, PolicyScope, PolicyTerms};
    /// use portcullis_core::{PolicyService, StoredPolicies};
    /// let store = Arc::new(MemoryStore::new());
    /// let policies = StoredPolicies::new(store, StaticPolicies::default(), Arc::new(SystemClock::new()));
    /// let terms = PolicyTerms::Complexity(ComplexityPolicy::min_length(15)?);
    /// let request = ChangePolicy::new(PolicyScope::Organisation, PolicyChange::Add(terms));
    /// assert_eq!(policies.change_policy(&proof, request).await?.sequence, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PolicyRefused`](crate::ErrorKind::PolicyRefused) where it makes no sense as things stand.
    async fn change_policy(
        &self,
        proof: &Authorized,
        request: ChangePolicy,
    ) -> Result<ObjectDetails, Error>;
}
