//! Organisations, users and tokens that every test finds, in both kinds of server.

use std::sync::Arc;

use portcullis_core::{OrgId, UserId, UserKey};

/// The organisation that most tests are about.
pub const ORG: &str = "69629023906488334";
/// Another one, with a user of the same id.
pub const OTHER_ORG: &str = "other";
/// A token of `ORG_OWNER` in [`ORG`].
pub const ADMIN: &str = "token-admin";
/// A token of `ORG_OWNER` in [`OTHER_ORG`].
pub const OTHER_ADMIN: &str = "token-other-admin";
/// A token of `IAM_OWNER`.
pub const IAM: &str = "token-iam";
/// A token of `ORG_OWNER_VIEWER` in [`ORG`].
pub const VIEWER: &str = "token-viewer";
/// A token of a user without any membership.
pub const NOBODY: &str = "token-nobody";

/// The bootstrap file behind these names.
pub const BOOTSTRAP: &str = r#"
[[org]]
id = "69629023906488334"
name = "acme"

[[org]]
id = "other"
name = "other"
[org.password_complexity]
min_length = 3
uppercase = false
lowercase = false
number = false
symbol = false

[[user]]
id = "42"
org = "69629023906488334"
username = "alice"
kind = "human"
state = "active"

[[user]]
id = "42"
org = "other"
username = "alice of other"
kind = "human"

[[user]]
id = "initial"
org = "69629023906488334"
username = "initial"
kind = "human"
state = "initial"

[[user]]
id = "locked"
org = "69629023906488334"
username = "locked"
kind = "human"
state = "locked"

[[user]]
id = "inactive"
org = "69629023906488334"
username = "inactive"
kind = "human"
state = "inactive"

[[user]]
id = "machine"
org = "69629023906488334"
username = "machine"
kind = "machine"

[[user]]
id = "elsewhere"
org = "other"
username = "elsewhere"
kind = "human"

[[user]]
id = "nobody"
org = "69629023906488334"
username = "nobody"
kind = "human"

[[member]]
user = "1"
org = "69629023906488334"
roles = ["ORG_OWNER"]

[[member]]
user = "2"
org = "other"
roles = ["ORG_OWNER"]

[[member]]
user = "3"
org = "*"
roles = ["IAM_OWNER"]

[[member]]
user = "4"
org = "69629023906488334"
roles = ["ORG_OWNER_VIEWER"]

[[token]]
user = "1"
token = "token-admin"

[[token]]
user = "2"
token = "token-other-admin"

[[token]]
user = "3"
token = "token-iam"

[[token]]
user = "4"
token = "token-viewer"

[[token]]
user = "nobody"
token = "token-nobody"
"#;

/// A key in [`ORG`].
pub fn user_key(user: &str) -> UserKey {
    UserKey::new(OrgId::new(ORG).unwrap(), UserId::new(user).unwrap())
}

/// The pieces that an in-process server is put together from.
pub mod rig {
    use async_trait::async_trait;
    use portcullis_core::{
        Access, Argon2Params, Argon2id, Authority, Caller, Error, OperationId, OsRandom, UserStore,
        Verdict,
        store::{NewUser, UserKind},
    };
    use portcullis_zitadel_api::{BearerToken, TokenAuthenticator};

    use super::{ADMIN, Arc, ORG, OrgId, UserId, user_key};

    /// Knows one token and lets its owner do everything at home.
    #[derive(Debug)]
    pub struct OneAdmin;

    #[async_trait]
    impl TokenAuthenticator for OneAdmin {
        async fn authenticate(&self, token: &BearerToken) -> Result<Option<Caller>, Error> {
            let caller = Caller::new(UserId::new("1").unwrap(), Some(OrgId::new(ORG).unwrap()));
            Ok((token.as_str() == ADMIN).then_some(caller))
        }
    }

    #[async_trait]
    impl Authority for OneAdmin {
        async fn decide(&self, access: Access<'_>) -> Result<Verdict, Error> {
            let organisation = access.organisation.or(access.caller.home());
            Ok(organisation
                .cloned()
                .map_or(Verdict::OrganisationNotFound, Verdict::Granted))
        }
    }

    /// Argon2id that costs next to nothing.
    pub fn cheap() -> Arc<Argon2id> {
        Arc::new(Argon2id::new(Argon2Params::new(8, 1, 1).unwrap()))
    }

    /// Creates a person in the usual organisation.
    pub async fn create(store: &dyn UserStore, user: &str) {
        let operation = OperationId::random(&OsRandom).unwrap();
        let user = NewUser::new(user_key(user), user, UserKind::Human, operation);
        store.create(&user).await.unwrap();
    }
}
