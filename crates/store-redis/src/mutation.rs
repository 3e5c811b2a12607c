//! Mutations of users: what each script is told, and what its answer means.

use portcullis_core::{
    HashDigest, ObjectDetails, UserKey,
    store::{
        Change, CodeChange, CommitOutcome, CreateOutcome, CredentialChange, HashUpgrade, Method,
        NewUser, UpgradeOutcome,
    },
};

use crate::{
    error::Error,
    keys::Place,
    message::{Call, Commit, Create, Credential, Hash, Issue, Outcome, Redeem, Reply, Upgrade},
    row, scripts,
    store::RedisStore,
};

impl RedisStore {
    pub(crate) async fn create_user(&self, user: &NewUser) -> Result<CreateOutcome, Error> {
        let (place, operation) = (Place::user(&user.key), user.operation);
        let body = Create {
            username: &user.username,
            kind: user.kind.as_str(),
            state: user.state.as_str(),
            must: user.must_change,
            hash: user.hash.as_ref().map(Hash::new),
            event: user.event().as_str(),
            editor: user.editor.as_ref().map(|editor| editor.as_str()),
        };
        let call = Call::new(&place, Method::Create, operation, body);
        let (script, keep) = (&scripts::CREATE, self.remember);
        let reply = self.run_claimed(script, &place, operation, keep, call);
        let reply = reply.await?;
        match reply.outcome {
            Outcome::Created => details(&reply, &user.key).map(CreateOutcome::Created),
            Outcome::Exists => Ok(CreateOutcome::Exists),
            Outcome::Replayed => details(&reply, &user.key).map(CreateOutcome::Replayed),
            Outcome::Reused => Ok(CreateOutcome::OperationReused),
            _ => Err(Error::Reply),
        }
    }

    pub(crate) async fn commit_change(&self, change: &Change) -> Result<CommitOutcome, Error> {
        if !change.method.is_committed() {
            return Err(Error::Method);
        }
        let (place, operation) = (Place::user(&change.key), change.operation);
        let call = Call::new(&place, change.method, operation, commit(change)?);
        let (script, keep) = (&scripts::COMMIT, self.remember);
        let reply = self.run_claimed(script, &place, operation, keep, call);
        let reply = reply.await?;
        match reply.outcome {
            Outcome::CodeRejected => Ok(CommitOutcome::CodeRejected),
            Outcome::Committed => details(&reply, &change.key).map(CommitOutcome::Committed),
            Outcome::Conflict => Ok(CommitOutcome::Conflict),
            Outcome::NotFound => Ok(CommitOutcome::NotFound),
            Outcome::Replayed => details(&reply, &change.key).map(CommitOutcome::Replayed),
            Outcome::Reused => Ok(CommitOutcome::OperationReused),
            _ => Err(Error::Reply),
        }
    }

    pub(crate) async fn upgrade(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, Error> {
        let (place, operation) = (Place::user(&upgrade.key), upgrade.operation);
        let body = Upgrade {
            verified: upgrade.verified.as_stored(),
            hash: Hash::new(&upgrade.replacement),
        };
        let call = Call::new(&place, Method::UpgradeHash, operation, body);
        let (script, keep) = (&scripts::UPGRADE, self.remember);
        let reply = self.run_claimed(script, &place, operation, keep, call);
        let reply = reply.await?;
        match reply.outcome {
            Outcome::Replayed => details(&reply, &upgrade.key).map(UpgradeOutcome::Replayed),
            Outcome::Reused => Ok(UpgradeOutcome::OperationReused),
            Outcome::Superseded => Ok(UpgradeOutcome::Superseded),
            Outcome::Upgraded => details(&reply, &upgrade.key).map(UpgradeOutcome::Upgraded),
            _ => Err(Error::Reply),
        }
    }
}

fn commit(change: &Change) -> Result<Commit<'_>, Error> {
    let credential = match &change.credential {
        CredentialChange::Keep => None,
        CredentialChange::Remove => Some((None, false)),
        CredentialChange::Replace { hash, must_change } => Some((Some(hash), *must_change)),
        _ => return Err(Error::Unsupported),
    };
    let (mut redeem, mut issue) = (None, None);
    match &change.code {
        CodeChange::Consume {
            digest,
            max_guesses,
        } => {
            let (digest, max_guesses) = (hex(*digest), *max_guesses);
            redeem = Some(Redeem {
                digest,
                max_guesses,
            });
        }
        CodeChange::Issue(code) => {
            issue = Some(Issue {
                digest: hex(code.digest),
                expires: code.expires.timestamp_micros().to_string(),
                guesses: code.guesses,
            });
        }
        CodeChange::Keep => {}
        _ => return Err(Error::Unsupported),
    }
    Ok(Commit {
        expected: change.expected.0.to_string(),
        events: change.events().iter().map(|kind| kind.as_str()).collect(),
        clears_failures: change.clears_failures(),
        credential: credential.map(|(hash, must)| Credential {
            must,
            hash: hash.map(Hash::new),
        }),
        state: change.state.map(|state| state.as_str()),
        redeem,
        issue,
        editor: change.editor.as_ref().map(|editor| editor.as_str()),
    })
}

fn details(reply: &Reply, key: &UserKey) -> Result<ObjectDetails, Error> {
    let (sequence, changed) = (reply.sequence.as_deref(), reply.changed.as_deref());
    let (sequence, changed) = sequence.zip(changed).ok_or(Error::Reply)?;
    row::details(sequence, changed, key.organisation()).map_err(|_| Error::Reply)
}

fn hex(digest: [u8; 32]) -> String {
    HashDigest::from_bytes(digest).to_string()
}
