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

/// The permissions of a role of ZITADEL's, as far as they are about passwords. None if ZITADEL
/// has no such role.
pub(crate) fn permissions(role: &str) -> Option<&'static [Permission]> {
    use Permission::{
        PolicyDelete, PolicyRead, PolicyWrite, SessionWrite, UserDelete, UserRead, UserWrite,
    };
    match role {
        "IAM_OWNER" | "ORG_OWNER" => Some(&[
            PolicyDelete,
            PolicyRead,
            PolicyWrite,
            SessionWrite,
            UserDelete,
            UserRead,
            UserWrite,
        ]),
        "IAM_USER_MANAGER" | "ORG_USER_MANAGER" => {
            Some(&[SessionWrite, UserDelete, UserRead, UserWrite])
        }
        "IAM_LOGIN_CLIENT" | "IAM_ORG_MANAGER" => Some(&[SessionWrite, UserRead, UserWrite]),
        "IAM_OWNER_VIEWER" | "ORG_OWNER_VIEWER" => Some(&[PolicyRead, UserRead]),
        "IAM_ADMIN_IMPERSONATOR"
        | "IAM_END_USER_IMPERSONATOR"
        | "ORG_ADMIN_IMPERSONATOR"
        | "ORG_END_USER_IMPERSONATOR"
        | "ORG_PROJECT_CREATOR"
        | "ORG_PROJECT_PERMISSION_EDITOR"
        | "ORG_SETTINGS_MANAGER"
        | "ORG_USER_PERMISSION_EDITOR"
        | "ORG_USER_SELF_MANAGER"
        | "PROJECT_GRANT_OWNER"
        | "PROJECT_GRANT_OWNER_VIEWER"
        | "PROJECT_OWNER"
        | "PROJECT_OWNER_GLOBAL"
        | "PROJECT_OWNER_VIEWER"
        | "PROJECT_OWNER_VIEWER_GLOBAL" => Some(&[]),
        _ => None,
    }
}

/// Whether a membership gives a permission. What is about the instance takes its owner.
fn is_permitted(scope: &Scope, role: &str, permission: Permission) -> bool {
    match permission {
        Permission::InstancePolicyRead | Permission::InstancePolicyWrite => {
            *scope == Scope::Instance && role == "IAM_OWNER"
        }
        _ => permissions(role).is_some_and(|permissions| permissions.contains(&permission)),
    }
}

/// What every caller may do at home: change their own password, and log somebody in. A login draws
/// on the user's budget of guesses, whoever asks for it.
fn needs_no_membership(permission: Permission, home: &OrgId, organisation: &OrgId) -> bool {
    match permission {
        Permission::Authenticated => true,
        Permission::SessionWrite => home == organisation,
        _ => false,
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
        if let Some(home) = access.caller.home()
            && needs_no_membership(access.permission, home, organisation)
        {
            return Ok(Verdict::Granted(home.clone()));
        }
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
            .flat_map(|(scope, roles)| roles.iter().map(move |role| (scope, role)))
            .any(|(scope, role)| is_permitted(scope, role, access.permission));
        Ok(if allowed {
            Verdict::Granted(organisation.clone())
        } else {
            Verdict::PermissionDenied
        })
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::Authorized;

    use super::*;

    async fn verdict(role: &str, scope: &Scope, permission: Permission) -> String {
        let [acme, other] = ["acme", "other"].map(|id| OrgId::new(id).unwrap());
        let user = UserId::new("1").unwrap();
        let mut directory = Directory::new(vec![acme.clone(), other]);
        directory.add_member(user.clone(), scope.clone(), vec![role.to_owned()]);
        let caller = Caller::new(user, Some(acme));
        match Authorized::ask(&directory, caller, None, permission, "42").await {
            Ok(proof) => format!("granted in {}", proof.organisation().as_str()),
            Err(error) => format!("{:?}", error.kind()),
        }
    }

    #[tokio::test]
    async fn every_role_permits_what_zitadel_says() {
        use Permission::{PolicyDelete, PolicyRead, PolicyWrite, UserDelete, UserRead, UserWrite};
        const ALL: [Permission; 6] = [
            PolicyDelete,
            PolicyRead,
            PolicyWrite,
            UserDelete,
            UserRead,
            UserWrite,
        ];
        const MANAGER: &[Permission] = &[UserDelete, UserRead, UserWrite];
        const VIEWER: &[Permission] = &[PolicyRead, UserRead];
        let table: [(&str, &[Permission]); 10] = [
            ("IAM_LOGIN_CLIENT", &[UserRead, UserWrite]),
            ("IAM_ORG_MANAGER", &[UserRead, UserWrite]),
            ("IAM_OWNER", &ALL),
            ("IAM_OWNER_VIEWER", VIEWER),
            ("IAM_USER_MANAGER", MANAGER),
            ("ORG_OWNER", &ALL),
            ("ORG_OWNER_VIEWER", VIEWER),
            ("ORG_PROJECT_CREATOR", &[]),
            ("ORG_USER_MANAGER", MANAGER),
            ("PROJECT_OWNER", &[]),
        ];
        let [acme, other] = ["acme", "other"].map(|id| OrgId::new(id).unwrap());
        let elsewhere = Scope::Organisation(other);
        for scope in [Scope::Instance, Scope::Organisation(acme)] {
            for (role, granted) in table {
                for permission in ALL {
                    let expected = if granted.contains(&permission) {
                        "granted in acme"
                    } else {
                        "PermissionDenied"
                    };
                    let found = verdict(role, &scope, permission).await;
                    assert_eq!(found, expected, "{role} {scope:?} {permission:?}");
                    let found = verdict(role, &elsewhere, permission).await;
                    assert_eq!(found, "MembershipNotFound", "{role} of another");
                }
                for own in [Permission::Authenticated, Permission::SessionWrite] {
                    let found = verdict(role, &elsewhere, own).await;
                    assert_eq!(
                        found, "granted in acme",
                        "at home nobody has to be a member"
                    );
                }
            }
        }
    }

    #[test]
    fn a_role_that_zitadel_does_not_have_is_none() {
        for role in ["", "org_owner", "ORG_OWNER ", "ORG_ONWER"] {
            assert!(permissions(role).is_none(), "{role}");
        }
    }
}
