//! Who may do what, decided by the embedding application and carried as a proof.
//!
//! Every method of [`PasswordService`](crate::PasswordService) takes an [`Authorized`] first.
//! There is one way to get one, [`Authorized::ask`], so a call that nobody was asked about does
//! not compile, and one that somebody else's answer was used for is refused.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    error::{Error, ErrorKind},
    id::{OrgId, UserId, UserKey},
    policy::{PolicyChange, PolicyScope},
};

/// Who calls: an authenticated user, and the organisation it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    user: UserId,
    home: Option<OrgId>,
}

impl Caller {
    /// A caller of this organisation, or of none where it belongs to the instance alone.
    ///
    /// ```
    /// use portcullis_core::{Caller, OrgId, UserId};
    /// let caller = Caller::new(UserId::new("1")?, Some(OrgId::new("acme")?));
    /// assert_eq!(caller.user().as_str(), "1");
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    #[must_use]
    pub fn new(user: UserId, home: Option<OrgId>) -> Self {
        Self { user, home }
    }

    /// The user that the token belongs to.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The organisation that applies where a request names none.
    #[must_use]
    pub fn home(&self) -> Option<&OrgId> {
        self.home.as_ref()
    }
}

/// What a caller asks to do, in ZITADEL's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Permission {
    /// `authenticated`: what every caller may do to themselves. It covers no other target than the
    /// caller, in the caller's own organisation.
    Authenticated,
    /// `iam.policy.read`
    InstancePolicyRead,
    /// `iam.policy.write`
    InstancePolicyWrite,
    /// `policy.delete`
    PolicyDelete,
    /// `policy.read`
    PolicyRead,
    /// `policy.write`
    PolicyWrite,
    /// `session.write`: to check a password on a user's behalf, as a login does.
    SessionWrite,
    /// `user.delete`
    UserDelete,
    /// `user.read`
    UserRead,
    /// `user.write`
    UserWrite,
}

impl Permission {
    /// ZITADEL's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::InstancePolicyRead => "iam.policy.read",
            Self::InstancePolicyWrite => "iam.policy.write",
            Self::PolicyDelete => "policy.delete",
            Self::PolicyRead => "policy.read",
            Self::PolicyWrite => "policy.write",
            Self::SessionWrite => "session.write",
            Self::UserDelete => "user.delete",
            Self::UserRead => "user.read",
            Self::UserWrite => "user.write",
        }
    }
}

/// The question put to an [`Authority`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Access<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The organisation that the request names, if it names one.
    pub organisation: Option<&'a OrgId>,
    /// What is to be done.
    pub permission: Permission,
    /// The user it is to be done to, as the request gave it: not validated yet. Empty where it is
    /// done to the organisation.
    pub target: &'a str,
}

/// The answer of an [`Authority`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Allowed, in this organisation.
    Granted(OrgId),
    /// The caller is no member of the organisation, nor of the instance.
    MembershipNotFound,
    /// The organisation does not exist.
    OrganisationNotFound,
    /// The caller is a member without the permission.
    PermissionDenied,
}

/// The embedding application's rules about who may do what.
#[async_trait]
pub trait Authority: Debug + Send + Sync + 'static {
    /// Decides one access. It is asked once for each call, before the call is validated.
    ///
    /// ```
    /// use async_trait::async_trait;
    /// use portcullis_core::{Access, Authority, Error, Verdict};
    ///
    /// /// Everybody may do everything at home.
    /// #[derive(Debug)]
    /// struct Trusting;
    ///
    /// #[async_trait]
    /// impl Authority for Trusting {
    ///     async fn decide(&self, access: Access<'_>) -> Result<Verdict, Error> {
    ///         let organisation = access.organisation.or(access.caller.home());
    ///         Ok(organisation.cloned().map_or(Verdict::OrganisationNotFound, Verdict::Granted))
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// When it cannot be decided; usually [`ErrorKind::Unavailable`].
    async fn decide(&self, access: Access<'_>) -> Result<Verdict, Error>;
}

/// Proof that an [`Authority`] allowed one caller one thing to one user in one organisation.
#[derive(Debug)]
pub struct Authorized {
    caller: Caller,
    organisation: OrgId,
    permission: Permission,
    target: Box<str>,
}

impl Authorized {
    /// Asks the authority.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portcullis_core::{Access, Authority, Error, Verdict};
    /// # #[derive(Debug)] struct Trusting;
    /// # #[async_trait::async_trait] impl Authority for Trusting {
    /// #     async fn decide(&self, access: Access<'_>) -> Result<Verdict, Error> {
    /// #         Ok(access.caller.home().cloned().map_or(Verdict::OrganisationNotFound, Verdict::Granted))
    /// #     }
    /// # }
    /// use portcullis_core::{Authorized, Caller, OrgId, Permission, UserId};
    /// let caller = Caller::new(UserId::new("1")?, Some(OrgId::new("acme")?));
    /// let proof = Authorized::ask(&Trusting, caller, None, Permission::UserWrite, "42").await?;
    /// assert_eq!(proof.organisation().as_str(), "acme");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OrganisationNotFound`], [`ErrorKind::MembershipNotFound`] or
    /// [`ErrorKind::PermissionDenied`] for a refusal, and whatever the authority fails with.
    pub async fn ask(
        authority: &dyn Authority,
        caller: Caller,
        organisation: Option<&OrgId>,
        permission: Permission,
        target: &str,
    ) -> Result<Self, Error> {
        let access = Access {
            caller: &caller,
            organisation,
            permission,
            target,
        };
        let organisation = match authority.decide(access).await? {
            Verdict::Granted(organisation) => organisation,
            Verdict::MembershipNotFound => return Err(ErrorKind::MembershipNotFound.into()),
            Verdict::OrganisationNotFound => return Err(ErrorKind::OrganisationNotFound.into()),
            Verdict::PermissionDenied => return Err(ErrorKind::PermissionDenied.into()),
        };
        Ok(Self {
            caller,
            organisation,
            permission,
            target: target.into(),
        })
    }

    /// Who was allowed.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Where.
    #[must_use]
    pub fn organisation(&self) -> &OrgId {
        &self.organisation
    }

    /// The key of `user`, if this proof is about that user and that permission.
    pub(crate) fn covers(&self, permission: Permission, user: &UserId) -> Result<UserKey, Error> {
        if self.permission == permission && *self.target == *user.as_str() {
            Ok(UserKey::new(self.organisation.clone(), user.clone()))
        } else {
            Err(about_another())
        }
    }
}

fn about_another() -> Error {
    Error::new(ErrorKind::Misuse).with_source("the proof is about another access")
}

impl Authorized {
    /// The key of `user`, if this proof gives `permission` over that user, or if the caller is that
    /// user and asked for what callers may do to themselves.
    pub(crate) fn covers_own(
        &self,
        permission: Permission,
        user: &UserId,
    ) -> Result<UserKey, Error> {
        if self.permission != Permission::Authenticated {
            return self.covers(permission, user);
        }
        let key = self.covers(Permission::Authenticated, user)?;
        if self.is_own(key.organisation()) && self.caller.user() == user {
            Ok(key)
        } else {
            Err(ErrorKind::PermissionDenied.into())
        }
    }

    /// The organisation whose policies may be read with this proof.
    pub(crate) fn covers_policies(&self) -> Result<&OrgId, Error> {
        match self.permission {
            Permission::PolicyRead => Ok(&self.organisation),
            Permission::Authenticated if self.is_own(&self.organisation) => Ok(&self.organisation),
            Permission::Authenticated => Err(ErrorKind::PermissionDenied.into()),
            Permission::InstancePolicyRead
            | Permission::InstancePolicyWrite
            | Permission::PolicyDelete
            | Permission::PolicyWrite
            | Permission::SessionWrite
            | Permission::UserDelete
            | Permission::UserRead
            | Permission::UserWrite => Err(about_another()),
        }
    }

    /// The organisation whose policy, or whose instance's, may be read with this proof.
    pub(crate) fn covers_policy_reading(&self, scope: PolicyScope) -> Result<&OrgId, Error> {
        match (scope, self.permission) {
            (PolicyScope::Instance, Permission::InstancePolicyRead) => Ok(&self.organisation),
            _ => self.covers_policies(),
        }
    }

    /// The organisation whose policy, or whose instance's, may be written so with this proof.
    pub(crate) fn covers_policy_writing(
        &self,
        scope: PolicyScope,
        change: PolicyChange,
    ) -> Result<&OrgId, Error> {
        let permission = match (scope, change) {
            (PolicyScope::Instance, PolicyChange::Update(_)) => Permission::InstancePolicyWrite,
            (PolicyScope::Instance, _) => return Err(about_another()),
            (PolicyScope::Organisation, PolicyChange::Reset(_)) => Permission::PolicyDelete,
            (PolicyScope::Organisation, _) => Permission::PolicyWrite,
        };
        if self.permission == permission {
            Ok(&self.organisation)
        } else {
            Err(about_another())
        }
    }

    /// The organisation in which this proof gives a permission that is about no one user.
    pub(crate) fn covers_organisation(&self, permission: Permission) -> Result<&OrgId, Error> {
        if self.permission == permission && self.target.is_empty() {
            Ok(&self.organisation)
        } else {
            Err(about_another())
        }
    }

    fn is_own(&self, organisation: &OrgId) -> bool {
        self.caller.home() == Some(organisation)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

/// What weakens safety and has to be asked for by this name.
pub mod danger {
    use super::{Authorized, Caller, OrgId, Permission};

    /// A proof that nobody was asked for: for operators' tools and tests.
    ///
    /// ```
    /// use portcullis_core::{Caller, OrgId, Permission, UserId, danger};
    /// let operator = Caller::new(UserId::new("cli")?, None);
    /// let proof = danger::assume(operator, OrgId::new("acme")?, Permission::UserWrite, "42");
    /// assert_eq!(proof.organisation().as_str(), "acme");
    /// # Ok::<_, portcullis_core::IdError>(())
    /// ```
    #[must_use]
    pub fn assume(
        caller: Caller,
        organisation: OrgId,
        permission: Permission,
        target: &str,
    ) -> Authorized {
        Authorized {
            caller,
            organisation,
            permission,
            target: target.into(),
        }
    }
}
