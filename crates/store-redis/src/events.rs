//! Reading events: one user's, and the outbox.
//!
//! Each partition has an outbox of its own, numbered 1, 2, 3, …, and each entry says when it was
//! written. A page takes the oldest entries of all partitions; the positions of all of them are the
//! cursor, so nothing is repeated or skipped whatever the clocks of the servers do.

use std::{cmp::Reverse, collections::BinaryHeap, collections::HashMap, collections::VecDeque};

use portcullis_core::{
    UserKey,
    store::{Cursor, Event, EventPage, EventQuery, EventScope},
};
use redis::{Cmd, Value, cmd, from_redis_value};

use crate::{
    connection::Link,
    cursor::{Positions, sequence},
    error::Error,
    keys::{Keys, PARTITIONS, Place, user_key},
    row,
};

pub(crate) async fn page(link: &Link, keys: &Keys, query: &EventQuery) -> Result<EventPage, Error> {
    let limit = query.limit.min(EventQuery::MAX_PAGE) as usize;
    let after = query.after.as_ref();
    let (events, next) = match &query.scope {
        EventScope::Outbox => outbox(link, keys, Positions::parse(after)?, limit).await?,
        EventScope::User(key) => of_user(link, keys, key, sequence(after)?, limit).await?,
        _ => return Err(Error::Unsupported),
    };
    let next = if events.is_empty() {
        query.after.clone()
    } else {
        next
    };
    Ok(EventPage::new(events, next))
}

type Page = (Vec<Event>, Option<Cursor>);

async fn of_user(
    link: &Link,
    keys: &Keys,
    key: &UserKey,
    after: u64,
    limit: usize,
) -> Result<Page, Error> {
    let list = keys.events(&Place::user(key));
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    // An empty range; the end would be before the beginning, or count from the end.
    if limit == 0 {
        return Ok((Vec::new(), None));
    }
    let range = range(&list, after, after.saturating_add(limit));
    let answers = link.each(vec![(list, range)]).await?;
    let stored: Vec<Vec<u8>> = only(answers)?;
    let events: Result<Vec<_>, _> = (after + 1..)
        .zip(&stored)
        .map(|(sequence, stored)| row::event(key, sequence, stored))
        .collect();
    let events = events?;
    let next = events
        .last()
        .map(|event| Cursor::new(event.sequence.to_string()));
    Ok((events, next))
}

/// The events after one sequence and up to another.
fn range(list: &str, after: u64, to: u64) -> Cmd {
    let mut range = cmd("LRANGE");
    range
        .arg(list)
        .arg(after)
        .arg(to.saturating_sub(1).min(i64::MAX.unsigned_abs()));
    range
}

/// An entry of the outbox.
struct Entry {
    number: u64,
    time: u64,
    user: String,
    sequence: u64,
}

async fn outbox(
    link: &Link,
    keys: &Keys,
    mut positions: Positions,
    limit: usize,
) -> Result<Page, Error> {
    let mut shelf = Shelf::fill(link, keys, &positions, limit).await?;
    let mut page = Vec::with_capacity(limit);
    while page.len() < limit {
        let Some((partition, entry)) = shelf.oldest() else {
            break;
        };
        positions.set(partition, entry.number);
        page.push(entry);
        if shelf.may_hold_more(partition) {
            let more = limit - page.len();
            shelf
                .refill(link, keys, &positions, vec![partition], more)
                .await?;
        }
    }
    let events = events(link, keys, page).await?;
    Ok((events, positions.cursor()))
}

/// The entries that were fetched and are not yet on the page, of every partition.
struct Shelf {
    entries: Vec<VecDeque<Entry>>,
    /// Whether the newest entry that was fetched was the last there was.
    ended: Vec<bool>,
    /// The partitions by the time of their next entry.
    heads: BinaryHeap<Reverse<(u64, u8)>>,
}

impl Shelf {
    async fn fill(
        link: &Link,
        keys: &Keys,
        positions: &Positions,
        limit: usize,
    ) -> Result<Self, Error> {
        let mut shelf = Self {
            entries: (0..PARTITIONS).map(|_| VecDeque::new()).collect(),
            ended: vec![true; PARTITIONS],
            heads: BinaryHeap::new(),
        };
        // A fair share and a little more: users are spread evenly, and a busy one is asked again.
        let share = limit.min(limit.div_ceil(PARTITIONS) + 8);
        let all = (0..=u8::MAX).collect();
        shelf.refill(link, keys, positions, all, share).await?;
        Ok(shelf)
    }

    /// Fetches up to `count` entries of partitions of which there are none left.
    async fn refill(
        &mut self,
        link: &Link,
        keys: &Keys,
        positions: &Positions,
        partitions: Vec<u8>,
        count: usize,
    ) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        let fetch = |partition: &u8| {
            let (stream, after) = (keys.outbox(*partition), positions.of(*partition));
            let mut fetch = cmd("XRANGE");
            fetch.arg(&stream).arg(format!("(0-{after}")).arg("+");
            fetch.arg("COUNT").arg(count);
            (stream, fetch)
        };
        let answers = link.each(partitions.iter().map(fetch).collect()).await?;
        for (partition, answer) in partitions.into_iter().zip(answers) {
            let entries = entries(answer)?;
            let index = usize::from(partition);
            if let Some(ended) = self.ended.get_mut(index) {
                *ended = entries.len() < count;
            }
            if let Some(first) = entries.front() {
                self.heads.push(Reverse((first.time, partition)));
            }
            if let Some(place) = self.entries.get_mut(index) {
                *place = entries;
            }
        }
        Ok(())
    }

    fn oldest(&mut self) -> Option<(u8, Entry)> {
        let Reverse((_, partition)) = self.heads.pop()?;
        let entries = self.entries.get_mut(usize::from(partition))?;
        let entry = entries.pop_front()?;
        if let Some(next) = entries.front() {
            self.heads.push(Reverse((next.time, partition)));
        }
        Some((partition, entry))
    }

    fn may_hold_more(&self, partition: u8) -> bool {
        let index = usize::from(partition);
        let empty = self.entries.get(index).is_some_and(VecDeque::is_empty);
        empty && self.ended.get(index) == Some(&false)
    }
}

fn entries(answer: Value) -> Result<VecDeque<Entry>, Error> {
    let stored: Vec<(String, (String, String))> = from_redis_value(answer).map_err(|_| DAMAGED)?;
    let entries = stored.into_iter().map(|(id, (_, words))| {
        let mut words = words.split(' ');
        Some(Entry {
            number: id.strip_prefix("0-")?.parse().ok()?,
            user: words.next()?.to_owned(),
            sequence: words.next()?.parse().ok()?,
            time: words.next()?.parse().ok()?,
        })
    });
    entries.collect::<Option<_>>().ok_or(DAMAGED)
}

/// The events that entries stand for, in their order. The entries of one user follow each other
/// without a gap, so one range fetches them all.
async fn events(link: &Link, keys: &Keys, page: Vec<Entry>) -> Result<Vec<Event>, Error> {
    let mut ranges: HashMap<&str, (u64, u64)> = HashMap::new();
    for entry in &page {
        let range = ranges.entry(&entry.user).or_insert((entry.sequence, 0));
        range.1 = entry.sequence;
    }
    let mut users = Vec::with_capacity(ranges.len());
    let mut fetches = Vec::with_capacity(ranges.len());
    for (user, (first, last)) in ranges {
        let key = user_key(user).ok_or(DAMAGED)?;
        let list = keys.events(&Place::user(&key));
        let fetch = range(&list, first.saturating_sub(1), last);
        fetches.push((list, fetch));
        users.push((user, key, first));
    }
    let mut fetched = HashMap::with_capacity(users.len());
    for ((user, key, first), answer) in users.into_iter().zip(link.each(fetches).await?) {
        let stored: Vec<Vec<u8>> = from_redis_value(answer).map_err(|_| DAMAGED)?;
        fetched.insert(user, (key, first, stored));
    }
    page.iter()
        .map(|entry| {
            let (key, first, stored) = fetched.get(entry.user.as_str()).ok_or(DAMAGED)?;
            let index = usize::try_from(entry.sequence.saturating_sub(*first));
            let stored = index.ok().and_then(|index| stored.get(index));
            row::event(key, entry.sequence, stored.ok_or(DAMAGED)?)
        })
        .collect()
}

fn only<T: redis::FromRedisValue>(answers: Vec<Value>) -> Result<T, Error> {
    let answer = answers.into_iter().next().ok_or(Error::Reply)?;
    from_redis_value(answer).map_err(|_| DAMAGED)
}

const DAMAGED: Error = Error::Record { field: "events" };
