//! Documents: a script that writes them, and how they are read.

use async_trait::async_trait;
use portcullis_core::{
    StoreError, Timestamp,
    store::{Document, DocumentKey, DocumentOutcome, DocumentStore, DocumentWrite},
};
use redis::{Pipeline, cmd, from_redis_value};
use zeroize::Zeroizing;

use crate::{
    call::{MAX_KEEP, millis},
    config::DAY,
    connection::Packet,
    error::Error,
    message::{Outcome, Reply, present},
    row, scripts,
    store::RedisStore,
};

impl RedisStore {
    /// Reads a document, and with it what time it is on the server that has it.
    async fn find_document(&self, key: &DocumentKey) -> Result<Option<Document>, Error> {
        let place = self.keys.document(key);
        let (mut get, time) = (cmd("GET"), cmd("TIME"));
        get.arg(&place);
        let mut commands = Pipeline::new();
        commands.add_command(get);
        commands.add_command(time);
        let packet = Packet {
            key: &place,
            commands,
            writes: false,
        };
        let mut answers = self.link.answers(&packet).await?.into_iter();
        let (stored, time) = (answers.next(), answers.next());
        let stored = from_redis_value(stored.ok_or(Error::Reply)?);
        let stored: Option<Vec<u8>> = stored.map_err(|_| UNREADABLE)?;
        let Some(stored) = stored.map(Zeroizing::new) else {
            return Ok(None);
        };
        let now = match &self.clock {
            Some(clock) => clock.now(),
            None => moment(from_redis_value(time.ok_or(Error::Reply)?))?,
        };
        row::document(&stored, now)
    }

    async fn run_write(&self, write: &DocumentWrite) -> Result<DocumentOutcome, Error> {
        let keys = [self.keys.document(&write.key)];
        let operation = write.operation.to_string();
        let expected = write.expected.map(|revision| revision.to_string());
        let own = write.ttl.filter(|_| !write.keeps_end);
        let ttl = own.map(|ttl| ttl.min(MAX_KEEP).as_micros().to_string());
        // The key outlives the document: a writer may still ask what became of its write.
        let keep = own.map(|ttl| millis(ttl.saturating_add(DAY)));
        let now = self.clock.as_ref().map(|clock| present(clock.now()));
        let now = now.transpose()?;
        let said = [
            ("operation", Some(operation.as_str())),
            ("expected", expected.as_deref()),
            ("text", write.text.as_ref().map(|text| text.as_str())),
            ("ttl", ttl.as_deref()),
            ("keep", keep.as_deref()),
            ("keeps_end", write.keeps_end.then_some("1")),
            ("now", now.as_deref()),
            ("touch", self.replicas.map(|_| "1")),
        ];
        let said = said
            .into_iter()
            .filter_map(|(name, value)| Some([name, value?]));
        let arguments: Vec<_> = said.flatten().map(str::as_bytes).collect();
        let script = &scripts::DOCUMENT;
        let (answer, replicated) = self.evaluate(script, &keys, &arguments, true).await?;
        let reply = Reply::parse(answer)?;
        if reply.outcome.is_applied() && !replicated {
            return Err(Error::Unreplicated);
        }
        outcome(&reply)
    }
}

#[async_trait]
impl DocumentStore for RedisStore {
    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        Ok(self.find_document(key).await?)
    }

    async fn write_document(&self, write: &DocumentWrite) -> Result<DocumentOutcome, StoreError> {
        Ok(self.run_write(write).await?)
    }
}

fn outcome(reply: &Reply) -> Result<DocumentOutcome, Error> {
    let moment = |index| {
        let moment = row::moment(reply.word(index)?, "document");
        moment.map_err(|_| Error::Reply)
    };
    match reply.outcome {
        Outcome::Conflict => Ok(DocumentOutcome::Conflict),
        Outcome::Replayed | Outcome::Written => Ok(DocumentOutcome::Written {
            revision: reply.word(0)?.parse().map_err(|_| Error::Reply)?,
            created: moment(1)?,
            changed: moment(2)?,
        }),
        _ => Err(Error::Reply),
    }
}

/// What a server says that the time is, in seconds and microseconds.
fn moment<E>(time: Result<(i64, u32), E>) -> Result<Timestamp, Error> {
    let (seconds, micros) = time.map_err(|_| Error::Clock)?;
    let moment = Timestamp::from_timestamp(seconds, micros.saturating_mul(1_000));
    moment.ok_or(Error::Clock)
}

const UNREADABLE: Error = Error::Record { field: "document" };
