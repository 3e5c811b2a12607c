//! `ListUserChanges`: what happened to a user (contract section 1.5).

use portcullis_core::{
    Caller, Code, ErrorKind, ErrorStatus, Permission, UserId,
    store::{Cursor, Event, EventQuery},
};

use super::service;
use crate::{
    details,
    endpoint::{Access, Endpoint, Work},
    message::{Malformed, Message, Value, plain_messages},
    validate::Fields,
    wire::zitadel::{change, management::v1, v1 as messages},
};

/// Lists a user's events, the newest first unless the query says otherwise.
#[derive(Default)]
pub(crate) struct ListUserChanges {
    query: ChangeQuery,
    user_id: String,
}

plain_messages! {
    /// Which of them.
    ChangeQuery {
        sequence = 1: u64, uint64;
        limit = 2: u32, uint32;
        asc = 3: bool, flag;
    }
}

impl Message for ListUserChanges {
    const FIELDS: &'static [(&'static str, u32)] = &[("query", 1), ("user_id", 2)];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => value.message(&mut self.query)?,
            _ => self.user_id = value.text()?,
        }
        Ok(())
    }
}

impl Endpoint for ListUserChanges {
    const SERVICE: &'static str = service::MANAGEMENT;
    const NAME: &'static str = "ListUserChanges";
    type Response = v1::ListUserChangesResponse;

    fn access(&self, _: &Caller) -> Access {
        Access::to(Permission::UserRead, &self.user_id)
    }

    async fn perform(self, work: Work) -> Result<Self::Response, ErrorStatus> {
        let user = Fields::of::<Self>().id("UserId", &self.user_id)?;
        let limit = match self.query.limit {
            0 => EventQuery::MAX_PAGE,
            limit => limit.min(EventQuery::MAX_PAGE),
        };
        let latest = match work.service().user(&work.proof, &user).await {
            Ok(view) => view.details.sequence,
            Err(error) if *error.kind() == ErrorKind::UserNotFound => return Err(none()),
            Err(error) => return Err(work.refuse(&error)),
        };
        let sequence = self.query.sequence;
        let events = match (self.query.asc, sequence) {
            (true, after) if after >= latest => Vec::new(),
            (true, after) => page(&work, &user, after, limit).await?,
            (false, 0) => newest(&work, &user, latest, limit).await?,
            (false, before) => newest(&work, &user, latest.min(before - 1), limit).await?,
        };
        if events.is_empty() {
            return Err(none());
        }
        Ok(Self::Response {
            result: events.into_iter().map(change).collect(),
        })
    }
}

fn none() -> ErrorStatus {
    let text = "No history found within the given time interval";
    ErrorStatus::with_id(Code::NotFound, "QUERY-FpQqK", text)
}

async fn page(
    work: &Work,
    user: &UserId,
    after: u64,
    limit: u32,
) -> Result<Vec<Event>, ErrorStatus> {
    let after = Some(Cursor::sequence(after));
    let page = work.service().changes(&work.proof, user, after, limit);
    let page = page.await.map_err(|error| work.refuse(&error))?;
    Ok(page.events)
}

/// The last ones up to a sequence. Where they begin follows from the numbers, which have no gaps.
async fn newest(
    work: &Work,
    user: &UserId,
    end: u64,
    limit: u32,
) -> Result<Vec<Event>, ErrorStatus> {
    let start = end.saturating_sub(limit.into());
    let limit = u32::try_from(end - start).unwrap_or(limit);
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut events = page(work, user, start, limit).await?;
    events.reverse();
    Ok(events)
}

fn change(event: Event) -> change::v1::Change {
    let key = event.kind.as_str().to_owned();
    change::v1::Change {
        change_date: buffa::MessageField::some(details::timestamp(event.date)),
        event_type: buffa::MessageField::some(messages::LocalizedMessage {
            localized_message: key.clone(),
            key,
        }),
        sequence: event.sequence,
        editor_id: event
            .editor
            .map(|editor| editor.as_str().to_owned())
            .unwrap_or_default(),
        resource_owner_id: event.key.organisation().as_str().to_owned(),
    }
}
