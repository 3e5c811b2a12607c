//! Builders of what cases hand to a store.

use portcullis_core::{
    HashString, OperationId, OrgId, OsRandom, Timestamp, UserId, UserKey,
    store::{
        AttemptLimits, AttemptRequest, Change, Code, CodeChange, CredentialChange, EventKind,
        HashUpgrade, Method, NewUser, SettleOutcome, Subject, UserKind, UserState, Verification,
        Version,
    },
};

/// A wrong answer that locks nobody.
pub(crate) const WRONG: Verification = Verification::Wrong { lock_at: None };

/// A fresh operation id.
pub(crate) fn op() -> OperationId {
    OperationId::random(&OsRandom).expect("the system has random bytes")
}

pub(crate) fn key(organisation: &str, user: &str) -> UserKey {
    UserKey::new(org(organisation), UserId::new(user).expect("a valid id"))
}

pub(crate) fn org(organisation: &str) -> OrgId {
    OrgId::new(organisation).expect("a valid id")
}

/// The `n`-th of 500,000 hash strings, all canonical and all different.
pub(crate) fn hash(n: u32) -> HashString {
    let memory = n.saturating_add(64);
    let text =
        format!("$argon2id$v=19$m={memory},t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW");
    HashString::parse(&text).expect("a canonical hash string")
}

/// An active person with the first hash.
pub(crate) fn new_user(key: &UserKey) -> NewUser {
    NewUser::new(key.clone(), "alice", UserKind::Human, op()).with_hash(hash(1), false)
}

/// Sets the `n`-th hash.
pub(crate) fn set_hash(key: &UserKey, expected: Version, n: u32) -> Change {
    set_hash_as(op(), key, expected, n)
}

/// Sets the `n`-th hash under a given operation id.
pub(crate) fn set_hash_as(
    operation: OperationId,
    key: &UserKey,
    expected: Version,
    n: u32,
) -> Change {
    let event = EventKind::PasswordChanged;
    Change::new(key.clone(), Method::SetPassword, operation, expected, event).with_credential(
        CredentialChange::Replace {
            hash: hash(n),
            must_change: false,
        },
    )
}

/// Removes the password.
pub(crate) fn remove_hash(key: &UserKey, expected: Version) -> Change {
    let event = EventKind::PasswordRemoved;
    Change::new(key.clone(), Method::RemovePassword, op(), expected, event)
        .with_credential(CredentialChange::Remove)
}

/// Changes the state and nothing else.
pub(crate) fn set_state(key: &UserKey, expected: Version, state: UserState) -> Change {
    let event = match state {
        UserState::Active => EventKind::Reactivated,
        UserState::Locked => EventKind::Locked,
        UserState::Removed => EventKind::Removed,
        _ => EventKind::Deactivated,
    };
    Change::new(key.clone(), Method::ChangeState, op(), expected, event).with_state(state)
}

/// Issues a code of this digest.
pub(crate) fn issue(key: &UserKey, expected: Version, digest: u8, expires: Timestamp) -> Change {
    let code = Code::new([digest; 32], expires);
    Change::new(
        key.clone(),
        Method::IssueCode,
        op(),
        expected,
        EventKind::CodeAdded,
    )
    .with_code(CodeChange::Issue(code))
}

/// Sets the `n`-th hash if the pending code has this digest and fewer than three guesses.
pub(crate) fn redeem(key: &UserKey, expected: Version, digest: u8, n: u32) -> Change {
    set_hash(key, expected, n).with_code(CodeChange::Consume {
        digest: [digest; 32],
        max_guesses: 3,
    })
}

/// Replaces the `from`-th hash by the `to`-th.
pub(crate) fn upgrade(key: &UserKey, from: u32, to: u32) -> HashUpgrade {
    HashUpgrade::new(key.clone(), op(), hash(from), hash(to))
}

/// A user as whose budget an attempt draws on.
pub(crate) fn subject(key: &UserKey) -> Subject {
    Subject::User(key.clone())
}

pub(crate) fn sham(organisation: &str, slot: u16) -> Subject {
    Subject::Sham {
        organisation: org(organisation),
        slot,
    }
}

/// A lockout after this many failures.
pub(crate) fn lockout(failures: u32) -> AttemptLimits {
    AttemptLimits::default().with_lockout(failures)
}

/// Asks for a permit under a fresh id.
pub(crate) fn ask(subject: &Subject, limits: AttemptLimits) -> AttemptRequest {
    AttemptRequest::new(subject.clone(), op(), limits)
}

/// An attempt that was settled.
pub(crate) fn settled(failures: u32, locked: bool) -> SettleOutcome {
    SettleOutcome::Settled { failures, locked }
}
