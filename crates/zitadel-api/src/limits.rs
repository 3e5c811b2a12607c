//! Bounds that upstream leaves open (contract 11.14).

use std::time::Duration;

use http::HeaderMap;

/// How long a call may take. Sizes are fixed by the contract.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// Time for a call that names no deadline: 10 seconds.
    pub default_deadline: Duration,
    /// The longest deadline that a caller may name: 60 seconds.
    pub max_deadline: Duration,
}

impl Limits {
    /// Largest body, and largest message after decompression: 64 KiB.
    pub const MAX_BODY_BYTES: usize = 64 * 1024;

    /// Another default for calls that name no deadline.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis_zitadel_api::Limits;
    /// let limits = Limits::default().with_default_deadline(Duration::from_secs(5));
    /// assert_eq!(limits.default_deadline.as_secs(), 5);
    /// ```
    #[must_use]
    pub const fn with_default_deadline(mut self, deadline: Duration) -> Self {
        self.default_deadline = deadline;
        self
    }

    /// The time that a call has, given what its caller asked for.
    pub(crate) fn time_for(&self, headers: &HeaderMap) -> Duration {
        asked(headers)
            .unwrap_or(self.default_deadline)
            .min(self.max_deadline)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            default_deadline: Duration::from_secs(10),
            max_deadline: Duration::from_secs(60),
        }
    }
}

/// `Connect-Timeout-Ms`, or `Grpc-Timeout`, which grpc-gateway honours over REST as well.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    text("connect-timeout-ms")
        .and_then(|text| Some(Duration::from_millis(digits(text, 10)?)))
        .or_else(|| text("grpc-timeout").and_then(grpc_timeout))
}

/// At most eight digits and a unit.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (amount, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount = digits(amount, 8)?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3_600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

fn digits(text: &str, at_most: usize) -> Option<u64> {
    let good = text.len() <= at_most && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::{any, proptest};

    use super::*;

    fn time(name: &'static str, value: &str) -> Duration {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        Limits::default().time_for(&headers)
    }

    #[test]
    fn both_forms_are_read_and_bounded() {
        for (name, value, millis) in [
            ("grpc-timeout", "250m", 250),
            ("grpc-timeout", "2S", 2_000),
            ("grpc-timeout", "00000001M", 60_000),
            ("grpc-timeout", "99999999H", 60_000),
            ("grpc-timeout", "1000000n", 1),
            ("grpc-timeout", "5000u", 5),
            ("connect-timeout-ms", "0", 0),
            ("connect-timeout-ms", "1500", 1_500),
            ("connect-timeout-ms", "9999999999", 60_000),
        ] {
            assert_eq!(
                time(name, value),
                Duration::from_millis(millis),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_the_default() {
        for (name, value) in [
            ("grpc-timeout", ""),
            ("grpc-timeout", "S"),
            ("grpc-timeout", "+1S"),
            ("grpc-timeout", "1s"),
            ("grpc-timeout", "100000000S"),
            ("grpc-timeout", "1.5S"),
            ("connect-timeout-ms", "-1"),
            ("connect-timeout-ms", "10000000000"),
        ] {
            assert_eq!(
                time(name, value),
                Duration::from_secs(10),
                "{name}: {value:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_value_panics_or_passes_the_bound(value in any::<Vec<u8>>()) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert("grpc-timeout", value.clone());
                assert!(Limits::default().time_for(&headers) <= Duration::from_secs(60));
                headers.insert("connect-timeout-ms", value);
                assert!(Limits::default().time_for(&headers) <= Duration::from_secs(60));
            }
        }
    }
}
