//! Who may do what, where: every role, in every organisation, through every endpoint and header,
//! against an oracle that knows ZITADEL's rules and nothing of the code.

use std::fmt::Write;

use portcullis_tests::{ORG, OTHER_ORG, Options, Reply, Server, exchange};

/// Where a membership holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Instance,
    Home,
    Elsewhere,
}

/// ZITADEL's roles, and what they permit of what is asked for here.
const ROLES: [(&str, &[&str]); 12] = [
    ("IAM_LOGIN_CLIENT", &["user.read", "user.write"]),
    ("IAM_ORG_MANAGER", &["user.read", "user.write"]),
    ("IAM_OWNER", OWNER),
    ("IAM_OWNER_VIEWER", &["policy.read", "user.read"]),
    (
        "IAM_USER_MANAGER",
        &["user.delete", "user.read", "user.write"],
    ),
    ("ORG_OWNER", OWNER),
    ("ORG_OWNER_VIEWER", &["policy.read", "user.read"]),
    ("ORG_PROJECT_CREATOR", &[]),
    ("ORG_SETTINGS_MANAGER", &[]),
    (
        "ORG_USER_MANAGER",
        &["user.delete", "user.read", "user.write"],
    ),
    ("PROJECT_OWNER", &[]),
    ("PROJECT_OWNER_VIEWER", &[]),
];
const OWNER: &[&str] = &[
    "policy.delete",
    "policy.read",
    "policy.write",
    "user.delete",
    "user.read",
    "user.write",
];

/// Method, path and body of each endpoint, and what it asks for. `{}` is the user.
const ENDPOINTS: [(&str, &str, &str, &str); 34] = [
    (
        "POST",
        "/management/v1/users/{}/password",
        SET,
        "user.write",
    ),
    (
        "POST",
        "/management/v1/users/{}/password/_initialize",
        SET,
        "user.write",
    ),
    (
        "POST",
        "/management/v1/users/{}/password/_reset",
        "{}",
        "user.write",
    ),
    ("POST", "/management/v1/users/{}/_lock", "{}", "user.write"),
    (
        "POST",
        "/management/v1/users/{}/_unlock",
        "{}",
        "user.write",
    ),
    (
        "POST",
        "/management/v1/users/{}/_deactivate",
        "{}",
        "user.write",
    ),
    (
        "POST",
        "/management/v1/users/{}/_reactivate",
        "{}",
        "user.write",
    ),
    ("GET", "/management/v1/users/{}", "", "user.read"),
    ("DELETE", "/management/v1/users/{}", "", "user.delete"),
    (
        "POST",
        "/management/v1/users/{}/changes/_search",
        "{}",
        "user.read",
    ),
    (
        "POST",
        "/management/v1/users/human/_import",
        "{}",
        "user.write",
    ),
    ("GET", "/management/v1/policies/lockout", "", "policy.read"),
    (
        "POST",
        "/management/v1/policies/password/complexity",
        "{}",
        "policy.write",
    ),
    (
        "PUT",
        "/management/v1/policies/lockout",
        "{}",
        "policy.write",
    ),
    (
        "DELETE",
        "/management/v1/policies/lockout",
        "",
        "policy.delete",
    ),
    (
        "GET",
        "/management/v1/policies/password/age",
        "",
        "policy.read",
    ),
    (
        "PUT",
        "/management/v1/policies/password/age",
        "{}",
        "policy.write",
    ),
    (
        "DELETE",
        "/management/v1/policies/password/age",
        "",
        "policy.delete",
    ),
    (
        "GET",
        "/management/v1/policies/password/complexity",
        "",
        "policy.read",
    ),
    (
        "PUT",
        "/management/v1/policies/password/complexity",
        "{}",
        "policy.write",
    ),
    (
        "DELETE",
        "/management/v1/policies/password/complexity",
        "",
        "policy.delete",
    ),
    (
        "GET",
        "/management/v1/policies/default/lockout",
        "",
        "policy.read",
    ),
    (
        "GET",
        "/management/v1/policies/default/password/age",
        "",
        "policy.read",
    ),
    (
        "GET",
        "/management/v1/policies/default/password/complexity",
        "",
        "policy.read",
    ),
    ("POST", "/v2/users/{}/password", SET_V2, "user.write"),
    ("POST", "/v2/users/{}/password", BY_CODE, "user.write"),
    ("POST", "/v2/users/{}/password_reset", "{}", "user.write"),
    ("GET", "/v2/settings/lockout", "", "policy.read"),
    ("GET", "/v2/settings/password/complexity", "", "policy.read"),
    ("GET", "/v2/settings/password/expiry", "", "policy.read"),
    (
        "GET",
        "/auth/v1/policies/passwords/complexity",
        "",
        "authenticated",
    ),
    ("PUT", "/auth/v1/users/me/password", "{}", "authenticated"),
    (
        "GET",
        "/portcullis/v1/operations/{org}/{}/000102030405060708090a0b0c0d0e0f",
        "",
        "user.read",
    ),
    ("POST", "/v2/sessions", "{}", "session.write"),
];
const SET: &str = r#"{"password":"Secret-1234"}"#;
const SET_V2: &str = r#"{"newPassword":{"password":"Secret-1234"}}"#;
const BY_CODE: &str =
    r#"{"newPassword":{"password":"Secret-1234"},"verificationCode":"AAAAAAAAAA"}"#;

/// What the header says: nothing, or an organisation.
const HEADERS: [Option<&str>; 4] = [None, Some(ORG), Some(OTHER_ORG), Some("unknown")];

/// What has to come of the question who may: None if the caller may.
fn oracle(
    (role, scope): (usize, Scope),
    permission: &str,
    organisation: Option<&str>,
) -> Option<(u16, &'static str)> {
    let organisation = organisation.unwrap_or(ORG);
    if organisation == "unknown" {
        return Some((403, "AUTH-Bs7Ds"));
    }
    let is_home = organisation == ORG;
    if permission == "authenticated" || (permission == "session.write" && is_home) {
        return None;
    }
    let is_member = match scope {
        Scope::Instance => true,
        Scope::Home => is_home,
        Scope::Elsewhere => !is_home,
    };
    if !is_member {
        return Some((404, "AUTHZ-cdgFk"));
    }
    let (role, permissions) = ROLES[role];
    let logs_in = [
        "IAM_LOGIN_CLIENT",
        "IAM_ORG_MANAGER",
        "IAM_OWNER",
        "IAM_USER_MANAGER",
        "ORG_OWNER",
        "ORG_USER_MANAGER",
    ];
    let may = permissions.contains(&permission)
        || (permission == "session.write" && logs_in.contains(&role));
    (!may).then_some((403, "AUTH-5mWD2"))
}

/// A user and a token for each role in each scope.
fn bootstrap() -> String {
    let mut text = portcullis_tests::BOOTSTRAP.to_owned();
    for (role, _) in ROLES {
        for scope in [Scope::Instance, Scope::Home, Scope::Elsewhere] {
            let organisation = match scope {
                Scope::Instance => "*",
                Scope::Home => ORG,
                Scope::Elsewhere => OTHER_ORG,
            };
            let user = format!("{role}-{scope:?}");
            write!(
                text,
                "\n[[user]]\nid = \"{user}\"\norg = \"{ORG}\"\n\
                 [[member]]\nuser = \"{user}\"\norg = \"{organisation}\"\nroles = [\"{role}\"]\n\
                 [[token]]\nuser = \"{user}\"\ntoken = \"{user}\"\n"
            )
            .unwrap();
        }
    }
    text
}

async fn ask(
    server: &Server,
    token: &str,
    (method, path, body, _): (&str, &str, &str, &str),
    organisation: Option<&str>,
    user: &str,
) -> Reply {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(organisation.map(|organisation| ("x-zitadel-orgid", organisation)));
    let path = path
        .replace("{org}", organisation.unwrap_or(ORG))
        .replace("{}", user);
    exchange(server.address, method, &path, &headers, body.as_bytes()).await
}

fn id(reply: &Reply) -> String {
    let json = reply.json();
    json["details"][0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_may_more_or_less_than_zitadel_says() {
    let server = Server::with(Options {
        bootstrap: Some(bootstrap()),
        log_level: "warn",
        ..Options::default()
    })
    .await;
    const REFUSALS: [&str; 3] = ["AUTH-5mWD2", "AUTH-Bs7Ds", "AUTHZ-cdgFk"];
    let mut cases = 0;
    for (index, (role, _)) in ROLES.into_iter().enumerate() {
        for scope in [Scope::Instance, Scope::Home, Scope::Elsewhere] {
            let token = format!("{role}-{scope:?}");
            for endpoint in ENDPOINTS {
                for header in HEADERS {
                    let expected = oracle((index, scope), endpoint.3, header);
                    let reply = ask(&server, &token, endpoint, header, "absent").await;
                    let found = id(&reply);
                    let case = format!("{token} {} {} {header:?}", endpoint.0, endpoint.1);
                    match expected {
                        Some(refusal) => {
                            assert_eq!((reply.status, &*found), refusal, "{case}");
                        }
                        None => assert!(!REFUSALS.contains(&&*found), "{case}: {found}"),
                    }
                    cases += 1;
                    // Whoever may learns nothing of another organisation's users.
                    if expected.is_none() && endpoint.1.contains("{}") {
                        let there = match header {
                            Some(OTHER_ORG) => "machine",
                            _ => "elsewhere",
                        };
                        let other = ask(&server, &token, endpoint, header, there).await;
                        assert_eq!(other.status, reply.status, "{case}");
                        assert_eq!(other.text(), reply.text(), "{case}");
                        cases += 1;
                    }
                }
            }
        }
    }
    assert!(cases >= 5_000, "{cases}");
}
