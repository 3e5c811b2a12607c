//! Users and what is done to them.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_core::{
    HashString, OperationId, OrgId, OsRandom, UserId, UserKey, UserStore,
    store::{
        Change, CommitOutcome, CredentialChange, EventKind, Method, NewUser, UserKind, Version,
    },
};
use portcullis_tests::ORG;

pub(crate) fn operation() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

/// A user whom no other test has.
pub(crate) fn key() -> UserKey {
    let user = operation().to_string();
    UserKey::new(OrgId::new(ORG).unwrap(), UserId::new(user).unwrap())
}

/// A hash string that nothing else has.
pub(crate) fn hash() -> HashString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Eleven digits of base64 are eight bytes if the last one is `A`.
    let text =
        format!("$argon2id$v=19$m=64,t=1,p=1${number:010}A$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW");
    HashString::parse(&text).unwrap()
}

pub(crate) fn new_user(key: &UserKey) -> NewUser {
    NewUser::new(key.clone(), "alice", UserKind::Human, operation()).with_hash(hash(), false)
}

/// Sets a password.
pub(crate) fn set(key: &UserKey, expected: Version) -> Change {
    let event = EventKind::PasswordChanged;
    let method = Method::SetPassword;
    Change::new(key.clone(), method, operation(), expected, event).with_credential(
        CredentialChange::Replace {
            hash: hash(),
            must_change: false,
        },
    )
}

/// A user who is there.
pub(crate) async fn create(store: &dyn UserStore) -> UserKey {
    let key = key();
    store.create(&new_user(&key)).await.unwrap();
    key
}

/// Sets a password once; whether the store said that it did.
pub(crate) async fn try_set(store: &dyn UserStore, key: &UserKey) -> bool {
    let Ok(Some(record)) = store.load(key).await else {
        return false;
    };
    let answer = store.commit(&set(key, record.version)).await;
    matches!(answer, Ok(CommitOutcome::Committed(_)))
}
