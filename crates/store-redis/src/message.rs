//! What scripts are told and what they answer.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_core::{
    HashDigest, HashString, OperationId, Timestamp, UserId,
    store::{Code, Method, WaitSchedule},
};
use redis::{Value, from_redis_value};
use zeroize::Zeroizing;

use crate::{call::MAX_KEEP, error::Error, keys::Place};

/// The arguments of a script on a user or a sham: names and values by turns.
#[derive(Clone)]
pub(crate) struct Call {
    words: Vec<Zeroizing<Vec<u8>>>,
    pub(crate) method: Method,
    pub(crate) operation: OperationId,
}

impl Call {
    pub(crate) fn new(place: &Place, method: Method, operation: OperationId) -> Self {
        let call = Self {
            words: Vec::with_capacity(32),
            method,
            operation,
        };
        let user = (!place.is_sham()).then_some(place.id.as_str());
        call.with("subject", place.owner())
            .with_some("user", user)
            .with("method", method.as_str())
            .with("operation", operation.to_string())
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for word in [name.as_bytes(), value.as_ref()] {
            self.words.push(Zeroizing::new(word.to_vec()));
        }
        self
    }

    /// What is not said is nil in a script.
    pub(crate) fn with_some(self, name: &str, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A flag that a script compares.
    pub(crate) fn with_flag(self, name: &str, flag: bool) -> Self {
        self.with(name, if flag { "1" } else { "0" })
    }

    /// Something that is so or is not said.
    pub(crate) fn with_fact(self, name: &str, fact: bool) -> Self {
        self.with_some(name, fact.then_some("1"))
    }

    pub(crate) fn with_hash(self, hash: Option<&HashString>) -> Self {
        self.with_some("hash", hash.map(HashString::as_stored))
            .with_some("digest", hash.map(|hash| hash.digest().to_string()))
    }

    /// In a form that is one word.
    pub(crate) fn with_editor(self, editor: Option<&UserId>) -> Self {
        let encode = |id: &UserId| Base64UrlUnpadded::encode_string(id.as_str().as_bytes());
        self.with_some("editor", editor.map(encode))
    }

    pub(crate) fn with_redeemed(self, digest: [u8; 32], max_guesses: u32) -> Self {
        self.with("redeem", HashDigest::from_bytes(digest).to_string())
            .with("max_guesses", max_guesses.to_string())
    }

    pub(crate) fn with_issued(self, code: &Code) -> Self {
        self.with("issue", HashDigest::from_bytes(code.digest).to_string())
            .with("expires", code.expires.timestamp_micros().to_string())
            .with("guesses", code.guesses.to_string())
    }

    /// The script works out the end.
    pub(crate) fn with_issued_for(self, digest: [u8; 32], ttl: Duration) -> Self {
        self.with("issue", HashDigest::from_bytes(digest).to_string())
            .with("ttl", ttl.min(MAX_KEEP).as_micros().to_string())
            .with("guesses", "0")
    }

    /// A schedule, worked out. A wait of no whole microsecond is rounded up: it has passed at the
    /// same microsecond.
    pub(crate) fn with_waits(self, waits: Option<&WaitSchedule>) -> Self {
        let Some(waits) = waits else {
            return self;
        };
        let after = waits.after.max(1);
        let wait = |doublings: u32| {
            let wait = waits.after_failures(after.saturating_add(doublings));
            let micros = wait.as_nanos().div_ceil(1_000);
            micros.min(u128::from(EXACT)).to_string()
        };
        // From 32 doublings on the wait stays the same.
        let micros: Vec<_> = (0..=32).map(wait).collect();
        self.with("waits_after", after.to_string())
            .with("waits", micros.join(" "))
    }

    pub(crate) fn with_lease(self, lease: Duration) -> Self {
        let last_second = Timestamp::MAX_UTC.timestamp();
        // More ends at the last moment all the same, and this much is exact in a script.
        let seconds = lease.as_secs().min(last_second.unsigned_abs());
        self.with("lease_seconds", seconds.to_string())
            .with("lease_micros", lease.subsec_micros().to_string())
            .with("last_second", last_second.to_string())
    }

    /// The digest of a stored hash that another hand has changed.
    pub(crate) fn with_known(self, wanted: &Reply) -> Result<Self, Error> {
        let hash = wanted.words.get(1).ok_or(Error::Reply)?;
        let digest = HashDigest::of(&String::from_utf8_lossy(hash));
        let call = self.with("known_sum", wanted.word(0)?);
        Ok(call.with("known_digest", digest.to_string()))
    }

    pub(crate) fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        self.words.iter().map(|word| word.as_slice())
    }
}

/// What a script came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    CodeRejected,
    Committed,
    Conflict,
    Created,
    /// Nothing yet: the digest of a stored hash is wanted.
    Digest,
    Exists,
    Expired,
    NotFound,
    Permitted,
    Refused,
    Replayed,
    Reused,
    Settled,
    Spent,
    Superseded,
    Upgraded,
    Written,
}

impl Outcome {
    fn parse(word: &[u8]) -> Result<Self, Error> {
        Ok(match word {
            b"code_rejected" => Self::CodeRejected,
            b"committed" => Self::Committed,
            b"conflict" => Self::Conflict,
            b"created" => Self::Created,
            b"digest" => Self::Digest,
            b"exists" => Self::Exists,
            b"expired" => Self::Expired,
            b"not_found" => Self::NotFound,
            b"permitted" => Self::Permitted,
            b"refused" => Self::Refused,
            b"replayed" => Self::Replayed,
            b"reused" => Self::Reused,
            b"settled" => Self::Settled,
            b"spent" => Self::Spent,
            b"superseded" => Self::Superseded,
            b"upgraded" => Self::Upgraded,
            b"written" => Self::Written,
            _ => return Err(Error::Reply),
        })
    }

    /// Whether it says that something was written, now or before.
    pub(crate) const fn is_applied(self) -> bool {
        matches!(
            self,
            Self::Committed
                | Self::Created
                | Self::Permitted
                | Self::Replayed
                | Self::Settled
                | Self::Upgraded
                | Self::Written
        )
    }

    /// Whether the operation id was not used.
    pub(crate) const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::CodeRejected
                | Self::Conflict
                | Self::Exists
                | Self::NotFound
                | Self::Refused
                | Self::Superseded
        )
    }
}

/// The answer of a script: an outcome, and words of which each outcome has its own.
pub(crate) struct Reply {
    pub(crate) outcome: Outcome,
    words: Vec<Zeroizing<Vec<u8>>>,
}

impl Reply {
    /// An answer without words.
    pub(crate) const fn of(outcome: Outcome) -> Self {
        let words = Vec::new();
        Self { outcome, words }
    }

    pub(crate) fn parse(answer: Value) -> Result<Self, Error> {
        let words: Vec<Vec<u8>> = from_redis_value(answer).map_err(|_| Error::Reply)?;
        let mut words = words.into_iter().map(Zeroizing::new);
        let outcome = words.next().ok_or(Error::Reply)?;
        Ok(Self {
            outcome: Outcome::parse(&outcome)?,
            words: words.collect(),
        })
    }

    pub(crate) fn word(&self, index: usize) -> Result<&str, Error> {
        let word = self.words.get(index).ok_or(Error::Reply)?;
        str::from_utf8(word).map_err(|_| Error::Reply)
    }

    /// A word that may be absent.
    pub(crate) fn some_word(&self, index: usize) -> Result<Option<&str>, Error> {
        Ok(Some(self.word(index)?).filter(|word| *word != "-"))
    }

    pub(crate) fn count(&self, index: usize) -> Result<u32, Error> {
        self.word(index)?.parse().map_err(|_| Error::Reply)
    }
}

/// A moment as scripts calculate with it.
pub(crate) fn present(now: Timestamp) -> Result<String, Error> {
    let micros = u64::try_from(now.timestamp_micros()).map_err(|_| Error::Clock)?;
    if micros < EXACT {
        Ok(micros.to_string())
    } else {
        Err(Error::Clock)
    }
}

/// Doubles, the numbers of scripts, are exact below it.
const EXACT: u64 = 1 << 53;

#[cfg(test)]
mod tests {
    use portcullis_core::{OrgId, store::Subject};

    use super::*;

    fn call() -> Call {
        let organisation = OrgId::new("acme").unwrap();
        let slot = 7;
        let place = Place::subject(&Subject::Sham { organisation, slot }).unwrap();
        let operation = OperationId::from_bytes([0; 16]);
        Call::new(&place, Method::Attempt, operation)
    }

    fn value(call: &Call, name: &str) -> String {
        let words: Vec<_> = call.arguments().collect();
        let mut pairs = words.chunks(2);
        let pair = pairs.find(|pair| pair.first() == Some(&name.as_bytes()));
        String::from_utf8(pair.unwrap().last().unwrap().to_vec()).unwrap()
    }

    fn waits(after: u32, first: Duration) -> Vec<u64> {
        let schedule = WaitSchedule::new(after, first, Duration::MAX);
        let waits = value(&call().with_waits(Some(&schedule)), "waits");
        waits.split(' ').map(|wait| wait.parse().unwrap()).collect()
    }

    #[test]
    fn a_schedule_is_worked_out_to_the_microsecond() {
        let nanos = waits(0, Duration::from_nanos(1));
        assert_eq!(nanos.first(), Some(&1), "rounded up");
        assert_eq!(nanos.get(10), Some(&2), "1,024 nanoseconds");
        assert_eq!((nanos.len(), nanos.last()), (33, Some(&4_294_968)));
        assert_eq!(waits(3, Duration::MAX), [EXACT; 33]);
        assert_eq!(waits(u32::MAX, Duration::ZERO), [0; 33]);
    }

    #[test]
    fn a_lease_is_cut_to_what_a_script_can_add() {
        let lease = call().with_lease(Duration::MAX);
        assert_eq!(value(&lease, "lease_seconds"), value(&lease, "last_second"));
        let lease = call().with_lease(Duration::new(30, 1_999));
        assert_eq!(value(&lease, "lease_seconds"), "30");
        assert_eq!(value(&lease, "lease_micros"), "1");
    }

    #[test]
    fn a_present_out_of_range_is_refused() {
        let second = |second| Timestamp::from_timestamp(second, 0).unwrap();
        assert_eq!(present(second(1)).unwrap(), "1000000");
        assert!(present(second(-1)).is_err());
        assert!(present(second(9_007_199_255)).is_err());
    }
}
