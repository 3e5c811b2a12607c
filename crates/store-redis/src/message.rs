//! What scripts are told and what they answer.

use portcullis_core::{
    HashDigest, HashString, OperationId, Timestamp,
    store::{Method, WaitSchedule},
};
use serde::{Deserialize, Serialize};

use crate::{error::Error, keys::Place};

/// What every script on a user or a sham is told.
#[derive(Serialize)]
pub(crate) struct Call<B> {
    pub(crate) subject: String,
    /// The user's id; a sham has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    pub(crate) method: &'static str,
    pub(crate) operation: String,
    /// None is the time of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) now: Option<String>,
    /// Milliseconds for which the operation's record is kept.
    pub(crate) keep: String,
    /// Whether to write at a repetition as well, for replicas to confirm.
    pub(crate) touch: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) known: Option<Known>,
    #[serde(flatten)]
    pub(crate) body: B,
}

impl<B> Call<B> {
    pub(crate) fn new(place: &Place, method: Method, operation: OperationId, body: B) -> Self {
        Self {
            subject: place.owner(),
            user: (!place.is_sham()).then(|| place.id.clone()),
            method: method.as_str(),
            operation: operation.to_string(),
            now: None,
            keep: String::new(),
            touch: false,
            known: None,
            body,
        }
    }
}

/// The digest of a stored hash that another hand has changed.
#[derive(Serialize)]
pub(crate) struct Known {
    pub(crate) sum: String,
    pub(crate) digest: String,
}

#[derive(Serialize)]
pub(crate) struct Create<'a> {
    pub(crate) username: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) state: &'static str,
    pub(crate) must: bool,
    #[serde(flatten)]
    pub(crate) hash: Option<Hash<'a>>,
    pub(crate) event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) editor: Option<&'a str>,
}

/// A hash and its digest.
#[derive(Serialize)]
pub(crate) struct Hash<'a> {
    hash: &'a str,
    digest: String,
}

impl<'a> Hash<'a> {
    pub(crate) fn new(hash: &'a HashString) -> Self {
        Self {
            hash: hash.as_stored(),
            digest: hash.digest().to_string(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Commit<'a> {
    pub(crate) expected: String,
    pub(crate) events: Vec<&'static str>,
    pub(crate) clears_failures: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<Credential<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redeem: Option<Redeem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issue: Option<Issue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) editor: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct Credential<'a> {
    pub(crate) must: bool,
    #[serde(flatten)]
    pub(crate) hash: Option<Hash<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Redeem {
    pub(crate) digest: String,
    pub(crate) max_guesses: u32,
}

#[derive(Serialize)]
pub(crate) struct Issue {
    pub(crate) digest: String,
    pub(crate) expires: String,
    pub(crate) guesses: u32,
}

#[derive(Serialize)]
pub(crate) struct Upgrade<'a> {
    pub(crate) verified: &'a str,
    #[serde(flatten)]
    pub(crate) hash: Hash<'a>,
}

#[derive(Serialize)]
pub(crate) struct Take {
    pub(crate) limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waits: Option<Waits>,
    pub(crate) lease: Lease,
    pub(crate) guesses_code: bool,
}

/// A schedule, worked out. A wait of no whole microsecond is rounded up: it has passed at the
/// same microsecond.
#[derive(Serialize)]
pub(crate) struct Waits {
    after: u32,
    micros: Vec<u64>,
}

impl Waits {
    pub(crate) fn new(waits: &WaitSchedule) -> Self {
        let after = waits.after.max(1);
        let wait = |doublings: u32| {
            let wait = waits.after_failures(after.saturating_add(doublings));
            let micros = wait.as_nanos().div_ceil(1_000);
            u64::try_from(micros).unwrap_or(EXACT).min(EXACT)
        };
        Self {
            after,
            // From 32 doublings on the wait stays the same.
            micros: (0..=32).map(wait).collect(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Lease {
    seconds: u64,
    micros: u32,
    last_second: i64,
}

impl Lease {
    pub(crate) fn new(lease: std::time::Duration) -> Self {
        let last_second = Timestamp::MAX_UTC.timestamp();
        Self {
            // More ends at the last moment all the same, and this much is exact in a script.
            seconds: lease.as_secs().min(last_second.unsigned_abs()),
            micros: lease.subsec_micros(),
            last_second,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Settle {
    pub(crate) verification: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock_at: Option<u32>,
}

/// What a script came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
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
}

impl Outcome {
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

/// The answer of a script.
#[derive(Deserialize)]
pub(crate) struct Reply {
    pub(crate) outcome: Outcome,
    pub(crate) sequence: Option<String>,
    pub(crate) changed: Option<String>,
    pub(crate) failures: Option<u32>,
    pub(crate) locked: Option<bool>,
    pub(crate) failed: Option<String>,
    pub(crate) open: Option<usize>,
    pub(crate) earliest: Option<String>,
    pub(crate) now: Option<String>,
    pub(crate) sum: Option<String>,
    pub(crate) hash: Option<String>,
}

impl Reply {
    pub(crate) fn parse(answer: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(answer).map_err(|_| Error::Reply)
    }

    /// The digest that the script asked for.
    pub(crate) fn wanted(self) -> Option<Known> {
        let hash = zeroize::Zeroizing::new(self.hash?);
        Some(Known {
            sum: self.sum?,
            digest: HashDigest::of(&hash).to_string(),
        })
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_schedule_is_worked_out_to_the_microsecond() {
        let nano = Duration::from_nanos(1);
        let waits = Waits::new(&WaitSchedule::new(0, nano, Duration::MAX));
        assert_eq!(waits.after, 1);
        assert_eq!(waits.micros.first(), Some(&1), "rounded up");
        assert_eq!(waits.micros.get(10), Some(&2), "1,024 nanoseconds");
        assert_eq!(waits.micros.last(), Some(&4_294_968));
        let longest = WaitSchedule::new(3, Duration::MAX, Duration::MAX);
        assert_eq!(Waits::new(&longest).micros, [EXACT; 33]);
        let none = WaitSchedule::new(u32::MAX, Duration::ZERO, Duration::ZERO);
        assert_eq!(Waits::new(&none).micros, [0; 33]);
    }

    #[test]
    fn a_lease_is_cut_to_what_a_script_can_add() {
        let lease = Lease::new(Duration::MAX);
        assert_eq!(lease.seconds, lease.last_second.unsigned_abs());
        assert!(lease.seconds < EXACT);
        let lease = Lease::new(Duration::new(30, 1_999));
        assert_eq!((lease.seconds, lease.micros), (30, 1));
    }

    #[test]
    fn a_present_out_of_range_is_refused() {
        let second = |second| Timestamp::from_timestamp(second, 0).unwrap();
        assert_eq!(present(second(1)).unwrap(), "1000000");
        assert!(present(second(-1)).is_err());
        assert!(present(second(9_007_199_255)).is_err());
    }
}
