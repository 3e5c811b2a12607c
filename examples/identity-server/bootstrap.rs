//! The bootstrap file: what a server starts with.
//!
//! Users go into the store, where they are created if absent and never touched otherwise.
//! Organisations, members and tokens live in memory and come from this file alone.

mod check;
mod file;

use std::path::Path;

use portcullis_core::{
    AgePolicy, AnswerMode, Claim, ComplexityPolicy, HashString, LockoutPolicy, LoginNames,
    OperationId, OrgId, OsRandom, PasswordHasher, ResetCodePolicy, StaticPolicies, StoreError,
    UserId, UserKey, UserStore,
    store::{CreateOutcome, NewUser, UserKind, UserState},
};
use zeroize::Zeroizing;

use crate::{BoxError, directory::Directory};

/// A bootstrap file that was read and checked.
pub(crate) struct Bootstrap {
    pub(crate) users: Users,
    pub(crate) policies: StaticPolicies,
    pub(crate) directory: Directory,
    pub(crate) answers: AnswerMode,
    /// What reset codes are made from, if it is to be the same on several servers.
    pub(crate) code_key: Option<Zeroizing<[u8; 32]>>,
}

/// What can be compared here.
pub(crate) struct Hashes<'a> {
    pub(crate) hasher: &'a dyn PasswordHasher,
    /// For all hashes at once, in bytes.
    pub(crate) memory: u64,
}

/// The users that the store has to have.
pub(crate) struct Users(Vec<NewUser>);

/// A mistake in the file: where it is and what to do about it. It never repeats a value.
#[derive(Debug, thiserror::Error)]
#[error("{path}:{line}: {problem}")]
pub(crate) struct Mistake {
    path: String,
    line: usize,
    problem: String,
}

impl Bootstrap {
    /// Reads and checks a file. Hashes in it have to be ones that logins can be compared with.
    pub(crate) fn read(path: &Path, hashes: &Hashes<'_>) -> Result<Self, BoxError> {
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|error| {
                format!(
                    "the bootstrap file {} cannot be read: {}",
                    path.display(),
                    error.kind()
                )
            })?;
        let checked = file::parse(&text).and_then(|file| check::check(file, hashes));
        Ok(checked.map_err(|problem| Mistake {
            path: path.display().to_string(),
            line: line_at(&text, problem.offset),
            problem: problem.text,
        })?)
    }
}

impl Users {
    /// Creates the users that are absent, and says how many that were. It may be called again
    /// after an error: what was created then is not created twice.
    ///
    /// A user who was removed is not absent: a restart brings nobody back.
    ///
    /// Each gets its username as a login name, unless another user has it.
    pub(crate) async fn apply(
        &self,
        store: &dyn UserStore,
        names: &LoginNames,
    ) -> Result<usize, StoreError> {
        let mut created = 0;
        for user in &self.0 {
            match store.load(&user.key).await? {
                Some(record) if record.state == UserState::Removed => continue,
                Some(_) => {}
                None => {
                    if let CreateOutcome::Created(_) = store.create(user).await? {
                        created += 1;
                    }
                }
            }
            if names.claim(&user.key, &user.username).await? == Claim::Taken {
                tracing::warn!(user = %user.key.user(), "the login name belongs to another user");
            }
        }
        Ok(created)
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
