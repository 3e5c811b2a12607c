//! Mutations of users: what each script is told, and what its answer means.

use portcullis_core::{
    ObjectDetails, UserKey,
    store::{
        Change, CodeChange, CommitOutcome, CreateOutcome, CredentialChange, HashUpgrade, Method,
        NewUser, UpgradeOutcome,
    },
};

use crate::{
    error::Error,
    keys::Place,
    message::{Call, Outcome, Reply},
    row, scripts,
    store::RedisStore,
};

impl RedisStore {
    pub(crate) async fn create_user(&self, user: &NewUser) -> Result<CreateOutcome, Error> {
        let place = Place::user(&user.key);
        let call = Call::new(&place, Method::Create, user.operation)
            .with("username", &user.username)
            .with("kind", user.kind.as_str())
            .with("state", user.state.as_str())
            .with_flag("must", user.must_change)
            .with_hash(user.hash.as_ref())
            .with("event", user.event().as_str())
            .with_editor(user.editor.as_ref());
        let reply = self.run_claimed(&scripts::CREATE, &place, self.remember, call);
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
        let place = Place::user(&change.key);
        let call = commit(&place, change)?;
        let reply = self.run_claimed(&scripts::COMMIT, &place, self.remember, call);
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
        let place = Place::user(&upgrade.key);
        let call = Call::new(&place, Method::UpgradeHash, upgrade.operation)
            .with("verified", upgrade.verified.as_stored())
            .with_hash(Some(&upgrade.replacement));
        let reply = self.run_claimed(&scripts::UPGRADE, &place, self.remember, call);
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

fn commit(place: &Place, change: &Change) -> Result<Call, Error> {
    let events = change.events().iter().map(|kind| kind.as_str());
    let call = Call::new(place, change.method, change.operation)
        .with("expected", change.expected.0.to_string())
        .with("events", events.collect::<Vec<_>>().join(" "))
        .with_fact("clears_failures", change.clears_failures())
        .with_fact("credential", change.changes_credential())
        .with_some("state", change.state.map(|state| state.as_str()))
        .with_editor(change.editor.as_ref());
    let call = match &change.credential {
        CredentialChange::Keep => call,
        CredentialChange::Remove => call.with_flag("must", false),
        CredentialChange::Replace { hash, must_change } => {
            call.with_flag("must", *must_change).with_hash(Some(hash))
        }
        _ => return Err(Error::Unsupported),
    };
    match &change.code {
        CodeChange::Consume {
            digest,
            max_guesses,
        } => Ok(call.with_redeemed(*digest, *max_guesses)),
        CodeChange::Issue(code) => Ok(call.with_issued(code)),
        CodeChange::IssueFor { digest, ttl } => Ok(call.with_issued_for(*digest, *ttl)),
        CodeChange::Keep => Ok(call),
        _ => Err(Error::Unsupported),
    }
}

fn details(reply: &Reply, key: &UserKey) -> Result<ObjectDetails, Error> {
    let details = row::details(reply.word(0)?, reply.word(1)?, key.organisation());
    details.map_err(|_| Error::Reply)
}
