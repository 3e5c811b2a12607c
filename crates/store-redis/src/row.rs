//! Between what is stored and records. What cannot be read is an error, other than a hash.

use std::{borrow::Cow, str::FromStr};

use base64ct::{Base64UrlUnpadded, Encoding};
use chrono::DateTime;
use portcullis_core::{
    HashDigest, ObjectDetails, OperationId, OrgId, Timestamp, UserId, UserKey,
    store::{Code, Credential, Document, Event, OperationRecord, StoredHash, UserRecord, Version},
};
use serde::{Deserialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::{error::Error, keys::Place};

#[derive(Deserialize)]
struct UserRow {
    username: String,
    kind: String,
    state: String,
    hash: Option<Zeroized>,
    must: bool,
    since: Option<String>,
    code: Option<CodeRow>,
    version: String,
    sequence: String,
    epoch: String,
    failures: u32,
    created: String,
    changed: String,
}

#[derive(Deserialize)]
struct CodeRow {
    digest: String,
    expires: String,
    guesses: u32,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct Zeroized(Zeroizing<String>);

impl From<String> for Zeroized {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

pub(crate) fn user(key: &UserKey, stored: &[u8]) -> Result<UserRecord, Error> {
    let row: UserRow = json(stored, "user")?;
    let created = moment(&row.created, "created")?;
    let kind = name(&row.kind, "kind")?;
    let mut record = UserRecord::new(key.clone(), row.username, kind, created);
    let hash = StoredHash::load(row.hash.as_ref().map(|hash| hash.0.as_str()));
    let since = row.since.map(|since| moment(&since, "since")).transpose()?;
    record.credential = Credential::new(hash, row.must, since);
    record.code = row.code.map(|code| code.read()).transpose()?;
    record.state = name(&row.state, "state")?;
    record.version = Version(name(&row.version, "version")?);
    record.sequence = name(&row.sequence, "sequence")?;
    record.epoch = name(&row.epoch, "epoch")?;
    record.failures = row.failures;
    record.changed = moment(&row.changed, "changed")?;
    Ok(record)
}

impl CodeRow {
    fn read(self) -> Result<Code, Error> {
        let digest = digest(&self.digest, "code")?;
        let mut code = Code::new(digest, moment(&self.expires, "code")?);
        code.guesses = self.guesses;
        Ok(code)
    }
}

/// An event; its sequence is its place in the list.
pub(crate) fn event(key: &UserKey, sequence: u64, stored: &[u8]) -> Result<Event, Error> {
    let [
        kind,
        version,
        state,
        failures,
        must,
        hash,
        operation,
        date,
        editor,
    ] = words(stored, "events")?;
    let operation: OperationId = name(operation, "operation")?;
    let (kind, date) = (name(kind, "kind")?, moment(date, "date")?);
    let mut event = Event::new(key.clone(), kind, operation, date);
    event.sequence = sequence;
    event.version = Version(name(version, "version")?);
    event.state = name(state, "state")?;
    event.failures = name(failures, "failures")?;
    event.must_change = name::<u8>(must, "must")? == 1;
    if hash != ABSENT {
        event.hash = Some(HashDigest::from_bytes(digest(hash, "hash")?));
    }
    if editor != ABSENT {
        let editor = Base64UrlUnpadded::decode_vec(editor).ok();
        let editor = editor.and_then(|editor| String::from_utf8(editor).ok());
        let editor = editor.and_then(|editor| UserId::new(editor).ok());
        event.editor = Some(editor.ok_or(unreadable("editor"))?);
    }
    Ok(event)
}

/// What an operation id did to this user, if it was this user's and did anything.
pub(crate) fn operation(
    key: &UserKey,
    place: &Place,
    stored: &[u8],
) -> Result<Option<OperationRecord>, Error> {
    let [subject, method, sequence, changed, _failures, _locked] = words(stored, "operation")?;
    if subject != place.owner() || sequence == ABSENT {
        return Ok(None);
    }
    let details = details(sequence, changed, key.organisation())?;
    let method = name(method, "method")?;
    Ok(Some(OperationRecord::new(method, details)))
}

/// A document, unless it was removed or has ended by now.
pub(crate) fn document(stored: &[u8], now: Timestamp) -> Result<Option<Document>, Error> {
    let damaged = || unreadable("document");
    let stored = str::from_utf8(stored).map_err(|_| damaged())?;
    let words: Vec<_> = stored.splitn(6, ' ').collect();
    let [operation, revision, created, changed, expires, text] = words[..] else {
        return Err(damaged());
    };
    let expires = match expires {
        ABSENT => None,
        end => Some(moment(end, "document")?),
    };
    let text = match text.split_at_checked(1) {
        Some(("+", text)) => Zeroizing::new(text.to_owned()),
        Some((ABSENT, "")) => return Ok(None),
        _ => return Err(damaged()),
    };
    let (operation, revision) = (name(operation, "operation")?, name(revision, "revision")?);
    let (created, changed) = (moment(created, "document")?, moment(changed, "changed")?);
    let document = Document::new(text, operation, revision, created, changed, expires);
    Ok(Some(document).filter(|_| expires.is_none_or(|end| now < end)))
}

pub(crate) fn details(
    sequence: &str,
    changed: &str,
    owner: &OrgId,
) -> Result<ObjectDetails, Error> {
    let (sequence, changed) = (name(sequence, "sequence")?, moment(changed, "changed")?);
    Ok(ObjectDetails::written(sequence, changed, owner.clone()))
}

pub(crate) fn moment(text: &str, field: &'static str) -> Result<Timestamp, Error> {
    let moment = DateTime::from_timestamp_micros(name(text, field)?);
    moment.ok_or(unreadable(field))
}

/// A text that was written from a value and is read back into it.
fn name<T: FromStr>(text: &str, field: &'static str) -> Result<T, Error> {
    text.parse().map_err(|_| unreadable(field))
}

fn digest(text: &str, field: &'static str) -> Result<[u8; 32], Error> {
    // Two ids of 16 bytes: the parser of those takes hexadecimal digits and nothing else.
    let halves = text.split_at_checked(32).ok_or(unreadable(field))?;
    let (first, second): (OperationId, OperationId) =
        (name(halves.0, field)?, name(halves.1, field)?);
    let mut digest = [0; 32];
    let bytes = first.as_bytes().iter().chain(second.as_bytes());
    for (to, from) in digest.iter_mut().zip(bytes) {
        *to = *from;
    }
    Ok(digest)
}

/// So many words between spaces.
fn words<'a, const N: usize>(stored: &'a [u8], field: &'static str) -> Result<[&'a str; N], Error> {
    let text = str::from_utf8(stored).map_err(|_| unreadable(field))?;
    let words: Vec<_> = text.split(' ').collect();
    words.try_into().map_err(|_| unreadable(field))
}

/// Bytes that are no text become a text that no parser takes, so that a damaged hash is found
/// unreadable and its user is found.
fn json<T: DeserializeOwned>(stored: &[u8], field: &'static str) -> Result<T, Error> {
    let text = match String::from_utf8_lossy(stored) {
        Cow::Borrowed(text) => return serde_json::from_str(text).map_err(|_| unreadable(field)),
        Cow::Owned(text) => Zeroizing::new(text),
    };
    serde_json::from_str(&text).map_err(|_| unreadable(field))
}

/// A word that is not there.
const ABSENT: &str = "-";

const fn unreadable(field: &'static str) -> Error {
    Error::Record { field }
}

#[cfg(test)]
mod tests {
    use portcullis_core::store::UserState;

    use super::*;

    const USER: &str = r#"{"username":"alice","kind":"human","state":"active","hash":"x",
        "must":false,"since":"1","version":"1","sequence":"2","epoch":"1","failures":0,
        "created":"1","changed":"2"}"#;

    fn key() -> UserKey {
        UserKey::new(OrgId::new("acme").unwrap(), UserId::new("42").unwrap())
    }

    fn field(error: &Error) -> &str {
        match error {
            Error::Record { field } => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_user_is_read_back() {
        let record = user(&key(), USER.as_bytes()).unwrap();
        assert_eq!((record.state, record.sequence), (UserState::Active, 2));
        assert!(matches!(record.credential.hash, StoredHash::Unreadable(_)));
    }

    #[test]
    fn a_damaged_user_is_named_by_its_field() {
        let table = [
            (r#""version":"1""#, r#""version":"secret""#, "version"),
            (r#""sequence":"2""#, r#""sequence":"-2""#, "sequence"),
            (
                r#""changed":"2""#,
                r#""changed":"9999999999999999999""#,
                "changed",
            ),
            (r#""kind":"human""#, r#""kind":"secret""#, "kind"),
            (r#""failures":0"#, r#""failures":"secret""#, "user"),
            (r#""must":false,"#, "", "user"),
        ];
        for (from, to, expected) in table {
            let stored = USER.replace(from, to);
            let error = user(&key(), stored.as_bytes()).unwrap_err();
            assert_eq!(field(&error), expected);
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    }

    #[test]
    fn a_hash_that_is_no_text_is_unreadable() {
        let mut stored = USER.as_bytes().to_vec();
        let hash = stored
            .windows(3)
            .position(|bytes| bytes == b"\"x\"")
            .unwrap();
        *stored.get_mut(hash + 1).unwrap() = 0xff;
        let record = user(&key(), &stored).unwrap();
        assert!(matches!(record.credential.hash, StoredHash::Unreadable(_)));
    }

    #[test]
    fn a_damaged_event_is_named_by_its_field() {
        let stored = "user.locked 2 locked 3 1 - 00000000000000000000000000000000 5 cm9vdA";
        let locked = event(&key(), 4, stored.as_bytes()).unwrap();
        assert_eq!((locked.sequence, locked.failures), (4, 3));
        assert_eq!(locked.editor.unwrap().as_str(), "root");
        let table = [
            ("user.locked", "user.secret", "kind"),
            (" 2 ", " -2 ", "version"),
            (" 3 ", " 4294967296 ", "failures"),
            (" 1 ", " yes ", "must"),
            (" - ", " secret ", "hash"),
            (" 0", " x", "operation"),
            (" 5 ", " never ", "date"),
            ("cm9vdA", "_w", "editor"),
            (" cm9vdA", "", "events"),
        ];
        for (from, to, expected) in table {
            let stored = stored.replacen(from, to, 1);
            let error = event(&key(), 4, stored.as_bytes()).unwrap_err();
            assert_eq!(field(&error), expected);
        }
    }

    #[test]
    fn digests_are_64_digits() {
        let bytes = digest(&HashDigest::of("a").to_string(), "hash").unwrap();
        assert_eq!(HashDigest::from_bytes(bytes), HashDigest::of("a"));
        for text in [
            "",
            "00",
            &"0".repeat(63),
            &"0".repeat(65),
            &"g".repeat(64),
            &"ü".repeat(32),
        ] {
            assert!(digest(text, "hash").is_err());
        }
    }
}
