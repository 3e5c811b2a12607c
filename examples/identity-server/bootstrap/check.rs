//! What a bootstrap file has to hold beyond its form.

use std::{collections::HashSet, str::FromStr};

use portcullis_core::{AnswerMode, Caller, Policies};
use sha2::{Digest, Sha256};
use toml::Spanned;
use zeroize::Zeroizing;

use super::{
    Bootstrap, HashString, Hashes, NewUser, OperationId, OrgId, OsRandom, StaticPolicies, UserId,
    UserKey, UserKind, UserState, Users,
    file::{File, FileUser, Org, Problem},
};
use crate::directory::{Directory, Scope, permissions};

pub(super) fn check(file: File, hashes: &Hashes<'_>) -> Result<Bootstrap, Problem> {
    let mut organisations = Vec::new();
    let mut policies = StaticPolicies::default();
    for org in file.org {
        let id = org_id(&org.id)?;
        if let Some(own) = own_policies(&org) {
            policies = policies.with_organisation(id.clone(), own);
        }
        if organisations.contains(&id) {
            return Err(at(&org.id, "this organisation is listed twice; remove one"));
        }
        organisations.push(id);
    }
    let users = users(file.user, &organisations, hashes)?;
    let mut directory = Directory::new(organisations);
    for member in file.member {
        let user = user_id(&member.user)?;
        let scope = if member.org.get_ref() == "*" {
            Scope::Instance
        } else {
            Scope::Organisation(listed(&member.org, directory.organisations())?)
        };
        if let Some(role) = member
            .roles
            .get_ref()
            .iter()
            .find(|role| permissions(role).is_none())
        {
            let text = format!("ZITADEL has no role {role:?}; ORG_OWNER is one that may write");
            return Err(at(&member.roles, &text));
        }
        directory.add_member(user, scope, member.roles.into_inner());
    }
    for token in file.token {
        let user = user_id(&token.user)?;
        let home = match &token.org {
            Some(org) => Some(listed(org, directory.organisations())?),
            None => home(&token.user, &user, &users, &directory)?,
        };
        if token.token.get_ref().is_empty() {
            return Err(at(&token.token, "a token must not be empty"));
        }
        let offset = token.token.span().start;
        let secret = Zeroizing::new(token.token.into_inner());
        if !directory.add_token(&secret, Caller::new(user, home)) {
            let text = "this token is listed twice; give every caller a token of its own".into();
            return Err(Problem { offset, text });
        }
    }
    Ok(Bootstrap {
        users: Users(users),
        policies,
        directory,
        answers: answers(file.instance.answers.as_ref())?,
        code_key: file.instance.secret.map(code_key).transpose()?,
    })
}

/// What an organisation sets of its own; what it leaves out is the default.
fn own_policies(org: &Org) -> Option<Policies> {
    let is_silent = org.password_complexity.is_none()
        && org.lockout.is_none()
        && org.password_age.is_none()
        && org.reset_code.is_none();
    let policies = Policies::default()
        .with_complexity(org.password_complexity.unwrap_or_default())
        .with_lockout(org.lockout.unwrap_or_default())
        .with_age(org.password_age.unwrap_or_default())
        .with_reset_code(org.reset_code.unwrap_or_default());
    (!is_silent).then_some(policies)
}

fn answers(text: Option<&Spanned<String>>) -> Result<AnswerMode, Problem> {
    match text.map(|text| (text, text.get_ref().as_str())) {
        None | Some((_, "zitadel")) => Ok(AnswerMode::Zitadel),
        Some((_, "uniform")) => Ok(AnswerMode::Uniform),
        Some((text, _)) => Err(at(text, "answers is zitadel or uniform")),
    }
}

/// The key of reset codes, from a secret that all servers on one store are given.
fn code_key(secret: Spanned<String>) -> Result<Zeroizing<[u8; 32]>, Problem> {
    let offset = secret.span().start;
    let secret = Zeroizing::new(secret.into_inner());
    if secret.chars().count() < LEAST_SECRET {
        let text = "a secret has at least 32 characters; `openssl rand -hex 32` makes one".into();
        return Err(Problem { offset, text });
    }
    let digest = Sha256::new()
        .chain_update(b"portcullis reset codes\0")
        .chain_update(secret.as_bytes());
    Ok(Zeroizing::new(digest.finalize().into()))
}

const LEAST_SECRET: usize = 32;

fn users(
    listing: Vec<FileUser>,
    organisations: &[OrgId],
    hashes: &Hashes<'_>,
) -> Result<Vec<NewUser>, Problem> {
    let mut seen = HashSet::new();
    let mut users = Vec::new();
    for user in listing {
        let key = UserKey::new(listed(&user.org, organisations)?, user_id(&user.id)?);
        if !seen.insert(key.clone()) {
            return Err(at(
                &user.id,
                "this user is listed twice in its organisation; remove one",
            ));
        }
        let kind = named(
            user.kind.as_ref(),
            UserKind::Human,
            "kind is human or machine",
        )?;
        let states = "state is active, initial, locked or inactive";
        let state = named(user.state.as_ref(), UserState::Active, states)?;
        if let Some(text) = user.state.as_ref().filter(|_| state == UserState::Removed) {
            return Err(at(text, states));
        }
        let hash = user
            .password_hash
            .map(|text| hash(text, kind, hashes))
            .transpose()?;
        let username = user
            .username
            .unwrap_or_else(|| key.user().as_str().to_owned());
        let operation = OperationId::random(&OsRandom)
            .map_err(|_| at(&user.id, "the operating system gave no random bytes"))?;
        let new = NewUser::new(key, username, kind, operation).with_state(state);
        users.push(match hash {
            Some(hash) => new.with_hash(hash, false),
            None => new,
        });
    }
    Ok(users)
}

fn hash(text: Spanned<String>, kind: UserKind, hashes: &Hashes<'_>) -> Result<HashString, Problem> {
    if kind == UserKind::Machine {
        return Err(at(&text, "a machine has no password; remove password_hash"));
    }
    let offset = text.span().start;
    let text = Zeroizing::new(text.into_inner());
    let refused = |error: &dyn std::error::Error| Problem {
        offset,
        text: format!("password_hash is refused: {error}"),
    };
    let hash = HashString::parse(&text).map_err(|error| refused(&error))?;
    if hash.cost().memory_bytes() > hashes.memory {
        let problem = "password_hash is refused: it needs more than --hash-memory allows";
        return Err(Problem {
            offset,
            text: problem.to_owned(),
        });
    }
    let admitted = hashes.hasher.admits(&hash);
    admitted.map_err(|error| refused(&error))?;
    Ok(hash)
}

/// The organisation that applies to a token whose requests name none: the user's, or that of its
/// first membership, or the instance's first, where ZITADEL keeps its own administrators.
fn home(
    place: &Spanned<String>,
    user: &UserId,
    users: &[NewUser],
    directory: &Directory,
) -> Result<Option<OrgId>, Problem> {
    let mut homes = users
        .iter()
        .filter(|candidate| candidate.key.user() == user);
    let first = homes.next().map(|user| user.key.organisation().clone());
    if homes.next().is_some() {
        let text = "several organisations have this user; add org = \"…\" to the token";
        return Err(at(place, text));
    }
    Ok(first
        .or_else(|| directory.first_membership(user).cloned())
        .or_else(|| directory.organisations().first().cloned()))
}

fn listed(text: &Spanned<String>, organisations: &[OrgId]) -> Result<OrgId, Problem> {
    let id = org_id(text)?;
    if organisations.contains(&id) {
        Ok(id)
    } else {
        Err(at(
            text,
            "there is no such organisation; add an [[org]] with this id",
        ))
    }
}

fn named<T: FromStr>(
    text: Option<&Spanned<String>>,
    default: T,
    problem: &str,
) -> Result<T, Problem> {
    text.map_or(Ok(default), |text| {
        text.get_ref().parse().map_err(|_| at(text, problem))
    })
}

fn org_id(text: &Spanned<String>) -> Result<OrgId, Problem> {
    OrgId::new(text.get_ref().as_str()).map_err(|error| at(text, &error.to_string()))
}

fn user_id(text: &Spanned<String>) -> Result<UserId, Problem> {
    UserId::new(text.get_ref().as_str()).map_err(|error| at(text, &error.to_string()))
}

fn at<T>(place: &Spanned<T>, problem: &str) -> Problem {
    Problem {
        offset: place.span().start,
        text: problem.to_owned(),
    }
}
