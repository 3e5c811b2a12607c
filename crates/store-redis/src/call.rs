//! Running a script on a user or a sham: claims before it, replicas after it.

use std::time::Duration;

use portcullis_core::{OperationId, OsRandom};
use redis::{Pipeline, Value, cmd};

use crate::{
    config::DAY,
    connection::Packet,
    error::Error,
    keys::Place,
    message::{Call, Outcome, Reply, present},
    scripts::{self, Script},
    store::RedisStore,
};

impl RedisStore {
    /// Runs a script that may use an operation id for the first time.
    ///
    /// In a cluster the id is claimed first, and the claim is given up when the script refuses.
    pub(crate) async fn run_claimed(
        &self,
        script: &Script,
        place: &Place,
        keep: Option<Duration>,
        call: Call,
    ) -> Result<Reply, Error> {
        if !self.keys.is_cluster() {
            return self.run(script, place, keep, call).await;
        }
        let keys = [self.keys.claim(call.operation)];
        let owner = format!("{}:{}", call.method, place.owner());
        let id = OperationId::random(&OsRandom).map_err(Error::Random)?;
        let (owner, id) = (owner.as_bytes(), id.to_string());
        // The claim outlives the record that it guards.
        let keep_claim = keep.map(|keep| millis(keep.saturating_add(DAY)));
        let mut arguments = vec![owner, id.as_bytes()];
        arguments.extend(keep_claim.as_deref().map(str::as_bytes));
        let claim = self.evaluate(&scripts::CLAIM, &keys, &arguments, false);
        let (claim, replicated) = claim.await?;
        if claim != Value::Int(1) {
            return Ok(Reply::of(Outcome::Reused));
        } else if !replicated {
            // A failover could forget it and let another user have the id.
            return Err(Error::Unreplicated);
        }
        let reply = self.run(script, place, keep, call).await?;
        if reply.outcome.is_refusal() {
            let arguments = [id.as_bytes()];
            let given_up = self.evaluate(&scripts::RELEASE, &keys, &arguments, false);
            // The refusal holds either way; a claim that stays is still this subject's to use.
            drop(given_up.await);
        }
        Ok(reply)
    }

    /// Runs a script.
    pub(crate) async fn run(
        &self,
        script: &Script,
        place: &Place,
        keep: Option<Duration>,
        call: Call,
    ) -> Result<Reply, Error> {
        let mut keys = vec![
            self.keys.holder(place),
            self.keys.operation(place, call.operation),
        ];
        if !place.is_sham() {
            keys.push(self.keys.events(place));
            keys.push(self.keys.outbox(place.partition()));
        }
        let now = self.clock.as_ref().map(|clock| present(clock.now()));
        let mut call = call
            .with_some("now", now.transpose()?)
            .with_some("keep", keep.map(millis))
            .with_fact("touch", self.replicas.is_some());
        for _ in 0..DIGESTS {
            let arguments: Vec<_> = call.arguments().collect();
            let (answer, replicated) = self.evaluate(script, &keys, &arguments, true).await?;
            let reply = Reply::parse(answer)?;
            if reply.outcome == Outcome::Digest {
                call = call.with_known(&reply)?;
            } else if reply.outcome.is_applied() && !replicated {
                return Err(Error::Unreplicated);
            } else {
                return Ok(reply);
            }
        }
        Err(Error::Record { field: "hash" })
    }

    /// The answer of a script, and whether enough replicas have what it wrote.
    pub(crate) async fn evaluate(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[&[u8]],
        writes: bool,
    ) -> Result<(Value, bool), Error> {
        let key = keys.first().map_or("", String::as_str);
        let mut commands = Pipeline::new();
        commands.add_command(script.call(keys, arguments));
        self.await_replicas(&mut commands);
        let packet = Packet {
            key,
            commands,
            writes,
        };
        let mut answers = self.link.send(&packet).await?.into_iter();
        let mut answer = answers.next();
        if answer.as_ref().is_some_and(is_unknown_script) {
            let mut commands = Pipeline::new();
            commands.add_command(script.load());
            commands.add_command(script.call(keys, arguments));
            self.await_replicas(&mut commands);
            let packet = Packet { commands, ..packet };
            answers = self.link.send(&packet).await?.into_iter();
            answers.next();
            answer = answers.next();
        }
        let replicated = self.is_replicated(answers.next().as_ref());
        match answer {
            Some(Value::ServerError(error)) => Err(Error::refused(&error)),
            Some(answer) => Ok((answer, replicated)),
            None => Err(Error::Reply),
        }
    }

    /// Waits right behind a write, on its connection, for the replicas that are asked for.
    fn await_replicas(&self, commands: &mut Pipeline) {
        if let Some(replicas) = self.replicas {
            let mut wait = cmd("WAIT");
            let within = u64::try_from(replicas.within.as_millis()).unwrap_or(u64::MAX);
            wait.arg(replicas.count).arg(within);
            commands.add_command(wait);
        }
    }

    fn is_replicated(&self, answer: Option<&Value>) -> bool {
        match (self.replicas, answer) {
            (None, _) => true,
            (Some(replicas), Some(Value::Int(count))) => *count >= i64::from(replicas.count),
            (Some(_), _) => false,
        }
    }
}

fn is_unknown_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() == "NOSCRIPT")
}

/// A time to live that Redis can add to any present.
pub(crate) fn millis(keep: Duration) -> String {
    keep.min(MAX_KEEP).as_millis().to_string()
}

/// How often the digest of a hash is worked out that other hands keep changing.
const DIGESTS: u32 = 3;
pub(crate) const MAX_KEEP: Duration = Duration::from_secs(200 * 365 * 24 * 60 * 60);
