//! Organisations, members and tokens: who may do what. In a larger server this is the part that
//! talks to its own database.

use std::collections::{HashMap, hash_map::Entry};

use async_trait::async_trait;
use portcullis_core::{Access, Authority, Caller, Error, OrgId, Permission, UserId, Verdict};
use portcullis_zitadel_api::{BearerToken, TokenAuthenticator};
use sha2::{Digest, Sha256};

/// Where a membership holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Instance,
    Organisation(OrgId),
}

/// Everything that is not a user. Tokens are held as digests, so a look into memory or a log
/// finds none.
#[derive(Debug)]
pub(crate) struct Directory {
    organisations: Vec<OrgId>,
    members: HashMap<UserId, Vec<(Scope, Vec<String>)>>,
    tokens: HashMap<[u8; 32], Caller>,
}

impl Directory {
    pub(crate) fn new(organisations: Vec<OrgId>) -> Self {
        Self {
            organisations,
            members: HashMap::new(),
            tokens: HashMap::new(),
        }
    }

    pub(crate) fn organisations(&self) -> &[OrgId] {
        &self.organisations
    }

    pub(crate) fn add_member(&mut self, user: UserId, scope: Scope, roles: Vec<String>) {
        self.members.entry(user).or_default().push((scope, roles));
    }

    /// Says whether the token is new; one that is known keeps its caller.
    pub(crate) fn add_token(&mut self, token: &str, caller: Caller) -> bool {
        match self.tokens.entry(Sha256::digest(token).into()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(caller);
                true
            }
        }
    }

    pub(crate) fn first_membership(&self, user: &UserId) -> Option<&OrgId> {
        self.members
            .get(user)?
            .iter()
            .find_map(|(scope, _)| match scope {
                Scope::Instance => None,
                Scope::Organisation(organisation) => Some(organisation),
            })
    }
}

/// The permissions of a role in ZITADEL's defaults, as far as they are about passwords.
fn permissions(role: &str) -> &'static [Permission] {
    match role {
        "IAM_OWNER" | "IAM_ORG_MANAGER" | "IAM_USER_MANAGER" | "IAM_LOGIN_CLIENT" | "ORG_OWNER"
        | "ORG_USER_MANAGER" => &[Permission::UserRead, Permission::UserWrite],
        "IAM_OWNER_VIEWER" | "ORG_OWNER_VIEWER" => &[Permission::UserRead],
        _ => &[],
    }
}

#[async_trait]
impl TokenAuthenticator for Directory {
    async fn authenticate(&self, token: &BearerToken) -> Result<Option<Caller>, Error> {
        // A look-up by digest tells nothing about the token that was guessed.
        let digest: [u8; 32] = Sha256::digest(token.as_str()).into();
        Ok(self.tokens.get(&digest).cloned())
    }
}

#[async_trait]
impl Authority for Directory {
    /// Contract section 5.
    async fn decide(&self, access: Access<'_>) -> Result<Verdict, Error> {
        let organisation = access.organisation.or(access.caller.home());
        let Some(organisation) =
            organisation.filter(|organisation| self.organisations.contains(organisation))
        else {
            return Ok(Verdict::OrganisationNotFound);
        };
        let memberships = self.members.get(access.caller.user()).into_iter().flatten();
        let mut memberships = memberships
            .filter(|(scope, _)| match scope {
                Scope::Instance => true,
                Scope::Organisation(member_of) => member_of == organisation,
            })
            .peekable();
        if memberships.peek().is_none() {
            return Ok(Verdict::MembershipNotFound);
        }
        let allowed = memberships
            .flat_map(|(_, roles)| roles)
            .any(|role| permissions(role).contains(&access.permission));
        Ok(if allowed {
            Verdict::Granted(organisation.clone())
        } else {
            Verdict::PermissionDenied
        })
    }
}
